"""A run + rows -> its metrics on them, and its usage of experts: on the rows it was measured on, or on others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from aesm_dsl.data.encoded_stream import EncodedStream
from aesm_dsl.data.encoding.row_sketch import SeenRows
from aesm_dsl.data.open_tables import TableReader, open_table, open_tables, report_no_data
from aesm_dsl.data.prepare import ROWS
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.files import find_files
from aesm_dsl.data.reading.frames import TableLike, open_frames
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.metrics.broken_scores import BrokenScores
from aesm_dsl.training.metrics.predictions import Predictions, measure, measure_streamed, predict_table
from aesm_dsl.training.preconditions import find_device
from aesm_dsl.training.run.folder import Run, metrics_frame, nothing_selected
from aesm_dsl.training.run.reporter import ignore
from aesm_dsl.training.sharing.dead_outputs import OutputMeter
from aesm_dsl.training.sharing.segments import Segments, segments
from aesm_dsl.training.sharing.usage import Usage

IN_MEMORY = "the table"
"""What findings call rows that are in memory."""

MEASURED = "those that were measured"
LEARNT_ROWS = "these are the rows that the run was trained on"
OTHER_ROWS = (
    "on rows that it has learnt every model looks better than it is: take rows of later days",
    "without `--data`, `aesm evaluate` measures on the rows that were set aside",
)
SET_ASIDE = (
    "none were set aside, so the figures say how well it remembers",
    "write `test = split(random: 10%)` in `data`, or the last days by `split(last: 10%, by: COLUMN)`",
)


def evaluate_run(
    run: Run, data: str | Path | TableLike | None, device: str, findings: Findings, *, streamed: bool = False
) -> pl.DataFrame | None:
    """Metrics per leaf and task: on the rows the run was measured on, or on another table with labels.

    None after adding errors. Warns (W606) if the run was trained on these rows.
    """
    reading, part = _open_rows(run, data, findings, labels=True)
    seen = None if data is None else SeenRows(run.profile.get(ROWS, {}))
    if streamed:
        found_device = find_device(device, findings)
        if found_device is None or reading is None or findings.errors:
            return None
        broken = BrokenScores()
        scores = measure_streamed(
            run.network.to(found_device), EncodedStream(reading, run.encoders, part, seen), found_device, broken
        )
        broken.report(MEASURED, findings)
    else:
        predictions = _predict(run, reading, part, device, findings, seen=seen)
        scores = () if predictions is None else measure(run.network, predictions)
    if findings.errors:
        return None
    if seen is not None and reading is not None:
        _report_seen(run, seen, reading, findings)
    elif part == "train":
        findings.add("W606", LEARNT_ROWS, help=SET_ASIDE)
    return metrics_frame(scores)


def _report_seen(run: Run, seen: SeenRows, reading: TableReader, findings: Findings) -> None:
    """Warns (W606) of rows that the run was trained on."""
    share = seen.share(same_files=_are_training_files(run, reading.files["test"]))
    if share:
        message = LEARNT_ROWS if share > 0.995 else f"the run was trained on about {share:.0%} of these rows"
        findings.add("W606", message, help=OTHER_ROWS)


def _are_training_files(run: Run, files: Sequence[DataFile]) -> bool:
    """Whether all files of a table are files that the run was trained on, by their paths."""
    data = run.plan.data
    if data is None or not data.train or any(file.frames is not None for file in files):
        return False
    trained = find_files(data.train, [Path(root) for root in run.info["roots"]], None, Findings())
    paths = {file.path.resolve() for file in trained}
    return all(file.path.resolve() in paths for file in files)


def predict_measured_rows(run: Run, device: str, findings: Findings) -> Predictions | None:
    """What a run predicts for the rows that it was measured on, read again; None after adding errors."""
    return _predict(run, *_open_rows(run, None, findings, labels=True), device, findings)


def usage_run(
    run: Run, data: str | Path | TableLike | None, by: str | None, device: str, findings: Findings
) -> Usage | None:
    """Which experts the nodes use: on the rows the run was measured on, or on another table, with labels or without.

    Counted batch by batch: what a batch selected is not kept.

    Args:
        by: a feature or level, whose values or nodes take the place of the nodes; None for the nodes.

    Returns:
        The usage; None after adding errors.
    """
    if run.plan.baseline is not None:
        findings.extend(nothing_selected(run.plan.baseline.architecture))
        return None
    if data is None and by is None:
        return run.usage
    own = None if by is None else segments(run.plan, run.encoders, by, findings)
    if findings.errors:
        return None
    with OutputMeter(run.network) as outputs:
        rows = _open_rows(run, data, findings, labels=False)
        predictions = _predict(run, *rows, device, findings, by=own)
    if predictions is None:
        return None
    usage = predictions.usage.with_dead_units(outputs.dead_units())
    return usage if by is None else usage.with_rows()


def _predict(
    run: Run,
    reading: TableReader | None,
    part: str,
    device: str,
    findings: Findings,
    *,
    by: Segments | None = None,
    seen: SeenRows | None = None,
) -> Predictions | None:
    """What the run predicts for rows that are encoded as they are read; None after adding what is wrong with them."""
    found_device = find_device(device, findings)
    if found_device is None or reading is None or findings.errors:
        return None
    predictions = predict_table(
        run.network.to(found_device), EncodedStream(reading, run.encoders, part, seen), found_device, by=by
    )
    broken = BrokenScores()
    broken.add(predictions.rows.yes_RT)
    broken.report(MEASURED, findings)
    return None if findings.errors else predictions


def _open_rows(
    run: Run, data: str | Path | TableLike | None, findings: Findings, *, labels: bool
) -> tuple[TableReader | None, str]:
    """The rows that the run was measured on, or another table, and which part they are; None after adding errors."""
    if data is not None:
        files = find_table(run, data, findings)
        opened = None if findings.errors else open_table(run.plan, files, findings, ignore, labels=labels)
        return opened, "test"
    if report_no_data(run.plan, findings):
        return None, "test"
    roots = [Path(root) for root in run.info["roots"]]
    return open_tables(run.plan, roots, findings, ignore), str(run.info["measured on"])


def find_table(run: Run, data: str | Path | TableLike, findings: Findings) -> list[DataFile]:
    """The files of a table, or rows in memory; adds what `find_files` and `open_frames` add.

    csv files are written as the run's spec says.
    """
    if isinstance(data, str | Path):
        csv = run.plan.data.format if run.plan.data is not None else None
        return find_files([str(data)], [Path.cwd()], None, findings, csv)
    return open_frames(data, IN_MEMORY, findings)
