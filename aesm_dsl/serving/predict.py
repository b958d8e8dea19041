"""Scores the rows of a table with a run, frame by frame. Axes: R rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from aesm_dsl.data.encoded_stream import encode_batches
from aesm_dsl.data.open_tables import TableReader, open_table
from aesm_dsl.data.reading.checked_rows import CheckedRows, rows_text
from aesm_dsl.data.reading.frames import TableLike
from aesm_dsl.data.reading.storage_types import named
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.evaluate import find_table
from aesm_dsl.training.metrics.broken_scores import report_broken_scores
from aesm_dsl.training.preconditions import find_device
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.reporter import ignore

BATCH_ROWS = 4096
"""The most rows that are scored together."""

ROW_CODES = ("E504", "E506", "E507", "E536")
"""Codes of findings about single rows."""


def open_scores(
    run: Run,
    data: str | Path | TableLike,
    device: str,
    findings: Findings,
    *,
    keep: Sequence[str] = (),
    on_bad_row: str = "error",
    watch: Callable[[int], None] = lambda rows: None,
) -> Scores | None:
    """Opens a table for scoring; its rows are not read yet.

    Args:
        run: the run that scores.
        data: a file, folder or glob, or rows in memory.
        device: "auto", or a device as torch names it.
        findings: receives what is wrong with the device, the files or their columns.
        keep: columns of the table that go with the scores; "*" for all columns.
        on_bad_row: what happens with a row that training would refuse: with "error" nothing is scored, "skip" leaves
            it out, "null" gives it null scores.
        watch: called with the number of rows so far.

    Returns:
        The scores; None after an error was reported.
    """
    found_device, files = find_device(device, findings), find_table(run, data, findings)
    if found_device is None or findings.errors:
        return None
    common = [name for name in files[0].schema if all(name in file.schema for file in files)]
    keep = list(dict.fromkeys(name for wanted in keep for name in (common if wanted == "*" else [wanted])))
    reading = open_table(run.plan, files, findings, ignore, labels=False, keep=keep)
    if findings.errors:
        return None
    return Scores(run, reading, found_device, keep, on_bad_row, watch, findings)


@dataclass(slots=True)
class Scores:
    """The scores of a table's rows, in its order. `frames` reads the rows once, counts them and reports bad ones."""

    run: Run
    reading: TableReader
    device: torch.device
    keep: Sequence[str]
    on_bad_row: str
    watch: Callable[[int], None]
    findings: Findings
    rows: int = 0
    """Rows that were read so far."""
    bad: int = 0
    """Rows among them that training would refuse."""
    broken: int = 0
    """Rows among them whose scores are not finite."""
    first_broken: str = ""
    """Where the first of these is."""

    @property
    def tasks(self) -> list[str]:
        return [task.name for task in self.run.plan.tasks.tasks]

    @property
    def columns(self) -> dict[str, str]:
        """Task -> the column of its scores: its name, with `_score` behind it as often as a kept column has it."""
        taken, columns = {*self.keep, *self.tasks}, dict[str, str]()
        for task in self.tasks:
            column = task
            while column in self.keep or (column != task and column in taken):
                column += "_score"
            columns[task] = column
            taken.add(column)
        return columns

    @property
    def schema(self) -> pl.Schema:
        """The columns of every frame."""
        types = self.reading.files["test"][0].schema
        kept = {name: types[name] for name in self.keep}
        return pl.Schema(kept | dict.fromkeys(self.columns.values(), pl.Float64()))

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yields frames of the kept columns and a probability for each task.

        With `on_bad_row` "error", no frame follows a bad row, and the errors of all rows are reported at the end.
        Otherwise W631 is reported instead of them.
        """
        network = self.run.network.to(self.device).eval()
        for _, chunk in self.reading.checked("test", None, halt=self.on_bad_row == "error"):
            bad_R = chunk.bad_R if chunk.bad_R is not None else np.zeros(len(chunk), dtype=np.bool_)
            self.rows, self.bad = self.rows + len(chunk), self.bad + int(bad_R.sum())
            self.watch(self.rows)
            if self.on_bad_row != "error" or not self.bad:
                yield self._frame(network, chunk, bad_R)
        if self.bad and self.on_bad_row != "error":
            self._warn_about_bad_rows()
        if self.broken:
            report_broken_scores(self.broken, self.rows, self.first_broken, self.findings)

    def _warn_about_bad_rows(self) -> None:
        """Replaces the errors about rows by one warning."""
        errors = [finding for finding in self.findings if finding.code in ROW_CODES]
        self.findings.items[:] = [finding for finding in self.findings if finding.code not in ROW_CODES]
        result = "left out" if self.on_bad_row == "skip" else "without scores"
        message = f"{rows_text(self.bad)} of {self.rows:,} {'is' if self.bad == 1 else 'are'} {result}"
        self.findings.add("W631", message, help=[error.message for error in errors])

    def _frame(self, network: torch.nn.Module, chunk: CheckedRows, bad_R: Mask) -> pl.DataFrame:
        good = chunk.take(~bad_R, chunk.part) if bad_R.any() else chunk
        columns, start = {name: np.empty(len(good)) for name in self.tasks}, 0
        with torch.inference_mode():
            for batch in encode_batches(self.run.encoders, good, BATCH_ROWS):
                # Only this is kept of a prediction: its selections are larger than the scores.
                log_probability = network(batch.to(self.device)).log_probability
                for name, scores_R in columns.items():
                    scores_R[start : start + batch.rows] = log_probability[name].double().exp().cpu().numpy()
                start += batch.rows
        broken_R = ~np.isfinite(np.stack(list(columns.values()))).all(axis=0)
        if broken_R.any():
            self.first_broken = self.first_broken or good.rows.location(int(broken_R.argmax()))
            self.broken += int(broken_R.sum())
        scores = pl.DataFrame(columns).with_columns(pl.all().fill_nan(None)).rename(self.columns)
        if self.on_bad_row == "skip" or good is chunk:
            return pl.concat([good.as_read.frame.select(named(self.keep)), scores], how="horizontal")
        # The index of each row's scores among those of the good rows; a null index gives null scores.
        index = pl.Series(np.where(bad_R, 0, np.cumsum(~bad_R) - 1)).set(pl.Series(bad_R), None)
        return pl.concat(
            [chunk.as_read.frame.select(named(self.keep)), scores.select(pl.all().gather(index))], how="horizontal"
        )
