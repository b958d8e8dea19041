"""A plan's tables -> `Prepared`: encoders fitted in a first pass over the rows, and tables encoded in a second one.

The result of both is cached (`store.cache`): the next training on the same files starts with reading batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.profile import Profile
from aesm_dsl.data.checks.unmatched_keys import UnmatchedKeys, VectorKeys
from aesm_dsl.data.encoded_stream import numbers
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.fitting import EncoderFitting, FittingPass, make_encoders
from aesm_dsl.data.encoding.row_sketch import RowSketch, row_hashes
from aesm_dsl.data.encoding.splits import Splits
from aesm_dsl.data.encoding.statistics import UnmatchedStatistics, learn_from_statistics, statistics_files
from aesm_dsl.data.encoding.vectors import VectorTable, read_vectors
from aesm_dsl.data.open_tables import TableReader, open_tables
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.store import cache
from aesm_dsl.data.store.cached_entry import CachedEntry, open_entry, read_entry, write_parts
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.data.store.storage import Columns, FolderWriter
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.plan import Plan

Phase = Callable[[str], None]

ROWS = "rows learnt"
"""The key of the profile with the sketch of the rows (`RowSketch`)."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The encoded rows of every part that the plan has."""

    train: EncodedTable
    valid: EncodedTable | None = None
    test: EncodedTable | None = None

    @property
    def measured(self) -> tuple[str, EncodedTable]:
        """The rows that a model is measured on: the test rows; without any the validation rows, else all."""
        parts = {"test": self.test, "valid": self.valid, "train": self.train}
        return next((name, table) for name, table in parts.items() if table is not None)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that training needs to know about the rows."""

    encoders: Encoders
    tables: Tables
    profile: dict[str, Any]
    """Statistics of the training rows: `Profile.summary`; and under ROWS their sketch."""
    vectors: Mapping[str, VectorTable] = field(default_factory=dict)
    """Feature -> its vectors, for the features that have a file of them."""


class FirstPass(NamedTuple):
    """The result of the first pass over all rows."""

    encoders: Encoders
    splits: Splits
    profile: dict[str, Any]


class RowWriter(Protocol):
    """Takes encoded rows, chunk after chunk."""

    def append(self, columns: Columns) -> None:
        """Takes the next rows."""


def prepare(
    plan: Plan,
    roots: Sequence[Path],
    findings: Findings,
    locate: Locate,
    in_memory: Sequence[DataFile] = (),
    *,
    phase: Phase = lambda name: None,
) -> Prepared | None:
    """Checks, splits and encodes the training, validation and test rows of a plan.

    Adds errors (E5), or else warnings about the training rows (W5).

    Args:
        plan: names the files, columns, nodes and labels.
        roots: folders in which relative paths are looked up; the first match wins.
        findings: takes the errors and warnings.
        locate: finds the place of a setting in the spec.
        in_memory: training rows in memory that replace the files; they are encoded in memory, not in the cache.
        phase: called with "reading" and how many files, and with "encoding" and how many rows, when a pass over the
            rows begins.

    Returns:
        The encoders and tables; None after adding errors.

    Raises:
        ValueError: the plan has no training data.
    """
    before, spans = len(findings.errors), RecordedSpans(locate)
    if in_memory:
        reader = TableReader(plan, {"train": list(in_memory)}, findings, spans.of)
    else:
        reader = open_tables(plan, roots, findings, spans.of)
    vectors = read_vectors(plan, roots, findings, spans.of)
    statistics = statistics_files(plan, roots, findings, spans.of)
    if len(findings.errors) > before:
        reader.check_all(())
        return None
    keys = {name: table.keys for name, table in vectors.items()}
    if in_memory:
        prepared = _prepare_in_memory(reader, statistics, keys, findings, spans, phase=phase)
        return None if prepared is None else replace(prepared, vectors=vectors)
    folder = cache.cache_folder(plan, roots)
    try:
        vector_files = {f"vectors {name}": table.files for name, table in vectors.items()}
        files = {**reader.files, "statistics": statistics, **vector_files}
        key = cache.entry_key(plan, files)
        with cache.lock_entry(folder, key) as entry:
            cached = open_entry(entry, plan)
            if isinstance(cached, CachedEntry):
                for code, message, label, helps, path in cached.findings:
                    findings.add(code, message, None if path is None else locate(path), label=label, help=helps)
            else:
                if not _make_entry(entry, reader, files, keys=keys, findings=findings, spans=spans, phase=phase):
                    return None
                if cached:
                    place = locate("data.cache") or locate("data.train")
                    message = "an encoded table in the cache was damaged, and is made anew"
                    findings.add("W528", message, place, label=cached)
                cached = read_entry(entry, plan)
            return Prepared(cached.encoders, Tables(**cached.tables), cached.profile, vectors)
    except OSError as error:
        findings.add(
            "E510",
            f"the encoded tables cannot be stored in `{folder}`",
            locate("data.cache") or locate("data.train"),
            label=(error.strerror or str(error)).lower(),
            help='`cache = "FOLDER"` in `data` names another folder, on a disk with more room',
        )
        return None


class RecordedSpans:
    """Places in a spec, and the key that each was asked for by.

    A cache entry stores its findings with these keys, not with places: the text of a spec may move without meaning
    anything else.
    """

    def __init__(self, locate: Locate) -> None:
        self._locate, self.keys = locate, dict[Span, str]()

    def of(self, key: str) -> Span | None:
        """Returns the place of a setting, as `locate` does, and records the key."""
        span = self._locate(key)
        if span is not None:
            self.keys[span] = key
        return span


class MemoryWriter:
    """Keeps encoded rows in memory, chunk after chunk."""

    def __init__(self) -> None:
        self._pieces: list[Columns] = []

    def append(self, columns: Columns) -> None:
        self._pieces.append(columns)

    def table(self) -> EncodedTable:
        """Returns the table of all rows so far."""
        return EncodedTable.in_memory(Columns.joined(self._pieces))


def _prepare_in_memory(
    reader: TableReader,
    statistics: Sequence[DataFile],
    keys: VectorKeys,
    findings: Findings,
    spans: RecordedSpans,
    *,
    phase: Phase,
) -> Prepared | None:
    before = len(findings.errors)
    phase("reading")
    first_pass = _fit(reader, statistics, keys, findings, spans)
    if first_pass is None:
        return None
    encoders, splits, profile = first_pass
    phase(f"encoding {sum(profile['rows'].values()):,} rows")
    writers = {part: MemoryWriter() for part in ("train", *splits.parts)}
    profile |= {ROWS: _encode(reader, splits, encoders, writers)}
    if len(findings.errors) > before:
        return None
    return Prepared(encoders, Tables(**{part: writer.table() for part, writer in writers.items()}), profile)


def _fit(
    reader: TableReader, statistics: Sequence[DataFile], keys: VectorKeys, findings: Findings, spans: RecordedSpans
) -> FirstPass | None:
    """Fits the encoders on the training rows, or takes them from statistics; None after adding errors."""
    before, plan = len(findings.errors), reader.plan
    known = learn_from_statistics(plan, statistics, findings, spans.of) if statistics else None
    fitting, profile = EncoderFitting(plan), Profile(plan)
    checks = (
        *reader.standard_checks(),
        UnmatchedKeys(plan, keys, spans.of),
        UnmatchedStatistics(plan, known or {}, spans.of),
        *profile.checks,
        *(() if known is not None else (FittingPass(fitting),)),
    )
    splits = reader.check_all(checks)
    if splits is None or len(findings.errors) > before:
        return None
    learners = None if known is None else [known.get(feature.name) for feature in plan.all_features]
    encoders = fitting.finish() if learners is None else make_encoders(plan.all_features, learners)
    return FirstPass(encoders.with_keys(keys), splits, profile.summary())


def _make_entry(
    entry: Path,
    reader: TableReader,
    files: Mapping[str, Sequence[DataFile]],
    *,
    keys: VectorKeys,
    findings: Findings,
    spans: RecordedSpans,
    phase: Phase,
) -> bool:
    """Fits, encodes and stores the cache entry; False after adding errors. `files` has statistics and vectors too."""
    before = len(findings.items)
    count = sum(len(own) for own in files.values())
    phase(f"reading {count} file{'s' * (count != 1)}")
    first_pass = _fit(reader, files["statistics"], keys, findings, spans)
    if first_pass is None:
        return False
    encoders, splits, profile = first_pass
    stored = [
        (item.code, item.message, item.label, item.help, spans.keys.get(item.span) if item.span is not None else None)
        for item in findings.items[before:]
    ]
    errors = len(findings.errors)
    phase(f"encoding {sum(profile['rows'].values()):,} rows")
    with suppress(_NotMadeError), cache.new_entry(entry) as making:
        writers = {part: FolderWriter(making / part) for part in dict.fromkeys((*reader.files, *splits.parts))}
        try:
            profile |= {ROWS: _encode(reader, splits, encoders, writers)}
        finally:
            for writer in writers.values():
                writer.close()
        _report_changed_files(reader.plan, files, entry.name, findings)
        if len(findings.errors) > errors:
            raise _NotMadeError
        write_parts(making, encoders, profile, stored)
        return True
    return False


class _NotMadeError(Exception):
    """The entry is not made: the findings say why."""


def _encode(
    reader: TableReader, splits: Splits, encoders: Encoders, writers: Mapping[str, RowWriter]
) -> dict[str, Any]:
    """Reads all rows a second time and writes them, encoded, to the writer of their part; returns their sketch."""
    sketch = RowSketch()
    for part in reader.files:
        for to_part, chunk in reader.checked(part, splits if part == "train" else None, report=False):
            ids_RS, value_RV = encoders.encode(chunk.rows.frame)
            user_RU, query_RQ = (numbers(chunk, column) for column in (reader.user, reader.query))
            arrays = (ids_RS, value_RV, chunk.node_RL, chunk.label_RT, chunk.weight_R, user_RU, query_RQ)
            writers[to_part].append(Columns.of_arrays(arrays))
            sketch.update(to_part, row_hashes(reader.plan, chunk, (ids_RS, value_RV, user_RU)))
    return sketch.summary()


def _report_changed_files(plan: Plan, files: Mapping[str, Sequence[DataFile]], key: str, findings: Findings) -> None:
    """Adds E502 if a file was removed or changed since `key` was made."""
    try:
        changed = cache.entry_key(plan, files) != key
    except FileNotFoundError as error:
        findings.add("E502", f"`{error.filename}` was removed while it was read", help="train again once it is there")
        return
    if changed:
        message = "the data files were written to while they were read"
        findings.add("E502", message, help="train again once nothing writes to them")
