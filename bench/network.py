"""What a network costs: AES with the selected experts alone, beside dense networks of the same experts.

    python bench/network.py [--experts 8 32] [--batch 4096] [--turns 9] [--device cpu]

Like for like: 10 categorical features of 10,000 values, embeddings of width 16, experts [256, 128], two tasks with
towers [64], Adam. Beside AES of one task level with 1 specific + 1 shared expert for a row and task stand the same with
every expert run, an MMoE of the same experts (`architecture = mmoe`), the MMoE of deepctr-torch and of torch-rechub
where they are installed, and AES of three levels. A training step is forward, loss, backward and Adam's step, on random
rows; a prediction is what a server does. First table: both, on a whole batch. Second: predictions, by rows of a batch.
Medians; on a CPU of one thread's CPU time, and wall time beside it. Ratios are to the dense MMoE of ours.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch
from measure import measure
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import build_network
from aesm_dsl.plan.cost import cost
from aesm_dsl.spec.model import Spec
from aesm_dsl.training.fit.loss import loss
from aesm_dsl.training.fit.optimizer import optimizers

FEATURES, VALUES, WIDTH = 10, 10_000, 16
RATE = 1e-3

LEVELS = """
  level page { node home; node tab; node push; experts { EXPERTS } }
  level card { under = page; node hot; node new; experts { EXPERTS } }
"""

SPEC = """
aesm = 1
model bench {
  FEATURES
  LEVELS
  tasks {
    task click
    task buy
    tower = [64]
    experts { EXPERTS }
  }
  architecture = ARCHITECTURE
  baseline { hidden = [256, 128]; experts = COUNT }
  train { batch = 4096 rows; noise = none }
}
"""


@dataclass(frozen=True, slots=True)
class Contender:
    step: Callable[[], object]
    predict: Callable[[int], object]
    flops: int | None = None
    """A row's, forward."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experts", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=130)
    for count in given.experts:
        found = contenders(count, given)
        console.print(whole_batches(found, count, given))
        console.print(by_rows(found, count, given))


def contenders(count: int, given: argparse.Namespace) -> dict[str, Contender]:
    found = {
        "AES, one task level": ours(count, given),
        "AES, every expert run": ours(count, given, execution="dense"),
        "MMoE": ours(count, given, architecture="mmoe"),
        "AES, three levels": ours(count, given, levels=LEVELS, repeat=2),
    }
    for name, package, make in (("deepctr-torch", "deepctr_torch", deepctr), ("torch-rechub", "torch_rechub", rechub)):
        if importlib.util.find_spec(package):
            found[f"MMoE of {name}"] = make(count, given)
    return found


def whole_batches(found: dict[str, Contender], count: int, given: argparse.Namespace) -> Table:
    title = f"{count} experts, batch {given.batch:,}, {given.device}"
    header = ("", "FLOPs a row", "train: rows/s", "CPU ms", "wall ms", "to MMoE")
    shown = Table(*header, "predict: rows/s", "CPU ms", "wall ms", "to MMoE", title=title)
    trained = measure({name: one.step for name, one in found.items()}, given.turns, given.device)
    calls = {name: lambda one=one: one.predict(given.batch) for name, one in found.items()}
    predicted = measure(calls, given.turns, given.device)
    for name, one in found.items():
        cells = []
        for spent in (trained, predicted):
            rate, ratio = given.batch / spent[name].cpu, spent["MMoE"].cpu / spent[name].cpu
            cells += [f"{rate:,.0f}", f"{1e3 * spent[name].cpu:.1f}", f"{1e3 * spent[name].wall:.1f}", f"{ratio:.2f} x"]
        shown.add_row(name, "" if one.flops is None else f"{one.flops:,}", *cells)
    return shown


def by_rows(found: dict[str, Contender], count: int, given: argparse.Namespace) -> Table:
    sizes = (1, 32, 256, given.batch)
    shown = Table("", *(f"{rows:,} rows: ms" for rows in sizes), *(f"to MMoE: {rows:,}" for rows in sizes))
    shown.title = f"{count} experts, prediction, {given.device}"
    columns = []
    for rows in sizes:
        calls = {name: lambda one=one, rows=rows: one.predict(rows) for name, one in found.items()}
        columns.append(measure(calls, given.turns, given.device))
    for name in found:
        times = [f"{1e3 * spent[name].cpu:.2f}" for spent in columns]
        shown.add_row(name, *times, *(f"{spent['MMoE'].cpu / spent[name].cpu:.2f} x" for spent in columns))
    return shown


