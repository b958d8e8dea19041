"""A trained network and the tables it learnt from -> `Run`: measured, with all that is known about it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import torch

from aesm_dsl.data.prepare import Prepared, Tables
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.plan.tables import sparse_table_keys
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from aesm_dsl.training.distributed.shards import unshard_tables
from aesm_dsl.training.job import Job
from aesm_dsl.training.metrics.broken_scores import BrokenScores
from aesm_dsl.training.metrics.predictions import measure, predict_table
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.sharing.dead_outputs import OutputMeter
from aesm_dsl.version import VERSION

PARTS = {"train": "training", "valid": "validation", "test": "test"}


def finish(
    network: AnyNetwork,
    prepared: Prepared,
    job: Job,
    training: Mapping[str, Any],
    device: torch.device,
    *,
    findings: Findings,
    history: tuple[Epoch, ...] = (),
    processes: ProcessGroup = SINGLE_PROCESS,
) -> Run:
    """Measures a trained network: on the test rows; without any on the validation rows, else on the training rows.

    The network is left in evaluation mode, on the CPU. Rows without a finite score count in no metric (W527).

    Args:
        network: the trained network, with the plan that it was fitted with.
        prepared: its encoders and rows.
        job: where the run goes, and the spec it is of.
        training: what run.json says about the training: "steps", "best step", "stopped early", "seconds".
        device: where the network is.
        findings: gets the warning about such rows, in the first process.
        history: the epochs; empty if nobody kept them.
        processes: the processes that trained together. Every one must call this.
    """
    plan, tables = network.plan, prepared.tables
    part, measured = tables.measured
    with OutputMeter(network) as outputs:
        predictions = predict_table(network, measured, device, processes)
    broken = BrokenScores()
    broken.add(predictions.rows.yes_RT)
    broken.report(f"the {PARTS[part]} rows" if processes.world_size == 1 else "", findings)
    unshard_tables(network, processes)
    usage = predictions.usage.with_dead_units(outputs.dead_units(processes))
    info = {
        "aesm": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device),
        "processes": processes.world_size,
        "seed": plan.training.seed,
        "architecture": plan.baseline.architecture if plan.baseline is not None else "aes",
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "sparse tables": sorted(sparse_table_keys(plan), key=str),
        "rows": {"train": len(tables.train), **_lengths(tables)},
        "measured on": part,
        "roots": [str(root) for root in job.roots],
        **training,
    }
    return Run(
        job.folder,
        job.spec,
        plan,
        prepared.encoders,
        network.cpu(),
        measure(network, predictions, processes),
        processes.broadcast_object(predictions.calibrations(plan)),
        usage,
        history,
        info,
        prepared.profile,
    )


def _lengths(tables: Tables) -> dict[str, int]:
    parts = {"valid": tables.valid, "test": tables.test}
    return {name: len(part) for name, part in parts.items() if part is not None}
