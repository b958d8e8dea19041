"""What a row is and what happened on it: nodes, labels and weight, each checked.

Findings: E506 unknown node, E507 path that the hierarchy lacks, E508 label that is neither 0, 1 nor missing,
E509 weight. Axes: R rows, L levels, T tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.check import Faults, Locate, counted, shown
from aesm_dsl.data.files import Rows
from aesm_dsl.data.value import Mask, Numbers, as_numbers, as_text
from aesm_dsl.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.plan import UNKNOWN, LevelPlan, Plan, TaskPlan

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Nodes = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Node = np.ndarray[tuple[int], np.dtype[np.int64]]


def nodes(plan: Plan, part: str, rows: Rows, findings: Findings, locate: Locate, faults: Faults) -> Nodes:
    """node_RL, UNKNOWN where the value names no node; adds E506 per level that refuses such rows, and E507 per path.

    A path is looked at from node to node: where one of two neighbours is unknown there is nothing to hold against it.
    """
    node_RL = np.full((rows.frame.height, len(plan.levels)), UNKNOWN, dtype=np.int64)
    for place, level in enumerate(plan.levels):
        if faults.has(part, f"level.{level.name}.column"):
            continue
        node_RL[:, place] = _level(level, rows, findings, locate)
        if place:
            _paths(plan.levels[place - 1], level, node_RL[:, place - 1 : place + 1], rows, findings, locate)
    return node_RL


def labels(plan: Plan, part: str, rows: Rows, findings: Findings, locate: Locate, faults: Faults) -> Floats:
    """label_RT, NaN where missing or outside the task's sample space (`where`); adds E508."""
    tasks = plan.tasks.tasks
    label_RT = np.full((rows.frame.height, len(tasks)), np.nan, dtype=np.float32)
    for place, task in enumerate(tasks):
        if faults.has(part, f"tasks.task.{task.name}.label"):
            continue
        label_RT[:, place] = _label(task, rows, findings, locate)
    return within(label_RT, tasks)


def within(label_RT: Floats, tasks: Sequence[TaskPlan]) -> Floats:
    """The labels with NaN where a row lies outside a task's sample space.

    With `where`, a row counts for a task if that other task's label is 1, and the row counts for it in turn.
    """

    def happened(place: int) -> Mask:
        where = tasks[place].where
        yes_R: Mask = label_RT[:, place] == 1
        return yes_R if where is None else yes_R & happened(where)

    found_RT = label_RT.copy()
    for place, task in enumerate(tasks):
        if task.where is not None:
            found_RT[~happened(task.where), place] = np.nan
    return found_RT


def weights(plan: Plan, part: str, rows: Rows, findings: Findings, locate: Locate, faults: Faults) -> Floats:
    """weight_R, 1 where the plan names no column; adds E509."""
    ones = np.ones(rows.frame.height, dtype=np.float32)
    column = plan.data.weight if plan.data is not None else None
    if column is None or faults.has(part, "data.weight"):
        return ones
    values, _ = as_numbers(rows.frame[column])
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        message = (
            f"row weight `{column}` is negative, missing or not a number in {counted(int(bad.sum()))}; "
            f"{_first(rows, column, bad)}"
        )
        helps = "a row to be left out has the weight 0"
        findings.add("E509", message, locate("data.weight"), label="weights are numbers from 0", help=helps)
    return values.astype(np.float32)


def _level(level: LevelPlan, rows: Rows, findings: Findings, locate: Locate) -> Node:
    index = {value: i for i, node in enumerate(level.nodes) for value in node.values}
    text = as_text(rows.frame[level.column])
    known = pl.Series(index.keys(), dtype=pl.String)
    places = pl.Series(index.values(), dtype=pl.Int64)
    node_R = text.replace_strict(known, places, default=UNKNOWN, return_dtype=pl.Int64).to_numpy()
    node_R = np.where(text.is_null().to_numpy(), UNKNOWN, node_R)
    lost = node_R == UNKNOWN
    if lost.any() and not level.unknown:
        counts = text.filter(pl.Series(lost)).drop_nulls().rename("value").value_counts()
        named = counts.sort("count", "value", descending=[True, False])["value"].to_list()
        missing = text.null_count()
        message = (
            f"column `{level.column}` names no node of level `{level.name}` in {counted(int(lost.sum()))}; "
            f"{_first(rows, level.column, lost)}"
        )
        findings.add(
            "E506",
            message,
            locate(f"level.{level.name}.column"),
            label=f"not all values of `{level.column}` are nodes",
            help=[
                f"values without a node: {quoted(named)}" if named else "",
                f"{counted(missing)} with a missing value" if missing else "",
                did_you_mean(named[0], index) if named else "",
                f"the nodes' values are {quoted(index)}",
                "`unknown = shared` in the level lets such rows run on the shared experts",
            ],
        )
    return node_R


def _paths(above: LevelPlan, level: LevelPlan, pair_R2: Nodes, rows: Rows, findings: Findings, locate: Locate) -> None:
    """E507 for each (parent, node) that occurs without being declared."""
    code_R = np.where((pair_R2 != UNKNOWN).all(axis=1), pair_R2[:, 0] * len(level.nodes) + pair_R2[:, 1], UNKNOWN)
    codes, firsts, counts = np.unique(code_R, return_index=True, return_counts=True)
    for code, first, count in zip(codes.tolist(), firsts.tolist(), counts.tolist(), strict=True):
        parent, child = divmod(code, len(level.nodes))
        if code == UNKNOWN or parent in level.nodes[child].parents:
            continue
        upper, node = above.nodes[parent].name, level.nodes[child]
        message = (
            f"{counted(count)} on the path `{upper} -> {node.name}` "
            f"(columns `{above.column}`, `{level.column}`), "
            f"which the hierarchy lacks; the first is {rows.place(first)}"
        )
        under = quoted(above.nodes[p].name for p in node.parents)
        findings.add(
            "E507",
            message,
            locate(f"level.{level.name}.node.{node.name}"),
            label=f"under {under} only",
            help=f"add `{upper}` to `under` of node `{node.name}`, or leave such rows out of the table",
        )


def _label(task: TaskPlan, rows: Rows, findings: Findings, locate: Locate) -> Numbers:
    column = rows.frame[task.column]
    if task.rule == "equals":
        text = as_text(column)
        wanted = as_text(pl.Series([task.value]))[0]
        return np.where(text.is_null().to_numpy(), np.nan, (text == wanted).fill_null(False).to_numpy())
    values, bad = as_numbers(column)
    if task.rule == "above":
        threshold = float(task.value if task.value is not None else 0)
        return np.where(np.isnan(values), np.nan, values > threshold)
    bad |= ~(np.isnan(values) | (values == 0) | (values == 1))
    if bad.any():
        message = (
            f"label `{task.column}` of task `{task.name}` is neither 0, 1 nor missing in "
            f"{counted(int(bad.sum()))}; {_first(rows, task.column, bad)}"
        )
        findings.add(
            "E508",
            message,
            locate(f"tasks.task.{task.name}.label"),
            label="labels are 0, 1 or missing",
            help=[
                "a missing label is an empty cell (null), not -1" if (values == -1).any() else "",
                "a count or an amount becomes a label by a threshold (`above`)" if (values > 1).any() else "",
            ],
        )
    return values


def _first(rows: Rows, column: str, bad: Mask) -> str:
    first = int(bad.argmax())
    return f"the first is {shown(rows.frame[column][first])} in {rows.place(first)}"
