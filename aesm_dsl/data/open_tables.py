"""Files -> checked rows, chunk by chunk. `TableReader` tells the room's story; prepare.py fits and encodes with it, and
stream.py makes batches of it.

Every check runs over all rows before anything is told, so that one reading tells all that is wrong, each thing once.
Memory follows the chunks, not the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from aesm_dsl.data.checks.columns import (
    ANYTHING,
    ColumnUse,
    FailedUses,
    Locate,
    NumberCheck,
    check_columns,
    column_uses,
    split_column_uses,
)
from aesm_dsl.data.checks.constant_features import ConstantFeatures
from aesm_dsl.data.checks.duplicate_files import DuplicateFiles
from aesm_dsl.data.checks.duplicate_rows import DuplicateRows
from aesm_dsl.data.checks.funnels import BrokenFunnels
from aesm_dsl.data.checks.label_support import LabelSupport
from aesm_dsl.data.checks.leaks import LabelLeaks
from aesm_dsl.data.checks.leaves import LeafCounts
from aesm_dsl.data.checks.targets import TargetReader
from aesm_dsl.data.checks.time_order import TimeOrder, time_columns
from aesm_dsl.data.checks.unmatched_keys import UnmatchedKeys
from aesm_dsl.data.encoding.splits import Splits
from aesm_dsl.data.encoding.statistics import UnmatchedStatistics, learn_from_statistics, statistics_files
from aesm_dsl.data.encoding.vectors import read_vectors
from aesm_dsl.data.reading.checked_rows import CheckedRows, TableCheck
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.files import TableRows, find_files, read_chunks
from aesm_dsl.findings.diagnostic import Findings, quoted
from aesm_dsl.plan.data import DataPlan
from aesm_dsl.plan.plan import Plan


class TableReader:
    """The rows of a plan's parts ("train", "valid", "test"), from files whose columns were checked (E503, E504).

    files   part -> its files
    labels  False where rows are only scored: columns of labels and row weights may then be absent
    keep    columns that are read besides
    """

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
        self.plan, self.files, self._findings, self._locate, self._labels = plan, files, findings, locate, labels
        self._faults = FailedUses()
        wanted = column_uses(plan, labels) + [ColumnUse("", column, "the result", ANYTHING) for column in keep]
        self._wanted = {part: wanted + (split_column_uses(plan) if part == "train" else []) for part in files}
        check_columns({part: (files[part], self._wanted[part]) for part in files}, findings, locate, self._faults)

    @property
    def user(self) -> str | None:
        """The column of users, where it is read."""
        return self.plan.data.user if self.plan.data is not None and self._labels else None

    def splits(self) -> Splits:
        """The splits of the training rows; reads the columns of those that must know a whole column first."""
        return Splits(self.plan, self._faults, partial(self._rows, "train"))

    def checked(
        self, part: str, splits: Splits | None, tell: bool = True, halt: bool = False
    ) -> Iterator[tuple[str, CheckedRows]]:
        """The part's rows in order, in chunks; with splits, each chunk's rows by the part that they go to.

        tell  adds what is wrong with the rows (E504 to E509), once all are read
        halt  gives no more rows once anything is wrong with them, but reads on
        """
        target = TargetReader(self.plan, part, self._labels, self._locate, self._faults)
        numbers = NumberCheck(part, self._wanted[part], self._locate, self._faults)
        columns = [use.column for use in self._wanted[part]] + time_columns(self.plan)
        before, count = len(self._findings.errors), 0
        for rows in self._rows(part, columns):
            chunk = target.read(rows)
            count += len(chunk)
            if tell:
                bad_R = numbers.update(chunk)
                chunk = replace(chunk, bad_R=bad_R if chunk.bad_R is None else bad_R | chunk.bad_R)
            if not (halt and target.bad):
                yield from ((piece.part, piece) for piece in (splits.divide(chunk) if splits else (chunk,)))
        if not tell:
            return
        # Without any column its rows are not known, and E503 was told.
        known = any(column in self.files[part][0].schema for column in columns)
        if not count and known and len(self._findings.errors) == before:
            named = quoted((file.name for file in self.files[part]), 3)
            self._findings.add("E505", f"no rows in {named}", self._locate(f"data.{part}"), label="no rows")
        numbers.tell(self._findings)
        target.tell(self._findings)

    def survey(self, see: Callable[[CheckedRows], None], surveys: Sequence[TableCheck]) -> Splits | None:
        """Reads all rows once and tells all that is wrong with them; `see` gets the training rows, the surveys
        those of all parts.

        returns  the splits, None after adding errors. The surveys tell only if there are none.
        """
        before = len(self._findings.errors)
        splits = self.splits() if "train" in self.files else None
        for part in self.files:
            for to, chunk in self.checked(part, splits if part == "train" else None):
                if to == "train":
                    see(chunk)
                for survey in surveys:
                    survey.update(chunk)
        if splits is None:
            return None
        splits.tell(self._findings, self._locate)
        if len(self._findings.errors) > before:
            return None
        for survey in surveys:
            survey.tell(self._findings)
        return splits if len(self._findings.errors) == before else None

    def warnings(self) -> tuple[TableCheck, ...]:
        """What looks at the rows to warn of what they cannot teach, or teach too easily."""
        plan, locate = self.plan, self._locate
        copies = DuplicateFiles(plan, locate)
        return (
            LabelSupport(plan, locate),
            ConstantFeatures(plan, locate),
            LabelLeaks(plan, locate),
            LeafCounts(plan, locate),
            TimeOrder(plan, locate),
            copies,
            DuplicateRows(plan, locate, copies),
            BrokenFunnels(plan, locate),
        )

    def _rows(self, part: str, columns: Sequence[str]) -> Iterator[TableRows]:
        return read_chunks(self.files[part], columns, self._locate(f"data.{part}"), self._findings)


def open_tables(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> TableReader:
    """The files that the plan's data block names, for those parts whose files could all be opened; adds E501, E502 and
    what is wrong with their columns.

    roots    folders that relative paths are looked up in, first match wins
    locate   dotted path of a setting -> its place in the spec
    Raises ValueError for a plan without training data.
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
    """A separate table, read like test rows."""
    return TableReader(plan, {"test": list(files)}, findings, locate, labels=labels, keep=keep)


def check_tables(
    plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate, also: Sequence[TableCheck] = ()
) -> None:
    """Everything that is wrong with the rows that the plan's data block names (E5), and warnings if nothing is (W5).

    also  what looks at the rows besides; not at all of them where something is wrong
    """
    before = len(findings.errors)
    reading = open_tables(plan, roots, findings, locate)
    keys = {name: one.keys for name, one in read_vectors(plan, roots, findings, locate).items()}
    files = statistics_files(plan, roots, findings, locate)
    known = UnmatchedStatistics(plan, learn_from_statistics(plan, files, findings, locate) if files else {}, locate)
    if "train" in reading.files or len(findings.errors) > before:
        surveys = (
            (*reading.warnings(), UnmatchedKeys(plan, keys, locate), known, *also)
            if len(findings.errors) == before
            else ()
        )
        reading.survey(lambda chunk: None, surveys)


def report_no_data(plan: Plan, findings: Findings) -> bool:
    """Whether the plan names no data; it is told then (E307)."""
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
            files = find_files(patterns, roots, locate(f"data.{part}"), findings)
            if files and len(findings.errors) == before:
                opened[part] = files
    return opened
