"""`Encoders`: raw columns -> ids and values. Fitted on training rows only (fitting.py), stored with the run, used on
all rows.

Ids of any later table stay inside the embedding tables, whatever it holds. Axes: R rows, S slots of ids, V values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.encoding.feature_encoders import (
    CategoryEncoder,
    CrossEncoder,
    DateEncoder,
    Encoder,
    IdEncoder,
    ListEncoder,
    NumberEncoder,
    SharedEncoder,
    ValueEncoder,
)
from aesm_dsl.plan.strict_json import read_json

FORMAT = 3
"""Version of the encoders' JSON form; the hash and the rules of value.py belong to it."""

KINDS: dict[type[Encoder], str] = {
    CategoryEncoder: "category",
    IdEncoder: "id",
    NumberEncoder: "number",
    ValueEncoder: "value",
    DateEncoder: "date",
    SharedEncoder: "shared",
    ListEncoder: "list",
    CrossEncoder: "cross",
}

Slots = np.ndarray[tuple[int, int], np.dtype[np.int32 | np.int64]]
Values = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Encoders:
    """One encoder per feature, in the plan's order."""

    encoders: tuple[Encoder, ...]

    def encode(self, frame: pl.DataFrame) -> tuple[Slots, Values]:
        """ids_RS and value_RV in the plan's order, for any table with the features' columns.

        0 <= id < rows()[feature], or PAD; int32 where all tables are small enough for it. A feature that is used as a
        number has a value, NaN where missing, and no ids.
        """
        small = all(encoder.rows < 2**31 for encoder in self.encoders)
        slots = sum(encoder.slots for encoder in self.encoders)
        ids_RS = np.empty((frame.height, slots), dtype=np.int32 if small else np.int64)
        value_RV = np.empty((frame.height, sum(not encoder.slots for encoder in self.encoders)), dtype=np.float32)
        s = v = 0
        ids: dict[str, Slots] = {}
        for encoder in self.encoders:
            own_RS = ids[encoder.name] = ids_RS[:, s : s + encoder.slots]
            s += encoder.slots
            if isinstance(encoder, ValueEncoder):
                value_RV[:, v] = encoder.values(frame[encoder.column])
                v += 1
            elif not isinstance(encoder, CrossEncoder):
                own_RS[:] = encoder.ids(frame[encoder.column]).reshape(own_RS.shape)
        for encoder in self.encoders:
            if isinstance(encoder, CrossEncoder):
                ids[encoder.name][:, 0] = encoder.ids([ids[name] for name in encoder.crossed])
        return ids_RS, value_RV

    def rows(self) -> dict[str, int]:
        """Feature name -> rows of its embedding table, as fitted (for `Plan.with_rows`)."""
        return {encoder.name: encoder.rows for encoder in self.encoders}

    def with_keys(self, keys: Mapping[str, tuple[str, ...]]) -> Encoders:
        """The same with the keys of files of vectors (feature name -> keys) as the vocabularies of their features."""

        def told(encoder: Encoder) -> Encoder:
            if isinstance(encoder, CategoryEncoder) and encoder.name in keys:
                return replace(encoder, values=keys[encoder.name])
            if (
                isinstance(encoder, SharedEncoder | ListEncoder)
                and isinstance(encoder.of, CategoryEncoder)
                and encoder.of.name in keys
            ):
                return replace(encoder, of=replace(encoder.of, values=keys[encoder.of.name]))
            return encoder

        return Encoders(tuple(map(told, self.encoders)))

    def to_json(self) -> str:
        features = [self._stored(encoder) for encoder in self.encoders]
        return json.dumps({"format": FORMAT, "features": features}, ensure_ascii=False, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> Encoders:
        """Reads the encoders that `to_json` wrote.

        Raises:
            ValueError: the version of the format is another, or a field is not of its type.
        """
        stored: dict[str, Any] = json.loads(text)
        if stored.get("format") != FORMAT:
            raise ValueError(f"encoders of format {stored.get('format')}, this version reads format {FORMAT}")
        found: dict[str, Encoder] = {}
        features = stored["features"]
        # Those that share another's come behind it, wherever they stand.
        for feature in sorted(features, key=lambda one: isinstance(one.get("of"), str)):
            found[feature["name"]] = _restored(dict(feature), found)
        return Encoders(tuple(found[feature["name"]] for feature in features))

    def _stored(self, encoder: Encoder) -> dict[str, Any]:
        """The encoder's fields; an encoder that another feature has too stands by that feature's name."""
        values = {name: getattr(encoder, name) for name in encoder.__dataclass_fields__}
        of = values.get("of")
        if of is not None:
            shared = any(one.name == of.name and one is not encoder for one in self.encoders)
            values["of"] = of.name if shared else self._stored(of)
        return {"kind": KINDS[type(encoder)], **values}


def _restored(values: dict[str, Any], known: dict[str, Encoder]) -> Encoder:
    """The encoder of these fields; one that uses another feature's takes that of `known`."""
    kind: type[Encoder] = next(kind for kind, name in KINDS.items() if name == values["kind"])
    fields = {name: value for name, value in values.items() if name != "kind"}
    of = fields.get("of")
    if of is None:
        return read_json(kind, json.dumps(fields))
    inner = known[of] if isinstance(of, str) else _restored(of, known)
    # Read with the smallest encoder there is in its place: a vocabulary that features share stays one in memory.
    outer: Any = read_json(kind, json.dumps({**fields, "of": asdict(IdEncoder("", "", 1))}))
    return replace(outer, of=inner)  # type: ignore[no-any-return]
