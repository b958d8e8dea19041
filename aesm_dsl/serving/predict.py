"""Run + table -> scores, frame by frame. Axes: R rows, T tasks."""

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
from aesm_dsl.data.reading.values import Mask
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.evaluate import find_table
from aesm_dsl.training.preconditions import find_device
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.run.reporter import ignore

BATCH_ROWS = 4096
"""Rows that are scored together."""

OF_ROWS = ("E504", "E506", "E507")
"""What findings about single rows are."""


def open_scores(
    run: Run,
    data: str | Path | TableLike,
    device: str,
    findings: Findings,
    keep: Sequence[str] = (),
    on_bad_row: str = "error",
    watch: Callable[[int], None] = lambda rows: None,
) -> Scores | None:
    """The scores of a table, not read yet; None after telling what is wrong with its columns, or the device.

    keep        columns of the table to go with the scores; "*" are all columns
    on_bad_row  what becomes of a row that training would refuse: "error", nothing is scored; "skip", it is left out;
                "null", its scores are null
    watch       called with the rows so far
    """
    place, files = find_device(device, findings), find_table(data, findings)
    if place is None or findings.errors:
        return None
    common = [name for name in files[0].schema if all(name in file.schema for file in files)]
    keep = list(dict.fromkeys(name for one in keep for name in (common if one == "*" else [one])))
    reading = open_table(run.plan, files, findings, ignore, labels=False, keep=keep)
    if findings.errors:
        return None
    return Scores(run, reading, place, keep, on_bad_row, watch, findings)


@dataclass(slots=True)
class Scores:
    """The scores of a table's rows, in its order: `frames` goes through them once, counts and tells."""

    run: Run
    reading: TableReader
    device: torch.device
    keep: Sequence[str]
    on_bad_row: str
    watch: Callable[[int], None]
    findings: Findings
    rows: int = 0
    bad: int = 0

    @property
    def tasks(self) -> list[str]:
        return [task.name for task in self.run.plan.tasks.tasks]

    @property
    def schema(self) -> pl.Schema:
        kept = self.reading.files["test"][0].schema
        return pl.Schema({name: kept[name] for name in self.keep} | dict.fromkeys(self.tasks, pl.Float64()))

    def frames(self) -> Iterator[pl.DataFrame]:
        """Kept columns, then a probability for each task.

        With "error", no frame any more once a row is wrong, and all that is wrong is told at the end; else W631 is.
        """
        network = self.run.network.to(self.device).eval()
        for _, chunk in self.reading.checked("test", None, halt=self.on_bad_row == "error"):
            bad_R = chunk.bad_R if chunk.bad_R is not None else np.zeros(len(chunk), dtype=np.bool_)
            self.rows, self.bad = self.rows + len(chunk), self.bad + int(bad_R.sum())
            self.watch(self.rows)
            if self.on_bad_row != "error" or not self.bad:
                yield self._frame(network, chunk, bad_R)
        if self.bad and self.on_bad_row != "error":
            self._soften()

    def _soften(self) -> None:
        """One warning in place of the errors about rows."""
        of_rows = [one for one in self.findings if one.code in OF_ROWS]
        self.findings.items[:] = [one for one in self.findings if one.code not in OF_ROWS]
        what = "left out" if self.on_bad_row == "skip" else "without scores"
        message = f"{rows_text(self.bad)} of {self.rows:,} {'is' if self.bad == 1 else 'are'} {what}"
        self.findings.add("W631", message, help=[one.message for one in of_rows])

    def _frame(self, network: torch.nn.Module, chunk: CheckedRows, bad_R: Mask) -> pl.DataFrame:
        good = chunk.take(~bad_R, chunk.part) if bad_R.any() else chunk
        columns, start = {name: np.empty(len(good)) for name in self.tasks}, 0
        with torch.inference_mode():
            for batch in encode_batches(self.run.encoders, good, BATCH_ROWS):
                found = network(batch.to(self.device)).log_probability  # not what was selected, which is larger
                for name, scores_R in columns.items():
                    scores_R[start : start + batch.rows] = found[name].double().exp().cpu().numpy()
                start += batch.rows
        scores = pl.DataFrame(columns)
        if self.on_bad_row == "skip" or good is chunk:
            return pl.concat([good.rows.frame.select(self.keep), scores], how="horizontal")
        places = pl.Series(np.where(bad_R, 0, np.cumsum(~bad_R) - 1)).set(pl.Series(bad_R), None)
        return pl.concat([chunk.rows.frame.select(self.keep), scores.select(pl.all().gather(places))], how="horizontal")
