"""A trained network and the tables it learnt from -> `Run`: measured, with all that is known about it."""

from __future__ import annotations

import platform
from typing import Any

import torch

from aesm_dsl.data.prepare import Prepared, Tables
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import sparse_homes
from aesm_dsl.training.distributed.process_group import ALONE, Peers
from aesm_dsl.training.distributed.shards import gather
from aesm_dsl.training.metrics.forecast import forecast, judge
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.run.resume import Job
from aesm_dsl.training.sharing.dead_outputs import OutputMeter
from aesm_dsl.version import VERSION


def finish(
    network: AnyNetwork,
    plan: Plan,
    prepared: Prepared,
    device: torch.device,
    job: Job,
    history: tuple[Epoch, ...],
    said: dict[str, Any],
    peers: Peers = ALONE,
) -> Run:
    """The run, measured on the test rows; without any on the validation rows, else on the training rows.

    plan     of the network, its tables as fitted
    history  of the training, empty where nobody kept one
    said     what run.json says of the training: "steps", "best step", "stopped early", "seconds"
    The network is left in evaluation mode, on the CPU.
    """
    tables = prepared.tables
    part, measured = _measured(tables)
    with OutputMeter(network) as outputs:
        found = forecast(network, measured, device, peers)
    gather(network, peers)
    usage = found.usage.with_dead_units(outputs.dead_units(peers))
    info = {
        "aesm": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device),
        "processes": peers.world,
        "seed": plan.training.seed,
        "architecture": plan.baseline.architecture if plan.baseline is not None else "aes",
        "parameters": sum(one.numel() for one in network.parameters()),
        "sparse tables": sorted(sparse_homes(plan), key=str),
        "rows": {"train": len(tables.train), **_lengths(tables)},
        "measured on": part,
        "roots": [str(root) for root in job.roots],
        **said,
    }
    return Run(
        job.folder,
        job.spec,
        plan,
        prepared.encoders,
        network.cpu(),
        judge(network, found, peers),
        peers.told(found.calibrations(plan)),
        usage,
        history,
        info,
        prepared.profile,
    )


def _measured(tables: Tables) -> tuple[str, EncodedTable]:
    if tables.test is not None:
        return "test", tables.test
    if tables.valid is not None:
        return "valid", tables.valid
    return "train", tables.train


def _lengths(tables: Tables) -> dict[str, int]:
    parts = {"valid": tables.valid, "test": tables.test}
    return {name: len(part) for name, part in parts.items() if part is not None}
