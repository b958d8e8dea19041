"""What a row is and what happened on it: nodes, labels and weight, each checked.

Findings: E506 unknown node, E507 path that the hierarchy lacks, E508 label that is neither 0, 1 nor missing,
E509 weight. Axes: R rows, L levels, T tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import FailedUses, Locate
from aesm_dsl.data.reading.checked_rows import BadRows, CheckedRows, Floats, Nodes, rows_text
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.values import Mask, Numbers, as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.plan.plan import UNKNOWN, LevelPlan, Plan, TaskPlan

Node = np.ndarray[tuple[int], np.dtype[np.int64]]

MOST_UNKNOWN_VALUES = 10_000
"""Different values without a node that are counted, per level; beyond that the rarer half is forgotten."""


class TargetReader:
    """Rows of one part -> `CheckedRows` rows; remembers what is wrong with them, and tells it once all are read.

    labels  False where rows are only scored: columns of labels and row weights are then not looked at
    """

    def __init__(self, plan: Plan, part: str, labels: bool, locate: Locate, faults: FailedUses) -> None:
        self._plan, self._part = plan, part
        tasks, weight = plan.tasks.tasks, plan.data.weight if plan.data is not None else None
        self._levels = {
            place: _Level(level, locate)
            for place, level in enumerate(plan.levels)
            if not faults.has(part, f"level.{level.name}.column")
        }
        pairs = {place: (plan.levels[place - 1], plan.levels[place]) for place in self._levels if place}
        self._paths = {place: _Paths(above, level, locate) for place, (above, level) in pairs.items()}
        self._labels = {
            place: _Label(task, locate)
            for place, task in enumerate(tasks)
            if labels and not faults.has(part, f"tasks.task.{task.name}.label")
        }
        self._weight = _Weight(weight, locate) if labels and weight and not faults.has(part, "data.weight") else None

    def read(self, rows: TableRows) -> CheckedRows:
        """The rows with their nodes, labels and weights; only to be used when nothing is told at the end."""
        tasks = self._plan.tasks.tasks
        node_RL = np.full((len(rows), len(self._plan.levels)), UNKNOWN, dtype=np.int64)
        for place, level in self._levels.items():
            node_RL[:, place] = level.read(rows)
            if place in self._paths:
                self._paths[place].read(node_RL[:, place - 1 : place + 1], rows)
        label_RT = np.full((len(rows), len(tasks)), np.nan, dtype=np.float32)
        for place, label in self._labels.items():
            label_RT[:, place] = label.read(rows)
        weight_R = np.ones(len(rows), dtype=np.float32) if self._weight is None else self._weight.read(rows)
        return CheckedRows(
            self._part, rows, node_RL, mask_sample_space(label_RT, tasks), weight_R, self._misplaced(node_RL)
        )

    def _misplaced(self, node_RL: Nodes) -> Mask:
        """bad_R, rows whose node or path is wrong."""
        levels = [self._levels[place].lost(node_RL[:, place]) for place in self._levels]
        paths = [path.lacking(node_RL[:, place - 1 : place + 1]) for place, path in self._paths.items()]
        bad_R: Mask = np.logical_or.reduce([np.zeros(len(node_RL), dtype=np.bool_), *levels, *paths])
        return bad_R

    @property
    def bad(self) -> bool:
        """Whether any row so far is wrong."""
        checks = (*self._levels.values(), *self._paths.values(), *self._labels.values(), self._weight)
        return any(check.bad for check in checks if check is not None)

    def tell(self, findings: Findings) -> None:
        for place, level in self._levels.items():
            level.tell(findings)
            if place in self._paths:
                self._paths[place].tell(findings)
        for label in self._labels.values():
            label.tell(findings)
        if self._weight is not None:
            self._weight.tell(findings)


def mask_sample_space(label_RT: Floats, tasks: Sequence[TaskPlan]) -> Floats:
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


class _Tallied:
    """A check that counts the rows that are wrong."""

    def __init__(self) -> None:
        self._tally = BadRows()

    @property
    def bad(self) -> bool:
        return self._tally.bad > 0


class _Level(_Tallied):
    """E506 where a level that refuses unknown nodes meets them."""

    def __init__(self, level: LevelPlan, locate: Locate) -> None:
        self._level, self._locate = level, locate
        self._index = {value: i for i, node in enumerate(level.nodes) for value in node.values}
        self._known = pl.Series(self._index.keys(), dtype=pl.String)
        self._places = pl.Series(self._index.values(), dtype=pl.Int64)
        super().__init__()
        self._missing = 0
        self._strangers = pl.DataFrame(schema={"value": pl.String, "count": pl.Int64})

    def read(self, rows: TableRows) -> Node:
        """node_R, UNKNOWN where the value names no node."""
        text = as_text(rows.frame[self._level.column])
        node_R = text.replace_strict(self._known, self._places, default=UNKNOWN, return_dtype=pl.Int64).to_numpy()
        node_R = np.where(text.is_null().to_numpy(), UNKNOWN, node_R)
        lost = self.lost(node_R)
        if lost.any():
            self._tally.add(rows, self._level.column, lost)
            self._missing += text.null_count()
            counts = text.filter(pl.Series(lost)).drop_nulls().rename("value").value_counts()
            both = pl.concat([self._strangers, counts.cast(self._strangers.schema)])
            both = both.group_by("value").agg(pl.col("count").sum()).sort("count", "value", descending=[True, False])
            self._strangers = both.head(MOST_UNKNOWN_VALUES // 2) if both.height > MOST_UNKNOWN_VALUES else both
        return node_R

    def lost(self, node_R: Node) -> Mask:
        """Rows whose node the level refuses."""
        lost_R: Mask = node_R == UNKNOWN
        return np.zeros_like(lost_R) if self._level.unknown else lost_R

    def tell(self, findings: Findings) -> None:
        if not self._tally.bad:
            return
        named = self._strangers["value"].to_list()
        findings.add(
            "E506",
            f"column `{self._level.column}` names no node of level `{self._level.name}` in {self._tally.counted}; "
            f"{self._tally.first}",
            self._locate(f"level.{self._level.name}.column"),
            label=f"not all values of `{self._level.column}` are nodes",
            help=[
                f"values without a node: {quoted(named)}" if named else "",
                f"{rows_text(self._missing)} with a missing value" if self._missing else "",
                did_you_mean(named[0], self._index) if named else "",
                f"the nodes' values are {quoted(self._index)}",
                "`unknown = shared` in the level lets such rows run on the shared experts",
            ],
        )


class _Paths:
    """E507 for each (parent, node) that occurs without being declared.

    A path is looked at from node to node: where one of two neighbours is unknown there is nothing to hold against it.
    """

    def __init__(self, above: LevelPlan, level: LevelPlan, locate: Locate) -> None:
        self._above, self._level, self._locate = above, level, locate
        self._found: dict[int, tuple[int, str]] = {}
        self._lacks_PN = np.array([[p not in node.parents for node in level.nodes] for p in range(len(above.nodes))])

    def lacking(self, pair_R2: Nodes) -> Mask:
        """Rows whose two nodes are known, and the second is not under the first."""
        parent_R, child_R = pair_R2.T
        lacking_R: Mask = (pair_R2 != UNKNOWN).all(axis=1) & self._lacks_PN[parent_R, child_R]
        return lacking_R

    def read(self, pair_R2: Nodes, rows: TableRows) -> None:
        code_R = np.where(self.lacking(pair_R2), pair_R2[:, 0] * len(self._level.nodes) + pair_R2[:, 1], UNKNOWN)
        codes, firsts, counts = np.unique(code_R, return_index=True, return_counts=True)
        for code, first, count in zip(codes.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            if code != UNKNOWN:
                before, place = self._found.get(code, (0, rows.place(first)))
                self._found[code] = before + count, place

    @property
    def bad(self) -> bool:
        return bool(self._found)

    def tell(self, findings: Findings) -> None:
        for code, (count, place) in sorted(self._found.items()):
            parent, child = divmod(code, len(self._level.nodes))
            upper, node = self._above.nodes[parent].name, self._level.nodes[child]
            message = (
                f"{rows_text(count)} on the path `{upper} > {node.name}` "
                f"(columns `{self._above.column}`, `{self._level.column}`), "
                f"which the hierarchy lacks; the first is {place}"
            )
            under = quoted(self._above.nodes[p].name for p in node.parents)
            findings.add(
                "E507",
                message,
                self._locate(f"level.{self._level.name}.node.{node.name}"),
                label=f"under {under} only",
                help=f"add `{upper}` to `under` of node `{node.name}`, or leave such rows out of the table",
            )


class _Label(_Tallied):
    """E508 for a label that is neither 0, 1 nor missing, where the label is the column as it is."""

    def __init__(self, task: TaskPlan, locate: Locate) -> None:
        self._task, self._locate = task, locate
        super().__init__()
        self._minus_one, self._above_one = False, False

    def read(self, rows: TableRows) -> Numbers | Floats:
        """label_R, NaN where missing."""
        task, column = self._task, rows.frame[self._task.column]
        if task.rule == "equals":
            text = as_text(column)
            wanted = as_text(pl.Series([task.value]))[0]
            return np.where(text.is_null().to_numpy(), np.nan, (text == wanted).fill_null(False).to_numpy())
        values, bad = as_numbers(column)
        if task.rule == "above":
            threshold = float(task.value if task.value is not None else 0)
            return np.where(np.isnan(values), np.nan, values > threshold)
        bad |= ~(np.isnan(values) | (values == 0) | (values == 1))
        self._tally.add(rows, task.column, bad)
        self._minus_one |= bool((values == -1).any())
        self._above_one |= bool((values > 1).any())
        return values

    def tell(self, findings: Findings) -> None:
        if not self._tally.bad:
            return
        findings.add(
            "E508",
            f"label `{self._task.column}` of task `{self._task.name}` is neither 0, 1 nor missing in "
            f"{self._tally.counted}; {self._tally.first}",
            self._locate(f"tasks.task.{self._task.name}.label"),
            label="labels are 0, 1 or missing",
            help=[
                "a missing label is an empty cell (null), not -1" if self._minus_one else "",
                "a count or an amount becomes a label by a threshold (`above`)" if self._above_one else "",
            ],
        )


class _Weight(_Tallied):
    """E509 for a row weight that is negative, missing or not a number."""

    def __init__(self, column: str, locate: Locate) -> None:
        super().__init__()
        self._column, self._locate = column, locate

    def read(self, rows: TableRows) -> Floats:
        values, _ = as_numbers(rows.frame[self._column])
        self._tally.add(rows, self._column, ~(np.isfinite(values) & (values >= 0)))
        return values.astype(np.float32)

    def tell(self, findings: Findings) -> None:
        if self._tally.bad:
            findings.add(
                "E509",
                f"row weight `{self._column}` is negative, missing or not a number in {self._tally.counted}; "
                f"{self._tally.first}",
                self._locate("data.weight"),
                label="weights are numbers from 0",
                help="a row to be left out has the weight 0",
            )
