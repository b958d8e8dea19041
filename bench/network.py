"""Measures networks: AES, which runs only the selected experts, compared with dense networks of the same experts.

    python bench/network.py [--experts 8 32] [--batch 4096] [--turns 9] [--device cpu]

All networks have 10 categorical features of 10,000 values, embeddings of width 16, experts [256, 128], two tasks with
towers [64], and Adam. They are: AES of one task level with 1 specific + 1 shared expert per row and task; the same with
every expert run; an MMoE of the same experts (`architecture = mmoe`); the MMoE of deepctr-torch and of torch-rechub, if
they are installed; and AES of three levels. A training step is forward, loss, backward and Adam's step, on random rows;
a prediction is what a server does. First table: both, on a whole batch. Second table: predictions, by the rows of a
batch. Times are medians: on a CPU, the CPU time of one thread, with the wall time beside it. Ratios are to our MMoE.
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
    """A network that is measured."""

    step: Callable[[], object]
    """Makes a training step on the whole batch."""
    predict: Callable[[int], object]
    """Predicts so many rows of the batch."""
    flops: int | None = None
    """FLOPs per row, forward; None if they are not known."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experts", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=130)
    for count in options.experts:
        networks = contenders(count, options)
        console.print(whole_batches(networks, count, options))
        console.print(by_rows(networks, count, options))


def contenders(count: int, options: argparse.Namespace) -> dict[str, Contender]:
    """Returns all networks with so many experts, by name."""
    networks = {
        "AES, one task level": ours(count, options),
        "AES, every expert run": ours(count, options, execution="dense"),
        "MMoE": ours(count, options, architecture="mmoe"),
        "AES, three levels": ours(count, options, levels=LEVELS, repeat=2),
    }
    for name, package, make in (("deepctr-torch", "deepctr_torch", deepctr), ("torch-rechub", "torch_rechub", rechub)):
        if importlib.util.find_spec(package):
            networks[f"MMoE of {name}"] = make(count, options)
    return networks


def whole_batches(networks: dict[str, Contender], count: int, options: argparse.Namespace) -> Table:
    """A training step and a prediction of the whole batch."""
    title = f"{count} experts, batch {options.batch:,}, {options.device}"
    header = ("", "FLOPs per row", "train: rows/s", "CPU ms", "wall ms", "to MMoE")
    table = Table(*header, "predict: rows/s", "CPU ms", "wall ms", "to MMoE", title=title)
    trained = measure({name: network.step for name, network in networks.items()}, options.turns, options.device)
    calls = {name: lambda network=network: network.predict(options.batch) for name, network in networks.items()}
    predicted = measure(calls, options.turns, options.device)
    for name, network in networks.items():
        cells = []
        for times in (trained, predicted):
            own = times[name]
            rate, ratio = options.batch / own.cpu, times["MMoE"].cpu / own.cpu
            cells += [f"{rate:,.0f}", f"{1e3 * own.cpu:.1f}", f"{1e3 * own.wall:.1f}", f"{ratio:.2f} x"]
        table.add_row(name, "" if network.flops is None else f"{network.flops:,}", *cells)
    return table


def by_rows(networks: dict[str, Contender], count: int, options: argparse.Namespace) -> Table:
    """Predictions, by the rows of a batch."""
    sizes = (1, 32, 256, options.batch)
    table = Table("", *(f"{rows:,} rows: ms" for rows in sizes), *(f"to MMoE: {rows:,}" for rows in sizes))
    table.title = f"{count} experts, prediction, {options.device}"
    columns = []
    for rows in sizes:
        calls = {name: lambda network=network, rows=rows: network.predict(rows) for name, network in networks.items()}
        columns.append(measure(calls, options.turns, options.device))
    for name in networks:
        ms = [f"{1e3 * times[name].cpu:.2f}" for times in columns]
        table.add_row(name, *ms, *(f"{times['MMoE'].cpu / times[name].cpu:.2f} x" for times in columns))
    return table


def ours(
    count: int,
    options: argparse.Namespace,
    *,
    architecture: str = "aes",
    execution: str = "auto",
    levels: str = "",
    repeat: int = 1,
) -> Contender:
    """Returns a network of aesm."""
    lines = "\n".join(f"f{k} = id(buckets: {VALUES - 1}, embed: {WIDTH})" for k in range(FEATURES))
    text = SPEC.replace("FEATURES", f"features user {{\n{lines}\n}}").replace("LEVELS", levels)
    experts = "count = COUNT; hidden = [256, 128]; specific = 1; shared = 1; repeat = REPEAT; execution = EXECUTION"
    text = text.replace("{ EXPERTS }", f"{{ {experts} }}")
    words = {"COUNT": count, "REPEAT": repeat, "EXECUTION": execution, "ARCHITECTURE": architecture}
    for word, value in words.items():
        text = text.replace(word, str(value))
    plan = compile_spec(Spec.parse(text)).plan
    torch.manual_seed(0)
    network = build_network(plan).to(options.device)
    for name, parameter in network.named_parameters():
        if "gate" in name:  # gates that differ from row to row, as in a trained network
            parameter.data.normal_(0, 0.3)
    steps = optimizers(network, plan.training)
    chance = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.randint(1, VALUES, (options.batch, FEATURES), generator=chance),
        torch.empty(options.batch, 0),
        torch.stack(
            [torch.randint(len(level.nodes), (options.batch,), generator=chance) for level in plan.levels], dim=1
        )
        if plan.levels
        else torch.zeros(options.batch, 0, dtype=torch.int64),
        torch.randint(2, (options.batch, 2), generator=chance).float(),
        torch.ones(options.batch),
    ).to(options.device)

    def step() -> None:
        network.train()
        for optimizer in steps:
            optimizer.zero_grad(set_to_none=True)
        loss(network(batch), batch, plan).total.backward()
        for optimizer in steps:
            optimizer.step()

    def predict(rows: int) -> None:
        network.eval()
        part = Batch(*(part[:rows] for part in batch.parts))
        with torch.inference_mode():
            network(part)

    total = cost(plan).total
    return Contender(step, predict, total.dense if execution == "dense" else total.selected)


def peer(model: nn.Module, call: Callable[[Tensor], Tensor], options: argparse.Namespace) -> Contender:
    """Returns another library's network, trained by the same step: the loss of both tasks, and Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    chance = torch.Generator().manual_seed(0)
    ids_BS = torch.randint(1, VALUES, (options.batch, FEATURES), generator=chance).to(options.device)
    label_BT = torch.randint(2, (options.batch, 2), generator=chance).float().to(options.device)

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


def deepctr(count: int, options: argparse.Namespace) -> Contender:
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
        device=options.device,
    )
    return peer(model, lambda ids_BS: model(ids_BS.float()), options)


def rechub(count: int, options: argparse.Namespace) -> Contender:
    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.multi_task import MMOE

    features = [SparseFeature(f"f{k}", VALUES, embed_dim=WIDTH) for k in range(FEATURES)]
    model = MMOE(
        features,
        ["classification", "classification"],
        count,
        expert_params={"dims": [256, 128]},
        tower_params_list=[{"dims": [64]}, {"dims": [64]}],
    ).to(options.device)
    return peer(model, lambda ids_BS: model({f"f{k}": ids_BS[:, k] for k in range(FEATURES)}), options)


if __name__ == "__main__":
    main()
