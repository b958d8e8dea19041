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

import numpy as np
import onnxruntime

MISSING, OTHER = 0, 1
WHOLE = 2**64


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
    z = (int(text) + 0x9E3779B97F4A7C15) % WHOLE
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WHOLE
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WHOLE
    return z ^ (z >> 31)


class Scorer:
    """Probabilities of rows. Raises KeyError without a column, ValueError for a node that the model does not know."""

    def __init__(self, model):
        said = json.loads(Path(model).with_suffix(".json").read_text(encoding="utf-8"))
        if said["format"] != 1 or said["encoders"] != 1:
            raise ValueError(f"{model}: a description of another format")
        if hashlib.sha256(Path(model).read_bytes()).hexdigest() != said["sha256"]:
            raise ValueError(f"{model} is not the model that the description beside it was written for")
        self.session = onnxruntime.InferenceSession(str(model))
        self.features, self.levels = said["features"], said["levels"]
        self.outputs = [output["name"] for output in said["outputs"]]
        self.places = {
            one["input"]: {value: place for place, value in enumerate(one["values"], 2)}
            for one in self.features
            if one["kind"] == "category"
        }
        self.nodes = [
            {value: place for place, node in enumerate(level["nodes"]) for value in node["values"]}
            for level in self.levels
        ]

    def feature(self, one, value):
        """The id of a value of the feature."""
        if one["kind"] == "number":
            number = number_of(value)
            return MISSING if math.isnan(number) else bisect.bisect_left(one["boundaries"], number) + 1
        text = text_of(value)
        if text is None:
            return MISSING
        if one["kind"] == "id":
            return hash_of(text) % one["buckets"] + 1
        return self.places[one["input"]].get(text, OTHER)

    def node(self, row, number, level):
        """The row's node at a level."""
        place = self.nodes[number].get(text_of(row[level["column"]]), level["unknown"])
        if place is None:
            raise ValueError(f"{row[level['column']]!r} is no node of {level['input']}")
        return place

    def inputs(self, rows):
        """The model's inputs for rows: input -> array."""
        ids = {
            one["input"]: np.array([[self.feature(one, row[one["column"]])] for row in rows], dtype=np.int64)
            for one in self.features
        }
        nodes = {
            level["input"]: np.array([self.node(row, number, level) for row in rows], dtype=np.int64)
            for number, level in enumerate(self.levels)
        }
        return {**ids, **nodes}

    def score(self, rows):
        """A dictionary per row: task -> probability."""
        found = self.session.run(self.outputs, self.inputs(rows))
        return [dict(zip(self.outputs, map(float, values), strict=True)) for values in zip(*found, strict=True)]


if __name__ == "__main__":
    scorer = Scorer(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as lines:
        for scored in scorer.score([json.loads(line) for line in lines]):
            print(json.dumps(scored))
