"""Plan + data -> Run, and a run on further rows: evaluate, predict. What is wrong with the data goes into Findings."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from aesm_dsl.data.check import Locate
from aesm_dsl.data.encoded import EncodedTable
from aesm_dsl.data.fitting import fit_encoders
from aesm_dsl.data.table import Table, Tables, encode, encode_tables, read_table, read_tables, table_of
from aesm_dsl.diagnostic import Findings
from aesm_dsl.embedding_tables import sparse_widths
from aesm_dsl.layers.build import AnyNetwork, build
from aesm_dsl.plan import Plan
from aesm_dsl.training.combine import method
from aesm_dsl.training.evaluate import forecast, judge
from aesm_dsl.training.health import tell_collapse
from aesm_dsl.training.loop import DivergedError, Fitted, Progress, fit
from aesm_dsl.training.outputs import OutputMeter
from aesm_dsl.training.run import Run, metrics_frame, nothing_selected, save_run
from aesm_dsl.training.usage import Usage
from aesm_dsl.version import VERSION


def train_plan(
    plan: Plan,
    spec: str,
    folder: Path,
    roots: Sequence[Path],
    device: str,
    overwrite: bool,
    findings: Findings,
    locate: Locate,
    warn: Callable[[Findings], None],
    watch: Callable[[Progress], None],
) -> Run | None:
    """Reads and checks the data, fits encoders on the training rows, trains, measures, and writes the run folder.

    `warn` gets the warnings before the first step, and after the last one those about experts that collapsed, if any.
    None after adding errors to `findings`: about the data all in one go before the first step, and after it none but a
    loss that is no longer finite.
    """
    place = find_device(device, findings)
    weigh = method(plan.training.combine, findings, locate)
    tables = tables_of(plan, roots, findings, locate)
    if place is None or tables is None or findings.errors:
        return None
    warn(findings)
    began = time.perf_counter()
    encoders = fit_encoders(plan, tables.train.frame)
    plan = plan.with_rows(encoders.rows())
    encoded = encode_tables(encoders, tables)
    network = new_network(plan).to(place)
    try:
        fitted = fit(network, encoded, place, watch, weigh)
    except DivergedError as error:
        findings.add(
            "E603", f"training stopped: {error}", locate("train"), help="a smaller `rate` in `optimizer` usually helps"
        )
        return None
    part, measured = _measured(encoded)
    with OutputMeter(network) as outputs:
        found = forecast(network, measured, place)
    usage = found.usage.with_dead_units(outputs.dead_units())
    info = {
        "aesm": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(place),
        "seed": plan.training.seed,
        "architecture": plan.baseline.architecture if plan.baseline is not None else "aes",
        "parameters": sum(one.numel() for one in network.parameters()),
        "sparse tables": sorted(sparse_widths(plan)),
        "rows": {"train": len(encoded.train), **_lengths(encoded)},
        "measured on": part,
        "roots": [str(root) for root in roots],
        "seconds": round(time.perf_counter() - began, 1),
        **_said(fitted),
    }
    scores = judge(network, found, measured)
    run = Run(folder, spec, plan, encoders, network.cpu(), scores, usage, tuple(fitted.history), info)
    save_run(run, overwrite=overwrite)
    collapsed = Findings()
    tell_collapse(plan, usage, collapsed, locate)
    if collapsed.items:
        warn(collapsed)
    return run


def new_network(plan: Plan) -> AnyNetwork:
    """The plan's network, initialised from its seed; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training.seed)
        return build(plan)


def evaluate_run(
    run: Run, data: str | Path | pl.DataFrame | None, device: str, findings: Findings
) -> pl.DataFrame | None:
    """Metrics per leaf x task: on the rows the run was measured on, or on another table with labels."""
    place = find_device(device, findings)
    if place is None:
        return None
    if data is None:
        tables = tables_of(run.plan, [Path(root) for root in run.info["roots"]], findings, _nowhere)
        table = None if tables is None else getattr(tables, str(run.info["measured on"]))
    else:
        table = _table(run, data, findings, labels=True)
    if table is None:
        return None
    encoded = encode(run.encoders, table)
    network = run.network.to(place)
    return metrics_frame(judge(network, forecast(network, encoded, place), encoded))


def usage_run(run: Run, data: str | Path | pl.DataFrame | None, device: str, findings: Findings) -> Usage | None:
    """Which experts the nodes use: on the rows the run was measured on, or on another table, labels or not.

    Counted batch by batch: what a batch selected is not kept.
    """
    if run.plan.baseline is not None:
        findings.extend(nothing_selected(run.plan.baseline.architecture))
        return None
    if data is None:
        return run.usage
    place = find_device(device, findings)
    table = _table(run, data, findings, labels=False)
    if place is None or table is None:
        return None
    network = run.network.to(place)
    with OutputMeter(network) as outputs:
        found = forecast(network, encode(run.encoders, table), place)
    return found.usage.with_dead_units(outputs.dead_units())


def predict_run(run: Run, data: str | Path | pl.DataFrame, device: str, findings: Findings) -> pl.DataFrame | None:
    """One float64 column per task: its probability for every row, in the table's order."""
    place = find_device(device, findings)
    table = _table(run, data, findings, labels=False)
    if place is None or table is None:
        return None
    found = forecast(run.network.to(place), encode(run.encoders, table), place)
    names = [task.name for task in run.plan.tasks.tasks]
    return pl.DataFrame({name: np.exp(found.yes_RT[:, i]) for i, name in enumerate(names)})


def find_device(name: str, findings: Findings) -> torch.device | None:
    """The device of a name; "auto" is CUDA when there is one. None after telling that there is no such device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        findings.add(
            "E604", f"there is no device `{name}` here", help="`auto` takes CUDA when there is one, else the CPU"
        )
        return None
    return device


def tables_of(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> Tables[Table] | None:
    """The checked rows that the plan's data block names; None after telling what is wrong with them."""
    if plan.data is None:
        findings.add("E307", "the spec does not say where the rows are", help='write `data { train = "..." }`')
        return None
    return read_tables(plan, roots, findings, locate)


def _table(run: Run, data: str | Path | pl.DataFrame, findings: Findings, *, labels: bool) -> Table | None:
    if isinstance(data, pl.DataFrame):
        return table_of(run.plan, data, "the table", findings, _nowhere, labels=labels)
    return read_table(run.plan, [str(data)], [Path.cwd()], findings, _nowhere, labels=labels)


def _nowhere(path: str) -> None:
    """A run's spec has no places to point at."""
    return


def _measured(tables: Tables[EncodedTable]) -> tuple[str, EncodedTable]:
    if tables.test is not None:
        return "test", tables.test
    if tables.valid is not None:
        return "valid", tables.valid
    return "train", tables.train


def _lengths(tables: Tables[EncodedTable]) -> dict[str, int]:
    parts = {"valid": tables.valid, "test": tables.test}
    return {name: len(part) for name, part in parts.items() if part is not None}


def _said(fitted: Fitted) -> dict[str, Any]:
    said = {"steps": fitted.steps, "best step": fitted.best_step, "stopped early": fitted.stopped_early}
    best = next(epoch for epoch in fitted.history if epoch.step == fitted.best_step)
    return {**said, "log variances": best.log_variances} if best.log_variances else said
