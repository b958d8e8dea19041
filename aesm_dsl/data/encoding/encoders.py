"""`Encoders`: raw columns -> ids and values.

They are fitted on the training rows (`fitting`), stored with the run, and used for all rows. The ids stay inside the
embedding tables, whatever a later table holds. Axes: R rows, S slots of ids, V values.
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
    IdEncoder,
    NumberEncoder,
    PiecewiseEncoder,
    SharedEncoder,
    ValueEncoder,
)
from aesm_dsl.data.encoding.list_encoders import ElapsedEncoder, ListEncoder, StepsEncoder, encode_steps
from aesm_dsl.plan.strict_json import read_json

FORMAT = 4
"""Version of the encoders' JSON form. It also stands for the hash (`hashing`) and for what cells mean (`values`)."""
OLD_FORMAT = 3
"""An older version that can be read: its encoders lack what later versions added, and go on encoding as they did."""

Encoder = (
    CategoryEncoder
    | IdEncoder
    | NumberEncoder
    | ValueEncoder
    | PiecewiseEncoder
    | DateEncoder
    | SharedEncoder
    | ListEncoder
    | StepsEncoder
    | CrossEncoder
)

KINDS: dict[type[Encoder | ElapsedEncoder], str] = {
    CategoryEncoder: "category",
    IdEncoder: "id",
    NumberEncoder: "number",
    ValueEncoder: "value",
    PiecewiseEncoder: "piecewise",
    DateEncoder: "date",
    SharedEncoder: "shared",
    ListEncoder: "list",
    StepsEncoder: "steps",
    ElapsedEncoder: "elapsed",
    CrossEncoder: "cross",
}

Slots = np.ndarray[tuple[int, int], np.dtype[np.int32 | np.int64]]
Values = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Encoders:
    """One encoder per feature, in the plan's order."""

    encoders: tuple[Encoder, ...]

    def encode(self, frame: pl.DataFrame) -> tuple[Slots, Values]:
        """Encodes any table that has the features' columns.

        Returns:
            ids_RS, in the plan's order: 0 <= id < rows()[feature], or PAD; int32 if all embedding tables are small
            enough, else int64. And value_RV, in the plan's order: the features that are used as numbers, NaN if
            missing; these have no ids.
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
            if isinstance(encoder, ValueEncoder | PiecewiseEncoder):
                value_RV[:, v] = encoder.values(frame[encoder.column])
                v += 1
            elif not isinstance(encoder, StepsEncoder | CrossEncoder):
                own_RS[:] = encoder.ids(frame[encoder.column]).reshape(own_RS.shape)
        by_name = {encoder.name: encoder for encoder in self.encoders if isinstance(encoder, StepsEncoder)}
        for names in dict.fromkeys(encoder.steps for encoder in by_name.values()):
            for name, own_RS in zip(names, encode_steps([by_name[name] for name in names], frame), strict=True):
                ids[name][:] = own_RS
        # Crosses need the ids of the other features, wherever they stand in the plan.
        for encoder in self.encoders:
            if isinstance(encoder, CrossEncoder):
                ids[encoder.name][:, 0] = encoder.ids([ids[name] for name in encoder.crossed])
        return ids_RS, value_RV

    def rows(self) -> dict[str, int]:
        """Returns the rows of each feature's embedding table, as fitted, for `Plan.with_rows`."""
        return {encoder.name: encoder.rows for encoder in self.encoders}

    def with_keys(self, keys: Mapping[str, tuple[str, ...]]) -> Encoders:
        """Returns the encoders with the keys of files of vectors (feature name -> keys) as their vocabularies."""

        def with_own_keys(encoder: Encoder) -> Encoder:
            if isinstance(encoder, CategoryEncoder) and encoder.name in keys:
                return replace(encoder, values=keys[encoder.name])
            if (
                isinstance(encoder, SharedEncoder | ListEncoder | StepsEncoder)
                and isinstance(encoder.of, CategoryEncoder)
                and encoder.of.name in keys
            ):
                return replace(encoder, of=replace(encoder.of, values=keys[encoder.of.name]))
            return encoder

        return Encoders(tuple(map(with_own_keys, self.encoders)))

    def to_json(self) -> str:
        """Returns the content of encoders.json."""
        features = [self._stored(encoder) for encoder in self.encoders]
        return json.dumps({"format": FORMAT, "features": features}, ensure_ascii=False, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> Encoders:
        """Reads the encoders that `to_json` wrote.

        Raises:
            ValueError: the file has another version of the format, or a field has the wrong type.
        """
        stored: dict[str, Any] = json.loads(text)
        if stored.get("format") not in (OLD_FORMAT, FORMAT):
            raise ValueError(f"encoders of format {stored.get('format')}, this version reads format {FORMAT}")
        restored: dict[str, Encoder] = {}
        features = stored["features"]
        if stored["format"] == OLD_FORMAT:
            features = [_as_it_was(feature) for feature in features]
        # Encoders that use another feature's are restored last, wherever they stand.
        for feature in sorted(features, key=lambda feature: isinstance(feature.get("of"), str)):
            restored[feature["name"]] = _restored(dict(feature), restored)
        return Encoders(tuple(restored[feature["name"]] for feature in features))

    def _stored(self, encoder: Encoder | ElapsedEncoder) -> dict[str, Any]:
        """The fields of an encoder; an encoder that another feature has too is stored as that feature's name."""
        values = {name: getattr(encoder, name) for name in encoder.__dataclass_fields__}
        of = values.get("of")
        if of is not None:
            shared = any(other.name == of.name and other is not encoder for other in self.encoders)
            values["of"] = of.name if shared else self._stored(of)
        if values.get("form") is not None:
            values["form"] = asdict(values["form"])
        return {"kind": KINDS[type(encoder)], **values}


def _as_it_was(feature: dict[str, Any]) -> dict[str, Any]:
    """The fields with which an encoder of OLD_FORMAT goes on encoding as it did."""
    match feature["kind"]:
        case "date":
            return {**feature, "digits": False}
        case "number":
            return {**feature, "boundaries": [], "wide_boundaries": feature["boundaries"]}
        case "shared" | "list" if isinstance(feature["of"], dict):
            return {**feature, "of": _as_it_was(feature["of"])}
        case _:
            return feature


def _restored(values: dict[str, Any], known: dict[str, Encoder]) -> Any:
    """The encoder with these fields; if it uses another feature's encoder, that is taken from `known`."""
    kind: type[Any] = next(kind for kind, name in KINDS.items() if name == values["kind"])
    fields = {name: value for name, value in values.items() if name != "kind"}
    of = fields.get("of")
    if of is None:
        return read_json(kind, json.dumps(fields))
    inner = known[of] if isinstance(of, str) else _restored(of, known)
    # Read with a tiny encoder in its place: so a vocabulary that several features use is in memory only once.
    outer: Any = read_json(kind, json.dumps({**fields, "of": asdict(IdEncoder("", "", 1))}))
    return replace(outer, of=inner)
