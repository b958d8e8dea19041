"""`aesm evaluate`: the metrics of a run, per leaf and task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.load_run import as_run
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

if TYPE_CHECKING:
    import polars as pl

    from aesm_dsl.data.reading.frames import TableLike
    from aesm_dsl.training.run.folder import Run


def evaluate(
    run: Run | str | Path,
    data: str | Path | TableLike | None = None,
    *,
    device: str = "auto",
    streamed: bool = False,
    warn: Callable[[Findings], None] = lambda findings: None,
) -> pl.DataFrame:
    """Measures a run per leaf and task: on the rows it was measured on after training, or on another table.

    Args:
        run: a run, or its folder.
        data: a table with labels: a path, or rows in memory; None takes the rows that the run was measured on.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
        streamed: use memory that does not grow with the rows. The AUC is then within `auc_off` of the exact one.
        warn: called with a warning if the run was trained on rows of the table, or some rows have no finite score.

    Returns:
        One row per leaf and task, with the columns leaf, task, rows, positives, rate, auc, auc_low, auc_high (its 95 %
        interval), log_loss, normalised_entropy, calibration, calibration_error (ECE), and, where the spec names a
        column of users, gauc, gauc_low, gauc_high and users; where it names one of queries, queries, and ndcg, mrr,
        hit_rate and map with their intervals. A metric that is undefined is null. Row weights count in everything but
        the counts and the metrics within queries.

    Raises:
        AesmError: the run or the table cannot be read, or rows of it are wrong.
    """
    from aesm_dsl.training.evaluate import evaluate_run

    findings = Findings()
    metrics = evaluate_run(as_run(run), data, device, findings, streamed=streamed)
    if metrics is None:
        raise AesmError(findings)
    if findings.items:
        warn(findings)
    return metrics
