"""Measures a training step by how the embedding tables are updated: Adam, torch's SparseAdam, or our LazyAdam.

    python bench/embeddings.py [--rows 1400000] [--width 16] [--features 10] [--batch 4096] [--steps 21] [--device cpu]

It prints three tables: the embedding tables alone; the same by the number of rows for every id looked up, by which
`auto` decides; and a whole network, with experts and towers, whose tables are dense or sparse. All ways take turns,
step by step, on the same ids. Times are medians: on a CPU, the CPU time of one thread, which other work on the machine
disturbs least, with the wall time beside it; on other devices, the wall time only.

`skewed` ids are log-uniform: about half of what a batch looks up is repeated, as in logs. `uniform` ids hardly ever
repeat, which is the worst case of a sparse step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measure import Times, measure
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.spec.model import Spec
from aesm_dsl.training.fit.loss import loss
from aesm_dsl.training.fit.optimizer import LazyAdam, optimizers

WARM_STEPS = 3
"""Steps of each way that do not count: the first one creates the optimizer's state."""

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
    options = parser.parse_args()
    torch.set_num_threads(1)
    console, chance = Console(width=120), torch.Generator().manual_seed(0)
    size = f"{options.features} features, batch {options.batch:,}, width {options.width}, {options.device}"

    table = Table(
        "ids", "optimizer", "CPU ms", "wall ms", "rows/s", "dense Adam", "fused Adam", title=f"tables alone: {size}"
    )
    for kind in ("skewed", "uniform"):
        ways = {way: table_step(way, options.rows, options) for way in WAYS}
        times = measure_steps(ways, lambda kind=kind: draw(kind, options.rows, options, chance), options)
        add_rows(table, kind, times, options, ("Adam", "Adam(fused=True)"))
    console.print(table)

    table = Table("ids", "rows per id", "fused Adam ms", "LazyAdam ms", "ratio", title=f"by rows per id: {size}")
    for kind in ("skewed", "uniform"):
        for ratio in (2, 4, 8, 16, 32):
            rows = ratio * options.batch * options.features
            ways = {way: table_step(way, rows, options) for way in ("Adam(fused=True)", "LazyAdam (ours)")}
            times = measure_steps(ways, lambda kind=kind, rows=rows: draw(kind, rows, options, chance), options)
            dense, lazy = (way.cpu for way in times.values())
            table.add_row(kind, str(ratio), f"{1e3 * dense:.1f}", f"{1e3 * lazy:.1f}", f"{dense / lazy:.2f}")
    console.print(table)

    table = Table("ids", "tables", "CPU ms", "wall ms", "rows/s", "dense", title=f"a whole network: {size}")
    for kind in ("skewed", "uniform"):
        ways = {way: network_step(way, options) for way in ("dense", "sparse")}
        times = measure_steps(ways, lambda kind=kind: draw(kind, options.rows, options, chance), options)
        add_rows(table, kind, times, options, ("dense",))
    console.print(table)


def draw(kind: str, rows: int, options: argparse.Namespace, chance: torch.Generator) -> Tensor:
    """Draws ids_BS; every feature has an equal part of the table's rows."""
    feature_rows = rows // options.features
    share_BF = torch.rand(options.batch, options.features, generator=chance, dtype=torch.float64)
    ids_BS = (feature_rows**share_BF - 1) if kind == "skewed" else share_BF * feature_rows
    return ids_BS.long().clamp(0, feature_rows - 1).to(options.device)


def table_step(way: str, rows: int, options: argparse.Namespace) -> Step:
    """Returns lookup, backward and optimizer step of one table that all features share; its gradient is random."""
    embedding = nn.Embedding(rows, options.width, sparse=way in SPARSE, device=options.device)
    optimizer = WAYS[way](embedding.weight)
    offset_F = torch.arange(options.features, device=options.device) * (rows // options.features)
    above = torch.randn(options.batch, options.features * options.width, device=options.device)

    def step(ids_BS: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        embedding(ids_BS + offset_F).flatten(1).backward(above)
        optimizer.step()

    return step


def network_step(embeddings: str, options: argparse.Namespace) -> Step:
    """Returns a training step with loss and all optimizers, as `aesm train` takes it, without noise on the gates."""
    buckets = options.rows // options.features - 1
    features = "\n".join(f"f{k} = id(buckets: {buckets}, embed: {options.width})" for k in range(options.features))
    text = SPEC.format(features=features, batch=options.batch, embeddings=embeddings)
    plan = compile_spec(Spec.parse(text)).plan
    torch.manual_seed(0)
    network: AnyNetwork = build_network(plan).to(options.device)
    steps = optimizers(network, plan.training)
    label_BT = torch.randint(2, (options.batch, 2)).float()
    node_BL, weight_B = torch.zeros(options.batch, 0, dtype=torch.int64), torch.ones(options.batch)
    value_BV = torch.empty(options.batch, 0)

    def step(ids_BS: Tensor) -> None:
        batch = Batch(ids_BS, value_BV, node_BL, label_BT, weight_B).to(options.device)
        for optimizer in steps:
            optimizer.zero_grad(set_to_none=True)
        loss(network(batch), batch, plan).total.backward()
        for optimizer in steps:
            optimizer.step()

    return step


def measure_steps(ways: dict[str, Step], ids: Callable[[], Tensor], options: argparse.Namespace) -> dict[str, Times]:
    """Measures a step of each way; in each turn, all ways get the same ids."""
    drawn: list[Tensor] = []

    def draw_next() -> None:
        drawn[:] = [ids()]

    turn = {way: lambda step=step: step(drawn[0]) for way, step in ways.items()}
    return measure(turn, options.steps, options.device, warm=WARM_STEPS, before=draw_next)


def add_rows(
    table: Table, kind: str, times: dict[str, Times], options: argparse.Namespace, others: tuple[str, ...]
) -> None:
    """Adds a row for every way, with how many times faster it is than the others."""
    for way, own in times.items():
        ratios = [f"{times[other].cpu / own.cpu:.1f} x" for other in others]
        rate = options.batch / own.cpu
        table.add_row(kind, way, f"{1e3 * own.cpu:.1f}", f"{1e3 * own.wall:.1f}", f"{rate:,.0f}", *ratios)
    table.add_section()


if __name__ == "__main__":
    main()
