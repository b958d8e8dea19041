"""What a layer's experts cost: all on all rows, those that were selected, and the bare matrix products of the latter.

    python bench/experts.py [--batch 4096] [--input 160] [--hidden 256 128] [--per-row 2] [--turns 15] [--device cpu]

First table: one step, forward and backward, and one prediction, by the number of experts. `over products` is the time
over that of the matrix products alone, on as many rows for each expert and with nothing around them: no gathering,
no norm, no activation, no mixture. `over 8` is the time over that of 8 experts.
Second table: from how many rows of a batch on running the selected experts pays; `auto` is what aesm takes.
Medians; on a CPU of one thread's CPU time, and wall time beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measure import Spent, measure
from rich.console import Console
from rich.table import Table
from torch import Tensor

from aesm_dsl.layers.experts import Experts, run_dense, run_sparse
from aesm_dsl.layers.sparse_experts import GroupedPairs, Pairs, SegmentPairs
from aesm_dsl.plan.cost import loop_pays
from aesm_dsl.plan.plan import LayerPlan

COUNTS = (8, 16, 64, 256)
DENSE_UP_TO = 64
"""Running all of 256 experts on a whole batch takes gigabytes and tells nothing new."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("batch", 4096), ("input", 160), ("per-row", 2), ("turns", 15)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 128])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="bfloat16, in which a GPU groups the products")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    console = Console(width=130)
    widths = " > ".join(str(width) for width in (given.input, *given.hidden))
    size = f"batch {given.batch:,}, {widths}, {given.per_row} experts a row, {given.device}"
    console.print(by_count(given, size))
    if given.device == "cpu":
        console.print(by_batch(given, size))


def by_count(given: argparse.Namespace, size: str) -> Table:
    steps, predictions = {}, {}
    for count in COUNTS:
        case = Case(given, count, given.batch)
        for way, run in case.ways().items():
            steps[f"{count} {way}"] = lambda case=case, run=run: case.step(run)
            predictions[f"{count} {way}"] = lambda case=case, run=run: case.predict(run)
        steps[f"{count} products"] = lambda case=case: case.products(backward=True)
        predictions[f"{count} products"] = lambda case=case: case.products(backward=False)
    trained, predicted = (measure(each, given.turns, given.device) for each in (steps, predictions))
    header = ("experts", "way", "train: CPU ms", "wall ms", "over products", "over 8")
    shown = Table(*header, "predict: CPU ms", "wall ms", "over products", "over 8", title=f"experts: {size}")
    for key, spent in trained.items():
        count, way = key.split()
        cells = []
        for found, one in ((trained, spent), (predicted, predicted[key])):
            bare, least = found[f"{count} products"], found[f"8 {way}"]
            cells += [*_ms(one), f"{one.cpu / bare.cpu:.2f}", f"{one.cpu / least.cpu:.2f}"]
        shown.add_row(count, way, *cells, end_section=way == "products")
    return shown


def by_batch(given: argparse.Namespace, size: str) -> Table:
    shown = Table("experts", "rows", "dense ms", "loop ms", "dense / loop", "auto", title=f"prediction: {size}")
    for count in COUNTS:
        for rows in (1, 8, 32, 256, given.batch):
            case = Case(given, count, rows)
            ways = case.ways()
            if "dense" not in ways:
                continue
            found = measure(
                {way: lambda case=case, run=run: case.predict(run) for way, run in ways.items()}, given.turns
            )
            dense, loop = found["dense"], found["loop"]
            auto = "loop" if loop_pays(case.plan, rows) else "dense"
            shown.add_row(
                str(count),
                f"{rows:,}",
                f"{1e3 * dense.cpu:.2f}",
                f"{1e3 * loop.cpu:.2f}",
                f"{dense.cpu / loop.cpu:.2f}",
                auto,
            )
        shown.add_section()
    return shown


class Case:
    """Experts, rows, and a selection of `per_row` experts for each, drawn evenly."""

    def __init__(self, given: argparse.Namespace, count: int, rows: int) -> None:
        dtype = torch.bfloat16 if given.bf16 else torch.float32
        specific, shared = given.per_row - given.per_row // 2, given.per_row // 2
        self.plan = LayerPlan(
            given.input, 0, 2, count, tuple(given.hidden), specific, shared, "layer", "layer", "silu", 0.0
        )
        self.experts = Experts(self.plan).to(given.device, dtype)
        self.x_BD = torch.randn(rows, given.input, device=given.device, dtype=dtype, requires_grad=True)
        self.above_BGF = torch.randn(rows, 1, given.hidden[-1], device=given.device, dtype=dtype)
        picked_BK = torch.rand(rows, count, device=given.device).topk(given.per_row).indices
        weight_BE = torch.zeros(rows, count, device=given.device, dtype=dtype).scatter(1, picked_BK, 1 / given.per_row)
        self.weight_BGE = weight_BE.unsqueeze(1).requires_grad_()
        self.device, self.grouped = given.device, given.bf16
        with torch.no_grad():
            pairs = SegmentPairs(weight_BE != 0)
            self.used, self.sizes = pairs.experts, pairs.sizes
            widths = (given.input, *given.hidden)
            self.inside = [torch.randn(sum(pairs.sizes), width, device=given.device, dtype=dtype) for width in widths]

    def ways(self) -> dict[str, Callable[[], Tensor]]:
        found: dict[str, Callable[[], Tensor]] = {"loop": lambda: self.sparse(SegmentPairs)}
        if self.grouped:
            found["grouped"] = lambda: self.sparse(lambda runs_BE: GroupedPairs(runs_BE, self.plan.most(1)))
        if self.plan.experts <= DENSE_UP_TO or len(self.x_BD) < 256:
            found["dense"] = lambda: run_dense(self.experts.blocks, self.x_BD, self.weight_BGE)
        return found

    def sparse(self, kind: Callable[[Tensor], Pairs]) -> Tensor:
        pairs = kind((self.weight_BGE != 0).any(dim=1))
        return run_sparse(self.experts.blocks, self.x_BD, self.weight_BGE, pairs)

    def step(self, run: Callable[[], Tensor]) -> None:
        for one in (self.x_BD, self.weight_BGE, *self.experts.parameters()):
            one.grad = None
        run().backward(self.above_BGF)

    def predict(self, run: Callable[[], Tensor]) -> None:
        with torch.no_grad():
            run()

    def products(self, *, backward: bool) -> None:
        """The matrix products of the selected rows and no more: one a block, and two backward."""
        with torch.no_grad():
            for block, before, after in zip(self.experts.blocks, self.inside[:-1], self.inside[1:], strict=True):
                parts = zip(self.used, before.split(self.sizes), after.split(self.sizes), strict=True)
                weights = block.weight_EDH.unbind()
                for e, h, out in parts:
                    torch.mm(h, weights[e])
                    if backward:
                        torch.mm(out, weights[e].T)
                        torch.mm(h.T, out)


def _ms(spent: Spent) -> tuple[str, str]:
    return f"{1e3 * spent.cpu:.1f}", f"{1e3 * spent.wall:.1f}"


if __name__ == "__main__":
    main()
