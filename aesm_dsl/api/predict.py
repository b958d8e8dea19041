"""`aesm predict`: the probability of every task for every row of a table, in memory or as a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import as_run
from aesm_dsl.files.whole import replaced, unwritten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

if TYPE_CHECKING:
    import polars as pl

    from aesm_dsl.data.reading.frames import TableLike
    from aesm_dsl.serving.predict import Scores
    from aesm_dsl.training.run.folder import Run

ENDINGS = (".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Predicted:
    """What `predict_file` wrote."""

    rows: int
    """Rows of the table."""
    bad: int
    """Rows that were left out, or have no scores, because training would refuse them."""
    columns: dict[str, str]
    """Task -> the column of its scores: another than its name if a kept column has that."""
    warnings: Findings


def predict(run: Run | str | Path, data: str | Path | TableLike, *, device: str = "auto") -> pl.DataFrame:
    """Predicts the probability of every task for every row of a table, in the table's order.

    Args:
        run: a run, or its folder.
        data: a table with the columns of features and levels (labels are not read): a path, or rows in memory.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".

    Returns:
        One float column per task.

    Raises:
        AesmError: the run or the table cannot be read, or rows of it are wrong.
    """
    import polars as pl

    from aesm_dsl.serving.predict import open_scores

    findings = Findings()
    scores = open_scores(as_run(run), data, device, findings)
    table = None if scores is None else pl.concat([scores.schema.to_frame(), *scores.frames()])
    if table is None or findings.errors:
        raise AesmError(findings)
    return table


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
    """Writes the probability of every task for every row of a table, in its order, to a .parquet or .csv file.

    It reads and scores a few chunks of rows at a time. `out` appears once it is complete.

    Args:
        run: a run, or its folder.
        table: a file, folder or glob with the columns of features and levels.
        out: the file to write.
        keep: columns of the table to write beside the scores; "*" for all of them. If one has the name of a task, the
            scores of that task are in a column TASK_score.
        on_bad_row: what happens to a row that training would refuse: "error" writes nothing, "skip" leaves it out,
            "null" gives it null scores.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
        watch: called with the number of rows so far.

    Raises:
        AesmError: the run or the table cannot be read, rows of it are wrong, or the file cannot be written.
    """
    from aesm_dsl.serving.predict import open_scores

    findings = Findings()
    scores = open_scores(as_run(run), table, device, findings, keep=keep, on_bad_row=on_bad_row, watch=watch)
    if scores is not None:
        _report_unwritable(scores, Path(out), findings)
    if scores is None or findings.errors:
        raise AesmError(findings)
    try:
        with replaced(Path(out)) as new:
            _write(scores, new, Path(out).suffix)
    except OSError as error:
        if error.filename not in (None, str(Path(out))):
            raise
        help = "nothing of it is left; is the disk full?"
        findings.add("E631", unwritten(Path(out), error), help=help)
        raise AesmError(findings) from None
    return Predicted(scores.rows, scores.bad, scores.columns, findings)


def _report_unwritable(scores: Scores, out: Path, findings: Findings) -> None:
    """Adds E631 if the scores cannot be written to that file together with the kept columns."""
    if out.suffix not in ENDINGS:
        findings.add("E631", f"`{out}` is no name of a table of scores", help="its name ends with .parquet or .csv")
    files = scores.reading.files["test"]
    if out.exists() and any(file.path.exists() and file.path.samefile(out) for file in files):
        findings.add("E631", f"`{out}` is the table that is read", help="`-o` names another file")
    for name in scores.keep:
        types = {str(file.schema[name]): file.name for file in files}
        if len(types) > 1:
            held = ", ".join(f"{kind} in `{file}`" for kind, file in types.items())
            findings.add("E631", f"column `{name}` cannot be kept: it holds {held}", help="write it alike in all files")
        elif out.suffix == ".csv" and scores.schema[name].is_nested():
            message = f"column `{name}` cannot be kept in a csv: it holds {next(iter(types))}"
            findings.add("E631", message, help="a .parquet file takes it")


def _write(scores: Scores, new: Path, ending: str) -> None:
    """Scores in the caller's thread, while another thread writes."""
    # Scored in a thread of polars, memory would grow with the rows.
    from aesm_dsl.serving.table_writer import TableWriter

    with TableWriter(new, ending, scores.schema) as writer:
        for frame in scores.frames():
            writer.put(frame)
        if scores.findings.errors:
            raise AesmError(scores.findings)
