"""Files -> checked rows, chunk by chunk.

`prepare` fits encoders and encodes with a `TableReader`, and `encoded_stream` makes batches with one. Every check runs
over all rows before anything is reported, so one pass reports all problems, each of them once. Memory follows the
chunks, not the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from aesm_dsl.data.checks.column_uses import (
    ANYTHING,
    ColumnUse,
    FailedUses,
    column_uses,
    split_column_uses,
)
from aesm_dsl.data.checks.columns import Locate, NumberCheck, check_columns
from aesm_dsl.data.checks.constant_features import ConstantFeatures
from aesm_dsl.data.checks.dates import DateParts
from aesm_dsl.data.checks.duplicate_files import DuplicateFiles
from aesm_dsl.data.checks.duplicate_rows import DuplicateRows
from aesm_dsl.data.checks.funnels import BrokenFunnels
from aesm_dsl.data.checks.id_collisions import IdCollisions
from aesm_dsl.data.checks.label_support import LabelSupport
from aesm_dsl.data.checks.leaks import LabelLeaks
from aesm_dsl.data.checks.leaves import LeafCounts
from aesm_dsl.data.checks.missing_words import MissingWords
from aesm_dsl.data.checks.number_range import NumberRange
from aesm_dsl.data.checks.own_columns import OwnColumns
from aesm_dsl.data.checks.query_rows import QueryRows
from aesm_dsl.data.checks.steps import FutureSteps, StepLengths
from aesm_dsl.data.checks.targets import TargetReader
from aesm_dsl.data.checks.time_order import TimeOrder, time_columns
from aesm_dsl.data.checks.unmatched_keys import UnmatchedKeys
from aesm_dsl.data.encoding.splits import Splits
from aesm_dsl.data.encoding.statistics import UnmatchedStatistics, learn_from_statistics, statistics_files
from aesm_dsl.data.encoding.vectors import read_vectors
from aesm_dsl.data.reading.checked_rows import CheckedRows, TableCheck, update_checks
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.files import TableRows, find_files, read_chunks
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.data import DataPlan
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan


class TableReader:
    """Reads the rows of a plan's parts ("train", "valid", "test")."""

    def __init__(
        self,
        plan: Plan,
        files: dict[str, list[DataFile]],
        findings: Findings,
        locate: Locate,
        *,
        labels: bool = True,
        keep: Sequence[str] = (),
    ) -> None:
        """Checks the columns of the files (E503, E504).

        Args:
            plan: says which columns are read.
            files: part -> its files.
            findings: takes the errors.
            locate: finds the place of a setting in the spec.
            labels: whether labels and row weights are read; False if rows are only scored, so their columns may be
                absent.
            keep: further columns to read.
        """
        self.plan, self.files, self._findings, self._locate, self._labels = plan, files, findings, locate, labels
        self._failed = FailedUses()
        result = [ColumnUse("", column, "the result", ANYTHING) for column in keep]
        self._wanted = {part: self._uses(part) + result for part in files}
        self._of_training = [
            column for feature in plan.training_features for column in (feature.column, feature.until) if column
        ]
        check_columns({part: (files[part], self._wanted[part]) for part in files}, findings, locate, self._failed)

    def _features(self, part: str) -> tuple[FeaturePlan, ...]:
        return self.plan.all_features if part == "train" else self.plan.features

    def _uses(self, part: str) -> list[ColumnUse]:
        """What the columns of a part are used for; what is known in training only is read in training rows alone."""
        train = part == "train"
        uses = column_uses(self.plan, self._labels, training=train)
        return uses + (split_column_uses(self.plan) if train else [])

    @property
    def user(self) -> str | None:
        """The column of users; None if none is read."""
        return self.plan.data.user if self.plan.data is not None and self._labels else None

    @property
    def query(self) -> str | None:
        """The column of queries; None if none is read."""
        return self.plan.data.query if self.plan.data is not None and self._labels else None

    def splits(self) -> Splits:
        """Returns the splits of the training rows; reads the columns of those that must know a whole column first."""
        return Splits(self.plan, self._failed, partial(self._rows, "train"))

    def checked(
        self, part: str, splits: Splits | None, *, report: bool = True, halt: bool = False
    ) -> Iterator[tuple[str, CheckedRows]]:
        """Yields the part's rows in order, in chunks, as (part, rows).

        Args:
            part: "train", "valid" or "test".
            splits: divides each chunk into parts; None to leave it whole.
            report: add what is wrong with the rows (E504 to E509), once all are read.
            halt: yield no more rows once any is wrong, but go on reading, so that all wrong rows are counted.
        """
        target = TargetReader(self.plan, part, self._labels, self._locate, self._failed)
        numbers = NumberCheck(part, self._wanted[part], self._locate, self._failed)
        steps = StepLengths(part, self._features(part), self._locate, self._failed)
        columns = [use.column for use in self._wanted[part]] + time_columns(self.plan)
        before, count = len(self._findings.errors), 0
        own = OwnColumns(self.plan, self._features(part), self._locate)
        for rows in self._rows(part, columns, own.columns):
            chunk = own.blank(target.read(rows.with_empty([*own.columns, *self._of_training])), rows)
            count += len(chunk)
            if report:
                bad_R = numbers.update(chunk) | steps.update(chunk)
                chunk = replace(chunk, bad_R=bad_R if chunk.bad_R is None else bad_R | chunk.bad_R)
            if not (halt and target.bad):
                yield from ((piece.part, piece) for piece in (splits.divide(chunk) if splits else (chunk,)))
        if not report:
            return
        # Without any column the number of rows is not known, and E503 was reported.
        known = any(column in self.files[part][0].schema for column in columns)
        if not count and known and len(self._findings.errors) == before:
            names = quoted((file.name for file in self.files[part]), 3)
            self._findings.add("E505", f"no rows in {names}", self._locate(f"data.{part}"), label="no rows")
        own.report(self._findings)
        numbers.report(self._findings)
        steps.report(self._findings)
        target.report(self._findings)

    def check_all(self, checks: Sequence[TableCheck]) -> Splits | None:
        """Reads all rows once, and reports all that is wrong with them.

        Args:
            checks: look at the rows of their parts; they report only if the rows have no errors.

        Returns:
            The splits; None after adding errors.
        """
        before = len(self._findings.errors)
        splits = self.splits() if "train" in self.files else None
        for part in self.files:
            for _, chunk in self.checked(part, splits if part == "train" else None):
                update_checks(checks, chunk)
        if splits is None:
            return None
        splits.report(self._findings, self._locate)
        if len(self._findings.errors) > before:
            return None
        for check in checks:
            check.report(self._findings)
        return splits if len(self._findings.errors) == before else None

    def standard_checks(self) -> tuple[TableCheck, ...]:
        """Returns the checks that every plan's rows go through."""
        plan, locate = self.plan, self._locate
        duplicate_files = DuplicateFiles(plan, locate)
        return (
            LabelSupport(plan, locate),
            ConstantFeatures(plan, locate),
            DateParts(plan, locate),
            NumberRange(plan, locate),
            LabelLeaks(plan, locate),
            LeafCounts(plan, locate),
            TimeOrder(plan, locate),
            FutureSteps(plan, locate),
            duplicate_files,
            DuplicateRows(plan, locate, duplicate_files),
            BrokenFunnels(plan, locate),
            MissingWords(plan, locate),
            QueryRows(plan, locate),
        )

    def _rows(self, part: str, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[TableRows]:
        span = self._locate(f"data.{part}")
        return read_chunks(self.files[part], columns, span, self._findings, optional=optional)


def open_tables(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> TableReader:
    """Opens the files that the plan's data block names; adds E501, E502 and what is wrong with their columns.

    Args:
        plan: has the data block.
        roots: folders in which relative paths are looked up; the first match wins.
        findings: takes the errors.
        locate: dotted path of a setting -> its place in the spec.

    Returns:
        A reader of the parts whose files could all be opened.

    Raises:
        ValueError: the plan has no training data.
    """
    if plan.data is None or not plan.data.train:
        raise ValueError("the plan names no data")
    return TableReader(plan, _find_parts(plan.data, roots, findings, locate), findings, locate)


def open_table(
    plan: Plan,
    files: Sequence[DataFile],
    findings: Findings,
    locate: Locate,
    *,
    labels: bool = True,
    keep: Sequence[str] = (),
) -> TableReader:
    """Returns a reader of a separate table, which is read like test rows. The arguments are those of `TableReader`."""
    return TableReader(plan, {"test": list(files)}, findings, locate, labels=labels, keep=keep)


def check_tables(
    plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate, also: Sequence[TableCheck] = ()
) -> None:
    """Reports all that is wrong with the rows that the plan's data block names (E5), or warnings if nothing is (W5).

    Args:
        plan: has the data block.
        roots: folders in which relative paths are looked up; the first match wins.
        findings: takes errors and warnings.
        locate: dotted path of a setting -> its place in the spec.
        also: further checks; they do not see all rows if something is wrong.
    """
    before = len(findings.errors)
    reader = open_tables(plan, roots, findings, locate)
    keys = {name: vectors.keys for name, vectors in read_vectors(plan, roots, findings, locate).items()}
    files = statistics_files(plan, roots, findings, locate)
    learners = learn_from_statistics(plan, files, findings, locate) if files else {}
    if "train" in reader.files or len(findings.errors) > before:
        checks = (
            *reader.standard_checks(),
            UnmatchedKeys(plan, keys, locate),
            UnmatchedStatistics(plan, learners, locate),
            IdCollisions(plan, locate),
            *also,
        )
        reader.check_all(checks if len(findings.errors) == before else ())


def report_no_data(plan: Plan, findings: Findings) -> bool:
    """Returns whether the plan names no data, after adding E307 in that case."""
    if plan.data is None:
        findings.add("E307", "the spec does not say where the rows are", help='write `data { train = "..." }`')
    return plan.data is None


def _find_parts(data: DataPlan, roots: Sequence[Path], findings: Findings, locate: Locate) -> dict[str, list[DataFile]]:
    """Part -> its files, for the parts whose files could all be opened."""
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    opened: dict[str, list[DataFile]] = {}
    for part, patterns in parts.items():
        if isinstance(patterns, tuple):
            before = len(findings.errors)
            files = find_files(patterns, roots, locate(f"data.{part}"), findings, data.format)
            if files and len(findings.errors) == before:
                opened[part] = files
    return opened
