"""Measures a prediction: an exported model in onnxruntime, compared with the network in torch.

    python bench/serving.py [--experts 8 64] [--rows 1 32 256 1000] [--threads 1] [--turns 30]
    python bench/serving.py --forms
    python bench/serving.py --leaves --experts 8 --set tasks.tower_per=leaf
    python bench/serving.py --compiled [--experts 8]

The network is that of specs/hotel.aesm with two layers of so many experts on every level; gates and rows are random. It
prints the wall time of one call, median and 99th percentile. All ways take turns in one run, and ratios are of medians.

With `--forms`, the two forms in which an exported layer may run its experts are each measured alone, whichever the
model would choose. `FEW_GATHERED` in aesm_dsl/serving/onnx_experts.py comes from this: the gathered parameters per
expert up to which the model takes the gathered form. `--leaves` does the same for the Linears of leaves, for `FEW_ROWS`
in aesm_dsl/serving/onnx_leaves.py. With `--compiled`, the program that `aesm export --to pt2` writes is measured too,
as it is and compiled by AOTInductor; that takes minutes and needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from unittest import mock

import numpy as np
import onnxruntime
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from aesm_dsl import build_from_spec
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.cost import cost
from aesm_dsl.serving import onnx_experts, onnx_leaves
from aesm_dsl.serving.export_inputs import keyword_inputs, named_inputs
from aesm_dsl.serving.onnx_model import onnx_model
from aesm_dsl.serving.torch_program import export_program

SPEC = Path(__file__).parent.parent / "specs" / "hotel.aesm"
LEVELS = ("level.hotel", "level.segment", "tasks")
DEEP = ("experts.repeat=2", "experts.hidden=[64, 32]")
"""Two layers on each of three levels: in such a stack, selecting has the most work."""
WARM = 5
"""Calls of each way that do not count."""

Calls = dict[str, Callable[[], object]]
Networks = dict[int, AnyNetwork]
"""Networks by their number of experts."""


def network_of(experts: int, overrides: Sequence[str]) -> AnyNetwork:
    """Returns the network with so many experts, and random gates, so that rows select different experts."""
    counts = [f"{level}.experts.count={experts}" for level in LEVELS]
    network = build_from_spec(SPEC, overrides=[*counts, *DEEP, *overrides])
    for name, parameter in network.named_parameters():
        if ".gate." in name:
            nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    return network.eval()


def batch_of(network: AnyNetwork, rows: int) -> Batch:
    """Returns random rows."""
    plan, chance = network.plan, torch.Generator().manual_seed(rows)
    ids = torch.cat([torch.randint(0, feature.rows, (rows, 1), generator=chance) for feature in plan.features], dim=1)
    node_BL = torch.tensor(plan.leaves)[torch.randint(0, len(plan.leaves), (rows,), generator=chance)]
    return Batch(ids, torch.zeros(rows, 0), node_BL, torch.zeros(rows, len(plan.tasks.tasks)), torch.ones(rows))


def session_of(network: AnyNetwork, threads: int) -> onnxruntime.InferenceSession:
    """Returns the exported network in onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model, weights = onnx_model(network)
    return onnxruntime.InferenceSession(weights.inside(model).SerializeToString(), options)


def inputs_of(network: AnyNetwork, batch: Batch) -> dict[str, np.ndarray]:
    """Returns the rows as onnxruntime takes them."""
    return {name: tensor.numpy() for name, tensor in named_inputs(network.plan, batch).items()}


def latencies(calls: Calls, turns: int) -> dict[str, np.ndarray]:
    """Returns the milliseconds of every call of each way."""
    times: dict[str, list[float]] = {way: [] for way in calls}
    for _ in range(WARM + turns):
        for way, call in calls.items():
            began = time.perf_counter()
            call()
            times[way].append(1e3 * (time.perf_counter() - began))
    return {way: np.array(values[WARM:]) for way, values in times.items()}


