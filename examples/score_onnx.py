"""Score rows with an exported model and nothing but numpy and onnxruntime: what a server of your own has to do.

    aesm export runs/first -o first.onnx
    python examples/score_onnx.py first.onnx rows.jsonl

`rows.jsonl` holds a JSON object per line, column -> value. For every row a line is written: task -> probability.
The rules are those of docs/serving.md; they give the ids that the model was trained with.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import math
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import onnxruntime

MISSING, OTHER, PAD = 0, 1, -1
WHOLE = 2**64
PARTS = {"hour": 24, "weekday": 7, "day": 31, "month": 12}


def text_of(value):
    """The value as text, None where it is missing: whole floats without a point, booleans in lower case."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return str(value)


def number_of(value):
    """The value as a number, NaN where it is missing: text is read, dates count in days since 1970-01-01."""
    if isinstance(value, bool | int | float):
        return float(value)
    text = text_of(value)
    if text is None:
        return math.nan
    text = text.strip()
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    try:
        return float(text)
    except ValueError:
        return (datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) / 86_400


def hash_of(text):
    """64 bits: SplitMix64 of a whole number written plainly, else the first 8 bytes of BLAKE2b."""
    if not re.fullmatch("0|-?[1-9][0-9]*", text) or not -(2**63) <= int(text) < WHOLE:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    return mixed(int(text) % WHOLE)


def mixed(seed):
    """64 bits: the first output of SplitMix64."""
    z = (seed + 0x9E3779B97F4A7C15) % WHOLE
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WHOLE
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WHOLE
    return z ^ (z >> 31)


def moment_of(value, zone):
    """The local date and time, None where missing: ISO text, or seconds since 1970-01-01 UTC."""
    text = text_of(value)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = datetime.fromtimestamp(float(text), UTC)
    return moment.astimezone(ZoneInfo(zone or "UTC")) if moment.tzinfo else moment


def scaled(value, one):
    """A number that is used as a number, NaN where missing or not finite."""
    number = number_of(value)
    if not math.isfinite(number):
        return math.nan
    if one["scale"] == "log":
        number = math.copysign(math.log1p(abs(number)), number)
    number = (number - one["mean"]) / one["deviation"]
    return number if one["scale"] == "none" else max(-10.0, min(10.0, number))


class Scorer:
    """Probabilities of rows. Raises KeyError without a column, ValueError for a node that the model does not know."""

    def __init__(self, model):
        said = json.loads(Path(model).with_suffix(".json").read_text(encoding="utf-8"))
        if said["format"] != 1 or said["encoders"] != 3:
            raise ValueError(f"{model}: a description of another format")
        if hashlib.sha256(Path(model).read_bytes()).hexdigest() != said["sha256"]:
            raise ValueError(f"{model} is not the model that the description beside it was written for")
        self.session = onnxruntime.InferenceSession(str(model))
        self.features, self.levels = said["features"], said["levels"]
        self.outputs = [output["name"] for output in said["outputs"]]
        self.named = {one["name"]: one for one in self.features}
        self.places = {}
        self.nodes = [
            {value: place for place, node in enumerate(level["nodes"]) for value in node["values"]}
            for level in self.levels
        ]

    def id_of(self, one, value):
        """The id of a single value of a category, an id, or a number in buckets."""
        if one["kind"] == "number":
            number = number_of(value)
            return MISSING if math.isnan(number) else bisect.bisect_left(one["boundaries"], number) + 1
        text = text_of(value)
        if text is None:
            return MISSING
        if one["kind"] == "id":
            return hash_of(text) % one["buckets"] + 1
        if one["name"] not in self.places:
            self.places[one["name"]] = {known: place for place, known in enumerate(one["values"], 2)}
        return self.places[one["name"]].get(text, OTHER)

    def crossed(self, one, row):
        """The id of a cross: of all ids of its features in turn, h = mixed(h xor id)."""
        parts, found = [self.slots(self.named[name], row) for name in one["crossed"]], 0
        for known in (known for part in parts for known in part):
            found = mixed(found ^ known)
        return MISSING if any(part[0] == MISSING for part in parts) else found % one["buckets"] + 1

    def slots(self, one, row):
        """What stands in the input of a feature, a number for each of its slots."""
        if one["kind"] == "cross":
            return [self.crossed(one, row)]
        value = row[one["column"]]
        of = one.get("of")
        of = self.named[of] if isinstance(of, str) else of
        if one["kind"] == "value":
            return [scaled(value, one)]
        if one["kind"] == "date":
            moment, found, above = moment_of(value, one["zone"]), [], 0
            for part in one["parts"]:
                number = 0 if moment is None else moment.isoweekday() if part == "weekday" else getattr(moment, part)
                found.append(above + number + (part == "hour" and moment is not None))
                above += PARTS[part] + 1
            return found
        if one["kind"] == "list":
            if not isinstance(value, list):
                value = (text_of(value) or "").split(one["separator"]) if one["separator"] else [value]
            ids = [self.id_of(of, cell.strip() if isinstance(cell, str) else cell) for cell in value]
            ids = [known for known in ids if known != MISSING]
            ids = (ids[::-1] if one["last"] else ids)[: one["slots"]]
            return ids + [PAD] * (one["slots"] - len(ids))
        return [self.id_of(of if one["kind"] == "shared" else one, value)]

    def node(self, row, number, level):
        """The row's node at a level."""
        place = self.nodes[number].get(text_of(row[level["column"]]), level["unknown"])
        if place is None:
            raise ValueError(f"{row[level['column']]!r} is no node of {level['input']}")
        return place

    def inputs(self, rows):
        """The model's inputs for rows: input -> array."""
        features = {
            one["input"]: np.array(
                [self.slots(one, row) for row in rows],
                dtype=np.float32 if one["kind"] == "value" else np.int64,
            )
            for one in self.features
        }
        nodes = {
            level["input"]: np.array([self.node(row, number, level) for row in rows], dtype=np.int64)
            for number, level in enumerate(self.levels)
        }
        return {**features, **nodes}

    def score(self, rows):
        """A dictionary per row: task -> probability."""
        found = self.session.run(self.outputs, self.inputs(rows))
        return [dict(zip(self.outputs, map(float, values), strict=True)) for values in zip(*found, strict=True)]


if __name__ == "__main__":
    scorer = Scorer(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as lines:
        for scored in scorer.score([json.loads(line) for line in lines]):
            print(json.dumps(scored))
