"""Files -> `Tables` of checked rows -> `EncodedTable`s. `read_tables` tells the room's story.

Every check runs before anything is returned, so that one reading tells all that is wrong, each thing once. A
stage that has added an error returns None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import polars as pl
import torch

from aesm_dsl.data import split, target
from aesm_dsl.data.check import Faults, Locate, Use, check_columns, check_numbers, counted, shown, split_uses, uses
from aesm_dsl.data.encode import Encoders
from aesm_dsl.data.encoded import EncodedTable
from aesm_dsl.data.files import DataFile, Rows, find, read
from aesm_dsl.data.value import Mask
from aesm_dsl.diagnostic import Findings, quoted
from aesm_dsl.plan import UNKNOWN, DataPlan, Plan, SplitPlan


@dataclass(frozen=True, slots=True)
class Table:
    """Checked rows: the columns as read, and what the plan's nodes, tasks and weight make of them. R rows."""

    frame: pl.DataFrame
    node_RL: target.Nodes
    """int64; each row's node at every level."""
    label_RT: target.Floats
    """float32; 0, 1, or NaN where missing or outside the task's sample space (all NaN where no labels were read)."""
    weight_R: target.Floats
    """float32; 1 where the plan names no weight or no labels were read."""

    def __len__(self) -> int:
        return self.frame.height

    def take(self, chosen: Mask) -> Table:
        """The rows where `chosen` is true, in their order."""
        frame = self.frame.filter(pl.Series(chosen))
        return Table(frame, self.node_RL[chosen], self.label_RT[chosen], self.weight_R[chosen])


Part = TypeVar("Part", Table, EncodedTable)


@dataclass(frozen=True, slots=True)
class Tables(Generic[Part]):
    train: Part
    valid: Part | None
    test: Part | None