def compare(networks: Networks, rows: list[int], threads: int, turns: int) -> Table:
    """Compares the network in torch with its export in onnxruntime."""
    fewest, flops = min(networks), {count: cost(network.plan).total.selected for count, network in networks.items()}
    columns = (
        "rows",
        "experts",
        "FLOPs per row",
        "torch p50",
        "p99",
        "onnx p50",
        "p99",
        "torch / onnx",
        f"over {fewest}",
    )
    table = Table(*columns, title=f"ms, threads: {threads}")
    sessions = {count: session_of(network, threads) for count, network in networks.items()}
    for size in rows:
        calls: Calls = {}
        for count, network in networks.items():
            batch = batch_of(network, size)
            inputs = inputs_of(network, batch)
            calls[f"torch {count}"] = lambda network=network, batch=batch: network(batch)
            calls[f"onnx {count}"] = lambda session=sessions[count], inputs=inputs: session.run(None, inputs)
        times = latencies(calls, turns)
        for count in networks:
            in_torch, in_onnx = times[f"torch {count}"], times[f"onnx {count}"]
            cells = [f"{value:.2f}" for way in (in_torch, in_onnx) for value in np.percentile(way, (50, 99))]
            ratio = np.median(in_onnx) / np.median(times[f"onnx {fewest}"])
            ratios = f"{np.median(in_torch) / np.median(in_onnx):.1f}", f"{ratio:.2f}"
            table.add_row(f"{size:,}", str(count), f"{flops[count]:,}", *cells, *ratios)
    return table


def forms(networks: Networks, rows: list[int], threads: int, turns: int, limit: tuple[ModuleType, str]) -> Table:
    """Compares the two forms of running experts; `limit` is the constant up to which the gathered form is chosen."""
    table = Table("rows", "experts", "gathered", "looped", "ratio", title=f"ms, median, threads: {threads}")
    for count, network in networks.items():
        with mock.patch.object(*limit, 2**40):
            gathered = session_of(network, threads)
        with mock.patch.object(*limit, -1):
            looped = session_of(network, threads)
        for size in rows:
            inputs = inputs_of(network, batch_of(network, size))
            calls: Calls = {
                "gathered": lambda inputs=inputs, session=gathered: session.run(None, inputs),
                "looped": lambda inputs=inputs, session=looped: session.run(None, inputs),
            }
            few, many = (float(np.median(values)) for values in latencies(calls, turns).values())
            table.add_row(f"{size:,}", str(count), f"{few:.2f}", f"{many:.2f}", f"{few / many:.2f}")
    return table


def compiled(networks: Networks, rows: list[int], threads: int, turns: int) -> Table:
    """Compares torch, onnxruntime, and the program of torch.export as it is and compiled."""
    table = Table("rows", "experts", "torch", "onnx", "pt2", "AOTInductor", title=f"ms, median, threads: {threads}")
    for count, network in networks.items():
        session, exported = session_of(network, threads), export_program(network)
        with TemporaryDirectory() as folder:
            package = torch._inductor.aoti_compile_and_package(exported, package_path=f"{folder}/model.pt2")
            native = torch._inductor.aoti_load_package(package)
        graph = exported.module()
        for size in rows:
            batch = batch_of(network, size)
            tensors = {name: tensor.contiguous() for name, tensor in keyword_inputs(network.plan, batch).items()}
            arrays = inputs_of(network, batch)
            calls: Calls = {
                "torch": lambda network=network, batch=batch: network(batch),
                "onnx": lambda session=session, arrays=arrays: session.run(None, arrays),
                "pt2": lambda graph=graph, tensors=tensors: graph(**tensors),
                "AOTInductor": lambda native=native, tensors=tensors: native(**tensors),
            }
            times = latencies(calls, turns).values()
            table.add_row(f"{size:,}", str(count), *(f"{float(np.median(values)):.2f}" for values in times))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experts", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--forms", action="store_true", help="both forms of running experts, each alone")
    parser.add_argument("--leaves", action="store_true", help="both forms of the Linears of leaves, each alone")
    parser.add_argument("--set", nargs="+", default=[], help="overrides of the spec, as `aesm train --set` takes them")
    parser.add_argument("--compiled", action="store_true", help="torch's exported program too, as it is and compiled")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rows = chosen.rows or ([1, 4, 8, 16, 32, 64] if chosen.forms or chosen.leaves else [1, 32, 256, 1000])
    networks = {count: network_of(count, chosen.set) for count in chosen.experts}
    with torch.inference_mode():
        if chosen.forms or chosen.leaves:
            limit = (onnx_leaves, "FEW_ROWS") if chosen.leaves else (onnx_experts, "FEW_GATHERED")
            table = forms(networks, rows, chosen.threads, chosen.turns, limit)
        else:
            table = (compiled if chosen.compiled else compare)(networks, rows, chosen.threads, chosen.turns)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
