"""Measures the experts of one layer: all of them on all rows, only the selected ones, and the bare matrix products.

    python bench/experts.py [--batch 4096] [--input 160] [--hidden 256 128] [--per-row 2] [--turns 15] [--device cpu]

First table: one step, forward and backward, and one prediction, by the number of experts. `over products` is the time
divided by that of the matrix products alone, on as many rows for each expert and with nothing around them: no
gathering, no norm, no activation, no mixture. `over 8` is the time divided by that of 8 experts.
Second table: from how many rows of a batch on running only the selected experts pays; `auto` is what aesm chooses.
All times are medians: on a CPU, the CPU time of one thread, with the wall time beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measure import Times, measure
from rich.console import Console
from rich.table import Table
from torch import Tensor

from aesm_dsl.layers.experts import Experts, run_dense, run_sparse
from aesm_dsl.layers.sparse_experts import GroupedPairs, Pairs, SegmentPairs
from aesm_dsl.plan.cost import loop_pays
from aesm_dsl.plan.plan import LayerPlan

COUNTS = (8, 16, 64, 256)
DENSE_UP_TO = 64
"""The most experts that are all run on a whole batch: 256 take gigabytes and show nothing new."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("batch", 4096), ("input", 160), ("per-row", 2), ("turns", 15)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 128])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="bfloat16, in which a GPU groups the products")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    console = Console(width=130)
    widths = " > ".join(str(width) for width in (options.input, *options.hidden))
    size = f"batch {options.batch:,}, {widths}, {options.per_row} experts per row, {options.device}"
    console.print(by_count(options, size))
    if options.device == "cpu":
        console.print(by_batch(options, size))


def by_count(options: argparse.Namespace, size: str) -> Table:
    """A step and a prediction of a whole batch, by the number of experts."""
    steps, predictions = {}, {}
    for count in COUNTS:
        case = Case(options, count, options.batch)
        for execution, run in case.executions().items():
            steps[f"{count} {execution}"] = lambda case=case, run=run: case.step(run)
            predictions[f"{count} {execution}"] = lambda case=case, run=run: case.predict(run)
        steps[f"{count} products"] = lambda case=case: case.products(backward=True)
        predictions[f"{count} products"] = lambda case=case: case.products(backward=False)
    trained, predicted = (measure(each, options.turns, options.device) for each in (steps, predictions))
    header = ("experts", "execution", "train: CPU ms", "wall ms", "over products", "over 8")
    table = Table(*header, "predict: CPU ms", "wall ms", "over products", "over 8", title=f"experts: {size}")
    for key in trained:
        count, execution = key.split()
        cells = []
        for times in (trained, predicted):
            own, products, eight = times[key], times[f"{count} products"], times[f"8 {execution}"]
            cells += [*_ms(own), f"{own.cpu / products.cpu:.2f}", f"{own.cpu / eight.cpu:.2f}"]
        table.add_row(count, execution, *cells, end_section=execution == "products")
    return table


def by_batch(options: argparse.Namespace, size: str) -> Table:
    """A prediction with every expert, and with the selected ones only, by the rows of the batch."""
    table = Table("experts", "rows", "dense ms", "loop ms", "dense / loop", "auto", title=f"prediction: {size}")
    for count in COUNTS:
        for rows in (1, 8, 32, 256, options.batch):
            case = Case(options, count, rows)
            executions = case.executions()
            if "dense" not in executions:
                continue
            calls = {name: lambda case=case, run=run: case.predict(run) for name, run in executions.items()}
            times = measure(calls, options.turns)
            dense, loop = times["dense"], times["loop"]
            auto = "loop" if loop_pays(case.plan, rows) else "dense"
            table.add_row(
                str(count),
                f"{rows:,}",
                f"{1e3 * dense.cpu:.2f}",
                f"{1e3 * loop.cpu:.2f}",
                f"{dense.cpu / loop.cpu:.2f}",
                auto,
            )
        table.add_section()
    return table


class Case:
    """Experts, random rows, and a random selection of `per_row` experts for each row."""

    def __init__(self, options: argparse.Namespace, count: int, rows: int) -> None:
        dtype = torch.bfloat16 if options.bf16 else torch.float32
        specific, shared = options.per_row - options.per_row // 2, options.per_row // 2
        self.plan = LayerPlan(
            options.input, 0, 2, count, tuple(options.hidden), specific, shared, "layer", "layer", "silu", 0.0
        )
        self.experts = Experts(self.plan).to(options.device, dtype)
        self.x_BD = torch.randn(rows, options.input, device=options.device, dtype=dtype, requires_grad=True)
        self.above_BGF = torch.randn(rows, 1, options.hidden[-1], device=options.device, dtype=dtype)
        picked_BK = torch.rand(rows, count, device=options.device).topk(options.per_row).indices
        weight_BE = torch.zeros(rows, count, device=options.device, dtype=dtype).scatter(
            1, picked_BK, 1 / options.per_row
        )
        self.weight_BGE = weight_BE.unsqueeze(1).requires_grad_()
        self.device, self.grouped = options.device, options.bf16
        with torch.no_grad():
            pairs = SegmentPairs(weight_BE != 0)
            self.used, self.sizes = pairs.experts, pairs.sizes
            widths = (options.input, *options.hidden)
            self.inside = [torch.randn(sum(pairs.sizes), width, device=options.device, dtype=dtype) for width in widths]

    def executions(self) -> dict[str, Callable[[], Tensor]]:
        """Returns the ways in which the layer can run its experts, by the names of the setting `execution`."""
        executions: dict[str, Callable[[], Tensor]] = {"loop": lambda: self.sparse(SegmentPairs)}
        if self.grouped:
            executions["grouped"] = lambda: self.sparse(lambda runs_BE: GroupedPairs(runs_BE, self.plan.most(1)))
        if self.plan.experts <= DENSE_UP_TO or len(self.x_BD) < 256:
            executions["dense"] = lambda: run_dense(self.experts.blocks, self.x_BD, self.weight_BGE)
        return executions

    def sparse(self, kind: Callable[[Tensor], Pairs]) -> Tensor:
        pairs = kind((self.weight_BGE != 0).any(dim=1))
        return run_sparse(self.experts.blocks, self.x_BD, self.weight_BGE, pairs)

    def step(self, run: Callable[[], Tensor]) -> None:
        for tensor in (self.x_BD, self.weight_BGE, *self.experts.parameters()):
            tensor.grad = None
        run().backward(self.above_BGF)

    def predict(self, run: Callable[[], Tensor]) -> None:
        with torch.no_grad():
            run()

    def products(self, *, backward: bool) -> None:
        """Runs only the matrix products of the selected rows: one for each block, and two backward."""
        with torch.no_grad():
            for block, before, after in zip(self.experts.blocks, self.inside[:-1], self.inside[1:], strict=True):
                parts = zip(self.used, before.split(self.sizes), after.split(self.sizes), strict=True)
                weights = block.weight_EDH.unbind()
                for e, h, out in parts:
                    torch.mm(h, weights[e])
                    if backward:
                        torch.mm(out, weights[e].T)
                        torch.mm(h.T, out)


def _ms(times: Times) -> tuple[str, str]:
    return f"{1e3 * times.cpu:.1f}", f"{1e3 * times.wall:.1f}"


if __name__ == "__main__":
    main()
