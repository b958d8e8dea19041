"""The metrics of a run as a table for a terminal (rich), which ends however many leaves there are."""

from __future__ import annotations

import shlex

import polars as pl
from rich.table import Table

from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.metrics.scores import ALL

MOST_LEAVES = 20
"""Of more than twice as many leaves a table shows as many of the largest and of the worst."""


QUERIES_NOTE = (
    "Within each query that has a positive row, rows with equal scores in every order; means over the queries.\n"
    "NDCG@{0} and hit@{0} look at the first {0} rows. A leaf has its own rows of a query alone."
)


def metrics_table(metrics: pl.DataFrame, title: str, run: object) -> Table:
    """Returns a line for each leaf and task; of many leaves the largest and the worst.

    It has rows, rate of positives, AUC with its 95 % interval, log loss, NE and calibration; if there are users, GAUC
    with their number and its interval.

    Args:
        metrics: as `Run.metrics`.
        title: what stands above the table.
        run: the folder of the run, for the command that shows all leaves.
    """
    has_users = bool(metrics["users"].count())
    shown, left_out = most_telling(metrics)
    notes = _footnote(metrics)
    if left_out:
        notes.append(
            f"These are the {MOST_LEAVES} leaves with the most rows and the {MOST_LEAVES} whose NE is worst; "
            f"{left_out:,} more: `aesm evaluate {shlex.quote(str(run))} --format json`."
        )
    table = Table(title=title, title_justify="left", caption="\n".join(notes), caption_justify="left")
    table.add_column("leaf")
    table.add_column("task")
    gauc = ["GAUC", "users", "GAUC 95 %"] if has_users else []
    for name in ("rows", "rate", "AUC", "95 %", *gauc, "log loss", "NE", "calibration", "ECE"):
        table.add_column(name, justify="right", style="bold" if name == "AUC" else None)
    for (leaf,), rows in shown.group_by(["leaf"], maintain_order=True):
        table.add_section()
        for number, row in enumerate(rows.iter_rows(named=True)):
            users = (
                _number(row["gauc"], 4),
                "-" if row["users"] is None else f"{row['users']:,}",
                _interval(row["gauc_low"], row["gauc_high"]),
            )
            table.add_row(
                "" if number else str(leaf),
                row["task"],
                f"{row['rows']:,}",
                "-" if row["rate"] is None else f"{row['rate']:.1%}",
                _number(row["auc"], 4),
                _interval(row["auc_low"], row["auc_high"]),
                *(users if has_users else ()),
                _number(row["log_loss"], 4),
                _number(row["normalised_entropy"], 3),
                _number(row["calibration"], 3),
                _number(row["calibration_error"], 4),
            )
    return table


def queries_table(metrics: pl.DataFrame, plan: Plan) -> list[Table]:
    """Returns a table of the metrics within queries, with a line for each leaf and task; none without queries.

    Args:
        metrics: as `Run.metrics`; of many leaves the largest and the worst are shown.
        plan: of the run.
    """
    if plan.data is None or not metrics["queries"].count():
        return []
    top, title = plan.data.top, "Order within queries"
    table = Table(title=title, title_justify="left", caption=QUERIES_NOTE.format(top), caption_justify="left")
    table.add_column("leaf")
    table.add_column("task")
    for name in ("queries", f"NDCG@{top}", "95 %", "MRR", "95 %", f"hit@{top}", "MAP"):
        table.add_column(name, justify="right", style="bold" if name.startswith("NDCG") else None)
    shown, _ = most_telling(metrics)
    for (leaf,), rows in shown.group_by(["leaf"], maintain_order=True):
        table.add_section()
        for number, row in enumerate(rows.iter_rows(named=True)):
            table.add_row(
                "" if number else str(leaf),
                row["task"],
                f"{row['queries'] or 0:,}",
                _number(row["ndcg"], 4),
                _interval(row["ndcg_low"], row["ndcg_high"]),
                _number(row["mrr"], 4),
                _interval(row["mrr_low"], row["mrr_high"]),
                _number(row["hit_rate"], 4),
                _number(row["map"], 4),
            )
    return [table]


def most_telling(metrics: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Returns the rows of the leaves with the most rows, of those whose NE is worst, and of all rows together.

    Returns:
        The rows in their order, and the number of leaves that are left out; all rows and 0 if there are not many.
    """
    leaves = metrics.filter(pl.col("leaf") != ALL).group_by("leaf", maintain_order=True)
    by_leaf = leaves.agg(pl.col("rows").max(), pl.col("normalised_entropy").max())
    if by_leaf.height <= 2 * MOST_LEAVES:
        return metrics, 0
    largest = by_leaf.sort("rows", descending=True, maintain_order=True).head(MOST_LEAVES)["leaf"]
    worst = by_leaf.sort("normalised_entropy", descending=True, nulls_last=True, maintain_order=True)
    kept = {ALL, *largest, *worst.head(MOST_LEAVES)["leaf"]}
    return metrics.filter(pl.col("leaf").is_in(kept)), by_leaf.height + 1 - len(kept)


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.3f}-{high:.3f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _footnote(metrics: pl.DataFrame) -> list[str]:
    undefined, off = metrics["auc"].null_count(), metrics["auc_off"].drop_nulls().to_list()
    notes = [
        "NE: log loss over that of always predicting the rate; above 1 is worse than that. Calibration: predicted over "
        "observed positives.",
        "ECE: mean difference between predicted and observed rate, over 20 groups of rows cut by probability.",
        "GAUC: the mean AUC within users with both classes, each weighted by its rows; users: how many there are."
        if metrics["users"].count()
        else "",
        f"Streamed: every AUC is within {max(off):.1e} of that of the rows." if off else "",
        f"- : AUC is undefined with one class only ({undefined} of {len(metrics)})." if undefined else "",
    ]
    return [note for note in notes if note]