def ours(
    count: int,
    given: argparse.Namespace,
    *,
    architecture: str = "aes",
    execution: str = "auto",
    levels: str = "",
    repeat: int = 1,
) -> Contender:
    lines = "\n".join(f"f{k} = id(buckets: {VALUES - 1}, embed: {WIDTH})" for k in range(FEATURES))
    text = SPEC.replace("FEATURES", f"features user {{\n{lines}\n}}").replace("LEVELS", levels)
    experts = "count = COUNT; hidden = [256, 128]; specific = 1; shared = 1; repeat = REPEAT; execution = EXECUTION"
    text = text.replace("{ EXPERTS }", f"{{ {experts} }}")
    words = {"COUNT": count, "REPEAT": repeat, "EXECUTION": execution, "ARCHITECTURE": architecture}
    for word, value in words.items():
        text = text.replace(word, str(value))
    plan = compile_spec(Spec.parse(text)).plan
    torch.manual_seed(0)
    network = build_network(plan).to(given.device)
    for name, parameter in network.named_parameters():
        if "gate" in name:  # as in a trained network, every row selects its own
            parameter.data.normal_(0, 0.3)
    steps = optimizers(network, plan.training)
    chance = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.randint(1, VALUES, (given.batch, FEATURES), generator=chance),
        torch.empty(given.batch, 0),
        torch.stack([torch.randint(len(one.nodes), (given.batch,), generator=chance) for one in plan.levels], dim=1)
        if plan.levels
        else torch.zeros(given.batch, 0, dtype=torch.int64),
        torch.randint(2, (given.batch, 2), generator=chance).float(),
        torch.ones(given.batch),
    ).to(given.device)

    def step() -> None:
        network.train()
        for one in steps:
            one.zero_grad(set_to_none=True)
        loss(network(batch), batch, plan).total.backward()
        for one in steps:
            one.step()

    def predict(rows: int) -> None:
        network.eval()
        part = Batch(*(part[:rows] for part in batch.parts))
        with torch.inference_mode():
            network(part)

    return Contender(step, predict, cost(plan).total.dense if execution == "dense" else cost(plan).total.selected)


def peer(model: nn.Module, call: Callable[[Tensor], Tensor], given: argparse.Namespace) -> Contender:
    """A peer's network under the same step: sum of both tasks' losses, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    chance = torch.Generator().manual_seed(0)
    ids_BS = torch.randint(1, VALUES, (given.batch, FEATURES), generator=chance).to(given.device)
    label_BT = torch.randint(2, (given.batch, 2), generator=chance).float().to(given.device)

    def step() -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        functional.binary_cross_entropy(call(ids_BS), label_BT).backward()
        optimizer.step()

    def predict(rows: int) -> None:
        model.eval()
        with torch.inference_mode():
            call(ids_BS[:rows])

    return Contender(step, predict)


def deepctr(count: int, given: argparse.Namespace) -> Contender:
    from deepctr_torch.inputs import SparseFeat
    from deepctr_torch.models import MMOE

    columns = [SparseFeat(f"f{k}", VALUES, embedding_dim=WIDTH) for k in range(FEATURES)]
    model = MMOE(
        columns,
        num_experts=count,
        expert_dnn_hidden_units=(256, 128),
        gate_dnn_hidden_units=(),
        tower_dnn_hidden_units=(64,),
        task_types=("binary", "binary"),
        task_names=("click", "buy"),
        l2_reg_linear=0,
        l2_reg_embedding=0,
        device=given.device,
    )
    return peer(model, lambda ids_BS: model(ids_BS.float()), given)


def rechub(count: int, given: argparse.Namespace) -> Contender:
    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.multi_task import MMOE

    features = [SparseFeature(f"f{k}", VALUES, embed_dim=WIDTH) for k in range(FEATURES)]
    model = MMOE(
        features,
        ["classification", "classification"],
        count,
        expert_params={"dims": [256, 128]},
        tower_params_list=[{"dims": [64]}, {"dims": [64]}],
    ).to(given.device)
    return peer(model, lambda ids_BS: model({f"f{k}": ids_BS[:, k] for k in range(FEATURES)}), given)


if __name__ == "__main__":
    main()