def read_tables(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> Tables[Table] | None:
    """The training, validation and test rows that the plan's data block names, checked and split.

    roots    folders that relative paths are looked up in, first match wins
    locate   dotted path of a setting -> its place in the spec
    returns  None after adding errors (E5); may add warnings (W5) about the training rows
    Raises ValueError for a plan without training data.
    """
    if plan.data is None or not plan.data.train:
        raise ValueError("the plan names no data")
    before, faults = len(findings.errors), Faults()
    files = _find_parts(plan.data, roots, findings, locate)
    wanted = {part: uses(plan, True) + (split_uses(plan) if part == "train" else []) for part in files}
    check_columns({part: (files[part], wanted[part]) for part in files}, findings, locate, faults)
    tables: dict[str, Table] = {}
    for part in files:
        rows = read(files[part], [use.column for use in wanted[part]], locate(f"data.{part}"), findings)
        if rows is not None:
            tables[part] = _checked(plan, part, rows, wanted[part], True, findings, locate, faults)
    if "train" in tables:
        tables = _split(plan, plan.data, tables, findings, locate, faults)
    if len(findings.errors) > before:
        return None
    _warn(plan, tables["train"], findings, locate)
    return Tables(tables["train"], tables.get("valid"), tables.get("test"))


def read_table(
    plan: Plan,
    paths: Sequence[str],
    roots: Sequence[Path],
    findings: Findings,
    locate: Locate,
    *,
    labels: bool = True,
    all_columns: bool = False,
) -> Table | None:
    """The rows of a separate table, checked like a test table.

    labels       False where rows are only scored: columns of labels and row weights may then be absent, and
                 are not looked at where they are present
    all_columns  keep every column of the files, not only those that the plan uses
    returns      None after adding errors (E5)
    Raises ValueError when there are no paths.
    """
    if not paths:
        raise ValueError("no path of a table")
    before, faults = len(findings.errors), Faults()
    span = locate("data.test")
    files = find(paths, roots, span, findings)
    if len(findings.errors) > before:
        return None
    wanted = uses(plan, labels)
    check_columns({"test": (files, wanted)}, findings, locate, faults)
    rows = read(files, None if all_columns else [use.column for use in wanted], span, findings)
    if rows is None:
        return None
    table = _checked(plan, "test", rows, wanted, labels, findings, locate, faults)
    return table if len(findings.errors) == before else None


def table_of(
    plan: Plan, frame: pl.DataFrame, name: str, findings: Findings, locate: Locate, *, labels: bool = True
) -> Table | None:
    """Rows that are in memory already, checked like a file called `name`; labels as in `read_table`."""
    before, faults = len(findings.errors), Faults()
    wanted = uses(plan, labels)
    check_columns({"test": ([DataFile(Path(name), name, frame.schema)], wanted)}, findings, locate, faults)
    table = _checked(plan, "test", Rows.of(frame, name), wanted, labels, findings, locate, faults)
    return table if len(findings.errors) == before else None


def encode(encoders: Encoders, table: Table) -> EncodedTable:
    """The table as tensors. Nothing can go wrong with rows that were checked."""
    ids_RS, value_RV = encoders.encode(table.frame)
    return EncodedTable(
        torch.from_numpy(ids_RS),
        torch.from_numpy(value_RV),
        torch.from_numpy(table.node_RL),
        torch.from_numpy(table.label_RT),
        torch.from_numpy(table.weight_R),
    )


def encode_tables(encoders: Encoders, tables: Tables[Table]) -> Tables[EncodedTable]:
    valid = encode(encoders, tables.valid) if tables.valid is not None else None
    test = encode(encoders, tables.test) if tables.test is not None else None
    return Tables(encode(encoders, tables.train), valid, test)


def _find_parts(data: DataPlan, roots: Sequence[Path], findings: Findings, locate: Locate) -> dict[str, list[DataFile]]:
    """Part -> its files, for the parts whose files could all be opened."""
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    opened: dict[str, list[DataFile]] = {}
    for part, patterns in parts.items():
        if isinstance(patterns, tuple):
            before = len(findings.errors)
            files = find(patterns, roots, locate(f"data.{part}"), findings)
            if files and len(findings.errors) == before:
                opened[part] = files
    return opened


def _checked(
    plan: Plan,
    part: str,
    rows: Rows,
    wanted: Sequence[Use],
    labels: bool,
    findings: Findings,
    locate: Locate,
    faults: Faults,
) -> Table:
    """The table with its nodes, labels and weights; only to be used when no error was added."""
    count = rows.frame.height
    if count == 0 and rows.frame.width:  # without any column its rows are not known, and E503 was told
        findings.add("E505", f"no rows in {quoted(rows.files, 3)}", locate(f"data.{part}"), label="no rows")
    check_numbers(part, rows, wanted, findings, locate, faults)
    node_RL = target.nodes(plan, part, rows, findings, locate, faults)
    if labels:
        label_RT = target.labels(plan, part, rows, findings, locate, faults)
        weight_R = target.weights(plan, part, rows, findings, locate, faults)
    else:
        label_RT = np.full((count, len(plan.tasks.tasks)), np.nan, dtype=np.float32)
        weight_R = np.ones(count, dtype=np.float32)
    return Table(rows.frame, node_RL, label_RT, weight_R)


def _split(
    plan: Plan, data: DataPlan, tables: dict[str, Table], findings: Findings, locate: Locate, faults: Faults
) -> dict[str, Table]:
    """The tables with the test rows taken from the training rows first, then the validation rows."""
    parts = dict(tables)
    for part, rule in (("test", data.test), ("valid", data.valid)):
        if not isinstance(rule, SplitPlan) or faults.has("train", f"data.{part}"):
            continue
        left = parts["train"]
        taken = split.take(part, rule, left.frame, plan.training.seed, findings, locate)
        if taken is not None:
            parts[part], parts["train"] = left.take(taken), left.take(~taken)
    return parts


def _warn(plan: Plan, train: Table, findings: Findings, locate: Locate) -> None:
    """W501 for a task that the training rows cannot teach, W502 for a node that they do not show, W503 for rows of
    unknown nodes."""
    for place, task in enumerate(plan.tasks.tasks):
        label_R = train.label_RT[:, place]
        ones, zeros = int((label_R == 1).sum()), int((label_R == 0).sum())
        if ones and zeros:
            continue
        lacks = "labels" if not ones and not zeros else "negatives" if ones else "positives"
        message = f"task `{task.name}` has no {lacks} among the {len(train):,} training rows"
        label = f"column `{task.column}`" + (f", {task.rule} `{task.value}`" if task.rule != "as is" else "")
        findings.add("W501", message, locate(f"tasks.task.{task.name}.label"), label=label)
    for place, level in enumerate(plan.levels):
        node_R = train.node_RL[:, place]
        rows_N = np.bincount(node_R[node_R != UNKNOWN], minlength=len(level.nodes))
        for node, rows in zip(level.nodes, rows_N.tolist(), strict=True):
            if not rows:
                message = f"node `{node.name}` of level `{level.name}` has no training rows"
                label = f"no row has {quoted(node.values)} in column `{level.column}`"
                findings.add("W502", message, locate(f"level.{level.name}.node.{node.name}"), label=label)
        if strange := int((node_R == UNKNOWN).sum()):
            first = train.frame[level.column][int((node_R == UNKNOWN).argmax())]
            findings.add(
                "W503",
                f"column `{level.column}` names no node of level `{level.name}` in {counted(strange)} of the "
                f"{len(train):,} training rows; the first is {shown(first)}",
                locate(f"level.{level.name}.unknown"),
                label="they run on the shared experts alone",
            )
