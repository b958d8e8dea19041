"""`aesm predict`: the probability of every task for every row of a table, in memory or as a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import as_run
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.findings.error import AesmError
from aesm_dsl.spec.spec_file import replaced

if TYPE_CHECKING:
    import polars as pl

    from aesm_dsl.data.reading.frames import Given
    from aesm_dsl.serving.predict import Scores
    from aesm_dsl.training.run.folder import Run

ENDINGS = (".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Predicted:
    """What was written."""

    rows: int
    """Of the table."""
    bad: int
    """Rows of it that were left out, or have no scores."""
    warnings: Findings


def predict(run: Run | str | Path, data: str | Path | Given, *, device: str = "auto") -> pl.DataFrame:
    """The probability of every task for every row of a table, in its order: one float column per task.

    The table needs the columns of features and levels; labels are not looked at.
    """
    import polars as pl

    from aesm_dsl.serving.predict import open_scores

    findings = Findings()
    scores = open_scores(as_run(run), data, device, findings)
    found = None if scores is None else pl.concat([scores.schema.to_frame(), *scores.frames()])
    if found is None or findings.errors:
        raise AesmError(findings)
    return found


def predict_file(
    run: Run | str | Path,
    table: str | Path,
    out: str | Path,
    *,
    keep: Sequence[str] = (),
    on_bad_row: str = "error",
    device: str = "auto",
    watch: Callable[[int], None] = lambda rows: None,
) -> Predicted:
    """Writes the probability of every task for every row of a table, in its order, into a .parquet or .csv file.

    keep        columns of the table that go with the scores; "*" are all of them
    on_bad_row  what becomes of a row that training would refuse: "error", nothing is written; "skip", it is left out;
                "null", its scores are null
    watch       called with the rows so far

    No more than a few chunks of rows are held at a time. `out` appears when it is complete.
    """
    from aesm_dsl.serving.predict import open_scores

    findings = Findings()
    scores = open_scores(as_run(run), table, device, findings, keep, on_bad_row, watch)
    if scores is not None:
        _tell_unwritable(scores, Path(out), findings)
    if scores is None or findings.errors:
        raise AesmError(findings)
    with replaced(Path(out)) as new:
        try:
            _write(scores, new, Path(out).suffix)
        except OSError as error:
            said = str(error.strerror or error).strip().splitlines()[0]
            findings.add("E631", f"`{out}` cannot be written: {said}", help="nothing of it is left; is the disk full?")
            raise AesmError(findings) from None
    return Predicted(scores.rows, scores.bad, findings)


def _tell_unwritable(scores: Scores, out: Path, findings: Findings) -> None:
    """Adds E631 where the scores cannot stand in that file, beside these columns."""
    if out.suffix not in ENDINGS:
        findings.add("E631", f"`{out}` is no name of a table of scores", help="its name ends with .parquet or .csv")
    files = scores.reading.files["test"]
    if out.exists() and any(file.path.exists() and file.path.samefile(out) for file in files):
        findings.add("E631", f"`{out}` is the table that is read", help="`-o` names another file")
    if taken := [name for name in scores.tasks if name in scores.keep]:
        findings.add("E631", f"a column {quoted(taken)} is kept, and a task has that name", help="keep other columns")
    for name in scores.keep:
        types = {str(file.schema[name]): file.name for file in files}
        if len(types) > 1:
            held = ", ".join(f"{kind} in `{file}`" for kind, file in types.items())
            findings.add("E631", f"column `{name}` cannot be kept: it holds {held}", help="write it alike in all files")
        elif out.suffix == ".csv" and scores.schema[name].is_nested():
            message = f"column `{name}` cannot be kept in a csv: it holds {next(iter(types))}"
            findings.add("E631", message, help="a .parquet file takes it")


def _write(scores: Scores, new: Path, ending: str) -> None:
    """Scores here, in the caller's thread, while another writes: scored in a thread of polars, memory grows."""
    from aesm_dsl.serving.table_writer import Writer

    with Writer(new, ending, scores.schema) as writer:
        for frame in scores.frames():
            writer.put(frame)
        if scores.findings.errors:
            raise AesmError(scores.findings)
