"""What a training step costs by how the embedding tables are moved: dense Adam, torch's SparseAdam, our LazyAdam.

    python bench/embeddings.py [--rows 1400000] [--width 16] [--features 10] [--batch 4096] [--steps 21] [--device cpu]

Three tables: the embedding tables alone; by how many rows there are for every id looked up, which is what `auto` goes
by; and a whole network, with experts and towers, whose tables are dense or sparse. All ways take turns, step by step,
on the same ids. Medians; on a CPU of one thread's CPU time, which other work on the machine disturbs least, and wall
time beside it; on other devices of wall time alone.

`skewed` ids are log-uniform, so that about half of what a batch looks up is repeated, as ids in logs are; `uniform` ids
hardly ever repeat, the worst case of a sparse step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measure import Spent, measure
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.build import build_network as build_network
from aesm_dsl.spec.model import Spec
from aesm_dsl.training.fit.loss import loss
from aesm_dsl.training.fit.optimizer import LazyAdam, optimizers

WARM_STEPS = 3
"""Steps of each way that are not counted: the first ones make the optimiser's state."""

Step = Callable[[Tensor], None]

WAYS: dict[str, Callable[[Tensor], torch.optim.Optimizer]] = {
    "Adam": lambda table: torch.optim.Adam([table]),
    "Adam(fused=True)": lambda table: torch.optim.Adam([table], fused=True),
    "SparseAdam": lambda table: torch.optim.SparseAdam([table]),
    "LazyAdam (ours)": lambda table: LazyAdam([table], 1e-3, 0.0, decoupled=False),
}
SPARSE = ("SparseAdam", "LazyAdam (ours)")

SPEC = """
aesm = 1
model wide {{
  features user {{ {features} }}
  tasks {{
    task click
    task buy
    experts {{ count = 8; hidden = [256, 128]; specific = 1; shared = 1; repeat = 1 }}
    tower = [64]
  }}
  train {{ batch = {batch} rows; embeddings = {embeddings} }}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rows", 1_400_000), ("width", 16), ("features", 10), ("batch", 4096), ("steps", 21)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console, chance = Console(width=120), torch.Generator().manual_seed(0)
    size = f"{given.features} features, batch {given.batch:,}, width {given.width}, {given.device}"

    shown = Table(
        "ids", "way", "CPU ms", "wall ms", "rows/s", "dense Adam", "fused Adam", title=f"tables alone: {size}"
    )
    for kind in ("skewed", "uniform"):
        ways = {way: table_step(way, given.rows, given) for way in WAYS}
        found = spend(ways, lambda kind=kind: draw(kind, given.rows, given, chance), given)
        add(shown, kind, found, given, ("Adam", "Adam(fused=True)"))
    console.print(shown)

    shown = Table(
        "ids", "rows for every id", "fused Adam ms", "LazyAdam ms", "ratio", title=f"large from where: {size}"
    )
    for kind in ("skewed", "uniform"):
        for ratio in (2, 4, 8, 16, 32):
            rows = ratio * given.batch * given.features
            ways = {way: table_step(way, rows, given) for way in ("Adam(fused=True)", "LazyAdam (ours)")}
            found = spend(ways, lambda kind=kind, rows=rows: draw(kind, rows, given, chance), given)
            dense, lazy = (one.cpu for one in found.values())
            shown.add_row(kind, str(ratio), f"{1e3 * dense:.1f}", f"{1e3 * lazy:.1f}", f"{dense / lazy:.2f}")
    console.print(shown)

    shown = Table("ids", "tables", "CPU ms", "wall ms", "rows/s", "dense", title=f"a whole network: {size}")
    for kind in ("skewed", "uniform"):
        ways = {way: network_step(way, given) for way in ("dense", "sparse")}
        found = spend(ways, lambda kind=kind: draw(kind, given.rows, given, chance), given)
        add(shown, kind, found, given, ("dense",))
    console.print(shown)


def draw(kind: str, rows: int, given: argparse.Namespace, chance: torch.Generator) -> Tensor:
    """ids_BS: of each feature, ids of its own share of the table's rows."""
    own = rows // given.features
    share_BF = torch.rand(given.batch, given.features, generator=chance, dtype=torch.float64)
    ids_BS = (own**share_BF - 1) if kind == "skewed" else share_BF * own
    return ids_BS.long().clamp(0, own - 1).to(given.device)


def table_step(way: str, rows: int, given: argparse.Namespace) -> Step:
    """Lookup, backward and step of one table that all features share; what comes back from above is random."""
    embedding = nn.Embedding(rows, given.width, sparse=way in SPARSE, device=given.device)
    optimizer = WAYS[way](embedding.weight)
    offset_F = torch.arange(given.features, device=given.device) * (rows // given.features)
    above = torch.randn(given.batch, given.features * given.width, device=given.device)

    def step(ids_BS: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        embedding(ids_BS + offset_F).flatten(1).backward(above)
        optimizer.step()

    return step


def network_step(embeddings: str, given: argparse.Namespace) -> Step:
    """A step of training, loss and all optimisers, as `aesm train` takes it; without gate noise."""
    buckets = given.rows // given.features - 1
    features = "\n".join(f"f{k} = id(buckets: {buckets}, embed: {given.width})" for k in range(given.features))
    text = SPEC.format(features=features, batch=given.batch, embeddings=embeddings)
    plan = compile_spec(Spec.parse(text)).plan
    torch.manual_seed(0)
    network: AnyNetwork = build_network(plan).to(given.device)
    steps = optimizers(network, plan.training)
    label_BT = torch.randint(2, (given.batch, 2)).float()
    node_BL, weight_B = torch.zeros(given.batch, 0, dtype=torch.int64), torch.ones(given.batch)
    value_BV = torch.empty(given.batch, 0)

    def step(ids_BS: Tensor) -> None:
        batch = Batch(ids_BS, value_BV, node_BL, label_BT, weight_B).to(given.device)
        for one in steps:
            one.zero_grad(set_to_none=True)
        loss(network(batch), batch, plan).total.backward()
        for one in steps:
            one.step()

    return step


def spend(ways: dict[str, Step], ids: Callable[[], Tensor], given: argparse.Namespace) -> dict[str, Spent]:
    """What a step of each way takes, all of them on the ids that are drawn for the turn."""
    drawn: list[Tensor] = []

    def draw_next() -> None:
        drawn[:] = [ids()]

    turn = {way: lambda step=step: step(drawn[0]) for way, step in ways.items()}
    return measure(turn, given.steps, given.device, WARM_STEPS, draw_next)


def add(shown: Table, kind: str, found: dict[str, Spent], given: argparse.Namespace, beside: tuple[str, ...]) -> None:
    """A line for every way, with how many times faster it is than those of `beside`."""
    for way, spent in found.items():
        cpu, wall = spent.cpu, spent.wall
        ratios = [f"{found[other].cpu / cpu:.1f} x" for other in beside]
        shown.add_row(kind, way, f"{1e3 * cpu:.1f}", f"{1e3 * wall:.1f}", f"{given.batch / cpu:,.0f}", *ratios)
    shown.add_section()


if __name__ == "__main__":
    main()
