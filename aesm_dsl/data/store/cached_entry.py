"""An entry of the cache: encoders, the profile, the findings of the pass over the rows, and the encoded tables.

encoders.json  vocabularies, hashes, quantile boundaries
profile.json   the profile of the training rows
findings.json  what was reported when the entry was made
train/, ...    the encoded rows of each part (`FolderStorage`)
entry.json     the manifest
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.store.cache import MANIFEST, use_entry
from aesm_dsl.data.store.encoded_table import EncodedTable
from aesm_dsl.data.store.storage import NAMES, FolderStorage
from aesm_dsl.files.manifest import digests_of
from aesm_dsl.files.temporary import remove_folder
from aesm_dsl.files.whole import write_text
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.strict_json import read_json

ENCODERS, FINDINGS, PROFILE = "encoders.json", "findings.json", "profile.json"

Help = tuple[str, ...]
StoredFinding = tuple[str, str, str, Help, str | None]
"""Code, message, label, helps, and the key of its place in the spec (`RecordedSpans`)."""


@dataclass(frozen=True, slots=True)
class CachedEntry:
    """What an entry holds."""

    encoders: Encoders
    profile: dict[str, Any]
    findings: tuple[StoredFinding, ...]
    tables: Mapping[str, EncodedTable]
    """The encoded rows of every part: "train", and "valid" and "test" if the plan has them."""


def write_parts(
    folder: Path, encoders: Encoders, profile: Mapping[str, Any], findings: Sequence[StoredFinding]
) -> None:
    """Writes all of an entry but its tables and manifest."""
    write_text(folder / FINDINGS, json.dumps(findings, ensure_ascii=False))
    write_text(folder / PROFILE, json.dumps(profile, ensure_ascii=False))
    write_text(folder / ENCODERS, encoders.to_json())


def open_entry(entry: Path, plan: Plan) -> CachedEntry | str:
    """Opens an entry and marks it as used; one that is not as it was written, or not of the plan, is removed.

    Returns:
        The entry; or why there is none, which is empty if it was never made.
    """
    unusable = use_entry(entry, (ENCODERS, FINDINGS, PROFILE))
    if unusable is not None:
        return unusable
    try:
        return read_entry(entry, plan)
    except Exception as error:  # whatever fails here is the fault of what somebody has written into the entry
        remove_folder(entry)
        return (str(error).strip().splitlines() or [type(error).__name__])[0]


def read_entry(entry: Path, plan: Plan) -> CachedEntry:
    """Reads an entry whose digests are right.

    Raises:
        ValueError, RowsLostError and others: its parts are not those of the plan.
    """
    encoders = Encoders.from_json((entry / ENCODERS).read_text(encoding="utf-8"))
    if [encoder.name for encoder in encoders.encoders] != [feature.name for feature in plan.all_features]:
        raise ValueError(f"`{ENCODERS}`: they are not those of the plan's features")
    findings = read_json(tuple[StoredFinding, ...], (entry / FINDINGS).read_text(encoding="utf-8"))
    profile = json.loads((entry / PROFILE).read_text(encoding="utf-8"))
    digests, tables = digests_of(entry, MANIFEST), {}
    for part in dict.fromkeys(path.split("/")[0] for path in digests if "/" in path):
        storage = FolderStorage(entry / part, tuple(digests[f"{part}/{name}.npy"] for name in NAMES))
        _check_shapes(storage, plan, part)
        tables[part] = EncodedTable.of(storage)
    if not isinstance(profile, dict) or not {"train"} <= set(tables) <= {"train", "valid", "test"}:
        raise ValueError("its parts are not those of an entry")
    return CachedEntry(encoders, profile, findings, tables)


def _check_shapes(storage: FolderStorage, plan: Plan, part: str) -> None:
    """Raises ValueError if the arrays of a part are not of the plan's widths, types and one number of rows."""
    user, query = (plan.data.user, plan.data.query) if plan.data is not None else (None, None)
    widths = {
        "ids": (sum(feature.slots for feature in plan.all_features),),
        "value": (sum(feature.values for feature in plan.all_features),),
        "node": (len(plan.levels),),
        "label": (len(plan.tasks.tasks),),
        "weight": (),
        "user": (int(user is not None),),
        "query": (int(query is not None),),
    }
    for name, (kind, shape) in storage.shapes().items():
        if shape != (storage.rows, *widths[name]) or kind not in TYPES[name]:
            raise ValueError(f"`{part}/{name}.npy` holds {kind} of shape {list(shape)}")


TYPES = {
    "ids": ("int32", "int64"),
    "value": ("float32",),
    "node": ("int32",),
    "label": ("float32",),
    "weight": ("float32",),
    "user": ("int64",),
    "query": ("int64",),
}
