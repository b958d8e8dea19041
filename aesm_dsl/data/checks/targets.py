"""`TargetReader`: reads and checks the nodes, labels and weight of every row.

Findings: E506 (unknown node), E507 (path that the hierarchy lacks), E508 (label that is neither 0, 1 nor missing) and
E509 (weight). Axes: R rows, L levels, T tasks, P nodes of the level above, N nodes of a level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.checks.column_uses import FailedUses
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.labels import LabelReader
from aesm_dsl.data.reading.checked_rows import BadRows, CheckedRows, Floats, Nodes, rows_text
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.values import Mask, as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.plan.plan import UNKNOWN, LevelPlan, Plan, TaskPlan

Node = np.ndarray[tuple[int], np.dtype[np.int64]]

MOST_UNKNOWN_VALUES = 10_000
"""Different values without a node that are counted, per level; beyond that the rarer half is forgotten."""


class TargetReader:
    """Turns rows of one part into `CheckedRows`, and reports what is wrong with them once all are read."""

    def __init__(self, plan: Plan, part: str, labels: bool, locate: Locate, failed: FailedUses) -> None:
        """Makes the reader.

        Args:
            plan: names the levels, tasks and weight.
            part: "train", "valid" or "test".
            labels: whether labels and row weights are read; False if rows are only scored.
            locate: finds the place of a setting in the spec.
            failed: uses whose columns are missing or wrong: these are not read.
        """
        self._plan, self._part = plan, part
        tasks, weight = plan.tasks.tasks, plan.data.weight if plan.data is not None else None
        self._levels = {
            index: _Level(level, locate)
            for index, level in enumerate(plan.levels)
            if not failed.has(part, f"level.{level.name}.column")
        }
        pairs = {index: (plan.levels[index - 1], plan.levels[index]) for index in self._levels if index}
        self._paths = {index: _Paths(above, level, locate) for index, (above, level) in pairs.items()}
        self._labels = {
            index: LabelReader(task, locate)
            for index, task in enumerate(tasks)
            if labels and not failed.has(part, f"tasks.task.{task.name}.label")
        }
        self._weight = _Weight(weight, locate) if labels and weight and not failed.has(part, "data.weight") else None

    def read(self, rows: TableRows) -> CheckedRows:
        """Returns the rows with their nodes, labels and weights. They are valid only if `report` adds nothing."""
        tasks = self._plan.tasks.tasks
        node_RL = np.full((len(rows), len(self._plan.levels)), UNKNOWN, dtype=np.int64)
        for index, level in self._levels.items():
            node_RL[:, index] = level.read(rows)
            if index in self._paths:
                self._paths[index].read(node_RL[:, index - 1 : index + 1], rows)
        label_RT = np.full((len(rows), len(tasks)), np.nan, dtype=np.float32)
        for index, label in self._labels.items():
            label_RT[:, index] = label.read(rows)
        weight_R = np.ones(len(rows), dtype=np.float32) if self._weight is None else self._weight.read(rows)
        return CheckedRows(
            self._part, rows, node_RL, mask_sample_space(label_RT, tasks), weight_R, self._misplaced(node_RL)
        )

    def _misplaced(self, node_RL: Nodes) -> Mask:
        """bad_R: the rows whose node or path is wrong."""
        levels = [self._levels[index].refused(node_RL[:, index]) for index in self._levels]
        paths = [path.undeclared(node_RL[:, index - 1 : index + 1]) for index, path in self._paths.items()]
        bad_R: Mask = np.logical_or.reduce([np.zeros(len(node_RL), dtype=np.bool_), *levels, *paths])
        return bad_R

    @property
    def bad(self) -> bool:
        """Whether any row so far is wrong."""
        checks = (*self._levels.values(), *self._paths.values(), *self._labels.values(), self._weight)
        return any(check.bad for check in checks if check is not None)

    def report(self, findings: Findings) -> None:
        """Adds what is wrong with the rows so far."""
        for index, level in self._levels.items():
            level.report(findings)
            if index in self._paths:
                self._paths[index].report(findings)
        for label in self._labels.values():
            label.report(findings)
        if self._weight is not None:
            self._weight.report(findings)


def mask_sample_space(label_RT: Floats, tasks: Sequence[TaskPlan]) -> Floats:
    """Returns the labels with NaN in the rows outside a task's sample space.

    With `where`, a row counts for a task if that other task's label is 1 and the row counts for that other task.
    """

    def happened(index: int) -> Mask:
        where = tasks[index].where
        yes_R: Mask = label_RT[:, index] == 1
        return yes_R if where is None else yes_R & happened(where)

    masked_RT = label_RT.copy()
    for index, task in enumerate(tasks):
        if task.where is not None:
            masked_RT[~happened(task.where), index] = np.nan
    return masked_RT


class _RowCheck:
    """A check that counts the rows in which one column is wrong."""

    def __init__(self) -> None:
        self._bad_rows = BadRows()

    @property
    def bad(self) -> bool:
        return self._bad_rows.bad > 0


class _Level(_RowCheck):
    """Reads the nodes of a level, and reports unknown ones if the level refuses them (E506)."""

    def __init__(self, level: LevelPlan, locate: Locate) -> None:
        self._level, self._locate = level, locate
        self._index = {value: i for i, node in enumerate(level.nodes) for value in node.values}
        self._known = pl.Series(self._index.keys(), dtype=pl.String)
        self._nodes = pl.Series(self._index.values(), dtype=pl.Int64)
        super().__init__()
        self._missing = 0
        self._unknown = pl.DataFrame(schema={"value": pl.String, "count": pl.Int64})

    def read(self, rows: TableRows) -> Node:
        """Returns node_R, UNKNOWN if the value names no node."""
        text = as_text(rows.frame[self._level.column])
        node_R = text.replace_strict(self._known, self._nodes, default=UNKNOWN, return_dtype=pl.Int64).to_numpy()
        node_R = np.where(text.is_null().to_numpy(), UNKNOWN, node_R)
        refused_R = self.refused(node_R)
        if refused_R.any():
            self._bad_rows.add(rows, self._level.column, refused_R)
            self._missing += text.null_count()
            counts = text.filter(pl.Series(refused_R)).drop_nulls().rename("value").value_counts()
            both = pl.concat([self._unknown, counts.cast(self._unknown.schema)])
            both = both.group_by("value").agg(pl.col("count").sum()).sort("count", "value", descending=[True, False])
            self._unknown = both.head(MOST_UNKNOWN_VALUES // 2) if both.height > MOST_UNKNOWN_VALUES else both
        return node_R

    def refused(self, node_R: Node) -> Mask:
        """Returns the rows whose node the level refuses."""
        unknown_R: Mask = node_R == UNKNOWN
        return np.zeros_like(unknown_R) if self._level.unknown else unknown_R

    def report(self, findings: Findings) -> None:
        if not self._bad_rows.bad:
            return
        values = self._unknown["value"].to_list()
        findings.add(
            "E506",
            f"column `{self._level.column}` names no node of level `{self._level.name}` in "
            f"{self._bad_rows.count_text}; {self._bad_rows.first_text}",
            self._locate(f"level.{self._level.name}.column"),
            label=f"not all values of `{self._level.column}` are nodes",
            help=[
                f"values without a node: {quoted(values)}" if values else "",
                f"{rows_text(self._missing)} with a missing value" if self._missing else "",
                did_you_mean(values[0], self._index) if values else "",
                f"the nodes' values are {quoted(self._index)}",
                "`unknown = shared` in the level lets such rows run on the shared experts",
            ],
        )


class _Paths:
    """Reports each (parent, node) that occurs in the rows but not in the hierarchy (E507).

    A path is checked one pair of neighbouring levels at a time. A pair with an unknown node is accepted.
    """

    def __init__(self, above: LevelPlan, level: LevelPlan, locate: Locate) -> None:
        self._above, self._level, self._locate = above, level, locate
        self._undeclared: dict[int, tuple[int, str]] = {}
        """Code of an undeclared pair -> how many rows have it, and where the first is."""
        count = len(level.nodes)
        pairs = [parent * count + child for child, node in enumerate(level.nodes) for parent in node.parents]
        self._declared = np.array(pairs, dtype=np.int64)
        """The codes of the declared pairs."""

    def undeclared(self, pair_R2: Nodes) -> Mask:
        """Returns the rows whose two nodes are known and whose second node is not under the first."""
        undeclared_R: Mask = (pair_R2 != UNKNOWN).all(axis=1) & ~np.isin(self._codes(pair_R2), self._declared)
        return undeclared_R

    def read(self, pair_R2: Nodes, rows: TableRows) -> None:
        code_R = np.where(self.undeclared(pair_R2), self._codes(pair_R2), UNKNOWN)
        codes, firsts, counts = np.unique(code_R, return_index=True, return_counts=True)
        for code, first, count in zip(codes.tolist(), firsts.tolist(), counts.tolist(), strict=True):
            if code != UNKNOWN:
                before, location = self._undeclared.get(code, (0, rows.location(first)))
                self._undeclared[code] = before + count, location

    def _codes(self, pair_R2: Nodes) -> Node:
        return pair_R2[:, 0] * len(self._level.nodes) + pair_R2[:, 1]

    @property
    def bad(self) -> bool:
        return bool(self._undeclared)

    def report(self, findings: Findings) -> None:
        for code, (count, location) in sorted(self._undeclared.items()):
            parent, child = divmod(code, len(self._level.nodes))
            upper, node = self._above.nodes[parent].name, self._level.nodes[child]
            message = (
                f"{rows_text(count)} on the path `{upper} > {node.name}` "
                f"(columns `{self._above.column}`, `{self._level.column}`), "
                f"which the hierarchy lacks; the first is {location}"
            )
            under = quoted(self._above.nodes[p].name for p in node.parents)
            findings.add(
                "E507",
                message,
                self._locate(f"level.{self._level.name}.node.{node.name}"),
                label=f"under {under} only",
                help=f"add `{upper}` to `under` of node `{node.name}`, or leave such rows out of the table",
            )


class _Weight(_RowCheck):
    """Reads the row weight, and reports cells that are negative, missing or not a number (E509)."""

    def __init__(self, column: str, locate: Locate) -> None:
        super().__init__()
        self._column, self._locate = column, locate

    def read(self, rows: TableRows) -> Floats:
        values, _ = as_numbers(rows.frame[self._column])
        # Beyond float32 a weight would be infinite.
        self._bad_rows.add(rows, self._column, ~((values >= 0) & (values <= np.finfo(np.float32).max)))
        with np.errstate(over="ignore"):
            return values.astype(np.float32)

    def report(self, findings: Findings) -> None:
        if self._bad_rows.bad:
            findings.add(
                "E509",
                f"row weight `{self._column}` is negative, missing, not a number or too large in "
                f"{self._bad_rows.count_text}; {self._bad_rows.first_text}",
                self._locate("data.weight"),
                label="weights are numbers from 0 to 3.4e38",
                help="a row to be left out has the weight 0",
            )
