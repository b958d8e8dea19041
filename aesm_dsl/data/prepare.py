"""A plan's tables -> `Prepared`: encoders fitted in one streamed pass, and the tables encoded in a second one.

The result of both is kept (cache.py): the next training on the same files starts with reading batches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.profile import Profile
from aesm_dsl.data.checks.unmatched_keys import UnmatchedKeys, VectorKeys
from aesm_dsl.data.encoded_stream import user_numbers
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.fitting import EncoderFitting, make_encoders
from aesm_dsl.data.encoding.splits import Splits
from aesm_dsl.data.encoding.statistics import UnmatchedStatistics, learn_from_statistics, statistics_files
from aesm_dsl.data.encoding.vectors import VectorTable, read_vectors
from aesm_dsl.data.open_tables import TableReader, open_tables
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.store import cache
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.data.store.storage import Array, Columns, FolderStorage, FolderWriter, MemoryStorage
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.plan import Plan

PROFILE = "profile.json"


@dataclass(frozen=True, slots=True)
class Tables:
    train: EncodedTable
    valid: EncodedTable | None = None
    test: EncodedTable | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    encoders: Encoders
    tables: Tables
    profile: dict[str, Any]
    """What the training rows are like: `Profile.report`."""
    vectors: Mapping[str, VectorTable] = field(default_factory=dict)
    """By feature, of the features whose vectors are in a file."""


class FirstPass(NamedTuple):
    """What one pass over all rows has found out."""

    encoders: Encoders
    splits: Splits
    profile: dict[str, Any]


class RowWriter(Protocol):
    def append(
        self, ids_RS: Array, value_RV: Array, node_RL: Array, label_RT: Array, weight_R: Array, user_RU: Array
    ) -> None: ...


def prepare(
    plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate, given: Sequence[DataFile] = ()
) -> Prepared | None:
    """The training, validation and test rows that the plan's data block names: checked, split, encoded.

    given    training rows that are in memory, in place of the files; they are encoded in memory
    returns  None after adding errors (E5); may add warnings (W5) about the training rows
    Raises ValueError for a plan without training data.
    """
    before, places = len(findings.errors), RecordedPlaces(locate)
    if given:
        reading = TableReader(plan, {"train": list(given)}, findings, places.of)
    else:
        reading = open_tables(plan, roots, findings, places.of)
    vectors = read_vectors(plan, roots, findings, places.of)
    statistics = statistics_files(plan, roots, findings, places.of)
    if len(findings.errors) > before:
        reading.survey(lambda chunk: None, ())
        return None
    keys = {name: one.keys for name, one in vectors.items()}
    if given:
        found = _held(reading, statistics, keys, findings, places)
        return None if found is None else replace(found, vectors=vectors)
    folder = cache.cache_folder(plan, roots)
    try:
        of_vectors = {f"vectors {name}": one.files for name, one in vectors.items()}
        files = {**reading.files, "statistics": statistics, **of_vectors}
        key = cache.entry_key(plan, files)
        with cache.lock_entry(folder, key) as entry:
            if cache.use_entry(entry):
                _tell(entry, findings, locate)
            elif not _make(reading, files, keys, entry, findings, places):
                return None
            return replace(_kept(entry), vectors=vectors)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        findings.add(
            "E510",
            f"the encoded tables cannot be kept in `{folder}`",
            locate("data.cache") or locate("data.train"),
            label=said,
            help='`cache = "FOLDER"` in `data` names another folder, on a disk with more room',
        )
        return None


class RecordedPlaces:
    """Places in a spec, and what was asked for to get them: findings are kept with the keys, since a spec's text may
    move without meaning anything else."""

    def __init__(self, locate: Locate) -> None:
        self._locate, self.keys = locate, dict[Span, str]()

    def of(self, key: str) -> Span | None:
        span = self._locate(key)
        if span is not None:
            self.keys[span] = key
        return span


class MemoryWriter:
    """Keeps encoded rows in memory, chunk after chunk."""

    def __init__(self) -> None:
        self._pieces: list[Columns] = []

    def append(
        self, ids_RS: Array, value_RV: Array, node_RL: Array, label_RT: Array, weight_R: Array, user_RU: Array
    ) -> None:
        arrays = (ids_RS, value_RV, node_RL, label_RT, weight_R, user_RU)
        self._pieces.append(Columns(*(torch.from_numpy(array) for array in arrays)))

    def table(self) -> EncodedTable:
        return EncodedTable.of(MemoryStorage(Columns.joined(self._pieces)))


def _held(
    reading: TableReader, statistics: Sequence[DataFile], keys: VectorKeys, findings: Findings, places: RecordedPlaces
) -> Prepared | None:
    before = len(findings.errors)
    fitted = _fit(reading, statistics, keys, findings, places)
    if fitted is None:
        return None
    encoders, splits, profile = fitted
    writers = {part: MemoryWriter() for part in ("train", *splits.parts)}
    _encode(reading, splits, encoders, writers)
    if len(findings.errors) > before:
        return None
    return Prepared(encoders, Tables(**{part: writer.table() for part, writer in writers.items()}), profile)


def _fit(
    reading: TableReader, statistics: Sequence[DataFile], keys: VectorKeys, findings: Findings, places: RecordedPlaces
) -> FirstPass | None:
    """What the training rows, or the statistics, teach; None after telling what is wrong with any rows."""
    before, plan = len(findings.errors), reading.plan
    known = learn_from_statistics(plan, statistics, findings, places.of) if statistics else None
    fitting = EncoderFitting(plan)
    strangers, profile, unmatched = (
        UnmatchedStatistics(plan, known or {}, places.of),
        Profile(plan),
        UnmatchedKeys(plan, keys, places.of),
    )

    def see(chunk: CheckedRows) -> None:
        if known is None:
            fitting.update(chunk.rows.frame)

    splits = reading.survey(see, (*reading.warnings(), unmatched, strangers, profile))
    if splits is None or len(findings.errors) > before:
        return None
    learners = None if known is None else [known.get(feature.name) for feature in plan.features]
    encoders = fitting.finish() if learners is None else make_encoders(plan.features, learners)
    return FirstPass(encoders.with_keys(keys), splits, profile.report())


def _make(
    reading: TableReader,
    files: Mapping[str, Sequence[DataFile]],
    keys: VectorKeys,
    entry: Path,
    findings: Findings,
    places: RecordedPlaces,
) -> bool:
    """Fits, encodes and keeps the entry; False after adding errors. `files` has statistics and vectors too."""
    before = len(findings.items)
    fitted = _fit(reading, files["statistics"], keys, findings, places)
    if fitted is None:
        return False
    encoders, splits, profile = fitted
    told = [
        (one.code, one.message, one.label, one.help, places.keys.get(one.span) if one.span is not None else None)
        for one in findings.items[before:]
    ]
    errors = len(findings.errors)
    with cache.new_entry(entry) as making:
        writers = {part: FolderWriter(making / part) for part in dict.fromkeys((*reading.files, *splits.parts))}
        try:
            _encode(reading, splits, encoders, writers)
        finally:
            for writer in writers.values():
                writer.close()
        _tell_changes(reading.plan, files, entry.name, findings)
        if len(findings.errors) == errors:
            for name, values in (("findings.json", told), (PROFILE, profile)):
                (making / name).write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
            (making / cache.LAST_FILE).write_text(encoders.to_json(), encoding="utf-8")
    return len(findings.errors) == errors


def _encode(reading: TableReader, splits: Splits, encoders: Encoders, writers: Mapping[str, RowWriter]) -> None:
    for part in reading.files:
        for to, chunk in reading.checked(part, splits if part == "train" else None, tell=False):
            ids_RS, value_RV = encoders.encode(chunk.rows.frame)
            user_RU = user_numbers(chunk, reading.user)
            writers[to].append(ids_RS, value_RV, chunk.node_RL, chunk.label_RT, chunk.weight_R, user_RU)


def _tell_changes(plan: Plan, files: Mapping[str, Sequence[DataFile]], key: str, findings: Findings) -> None:
    try:
        changed = cache.entry_key(plan, files) != key
    except FileNotFoundError as error:
        findings.add("E502", f"`{error.filename}` was removed while it was read", help="train again once it is there")
        return
    if changed:
        message = "the data files were written to while they were read"
        findings.add("E502", message, help="train again once nothing writes to them")


def _tell(entry: Path, findings: Findings, locate: Locate) -> None:
    """What was told when the entry was made."""
    for code, message, label, helps, key in json.loads((entry / "findings.json").read_text(encoding="utf-8")):
        findings.add(code, message, None if key is None else locate(key), label=label, help=helps)


def _kept(entry: Path) -> Prepared:
    encoders = Encoders.from_json((entry / cache.LAST_FILE).read_text(encoding="utf-8"))
    parts = {path.name: EncodedTable.of(FolderStorage(path)) for path in entry.iterdir() if path.is_dir()}
    return Prepared(encoders, Tables(**parts), json.loads((entry / PROFILE).read_text(encoding="utf-8")))
