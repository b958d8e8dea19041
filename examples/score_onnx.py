"""Score rows with an exported model and nothing but numpy and onnxruntime: what a server of your own has to do.

    python examples/score_onnx.py first.onnx rows.jsonl

`rows.jsonl` holds a JSON object per line, column -> value. For every row a line is written: task -> probability.
"""

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

MISSING, OTHER, PAD, UNKNOWN, LARGEST = 0, 1, -1, -1, 3.4028235e38
PARTS = {"hour": 24, "weekday": 7, "day": 31, "month": 12}


def text_of(value):
    """The value as text, None where it is missing: whole floats without a point, booleans in lower case."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def number_of(value):
    """The value as a number, NaN where it is missing: text is read, dates count in days since 1970-01-01."""
    text = (text_of(value) or "nan").strip()
    try:
        return float({"true": 1, "false": 0}.get(text.lower(), text))
    except ValueError:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() / 86_400


def moment_of(text, zone):
    """The local date and time that ISO text says, or seconds since 1970-01-01 UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.fromtimestamp(float(text), UTC)
    return moment.astimezone(ZoneInfo(zone or "UTC")) if moment.tzinfo else moment


def hash_of(value):
    """64 bits: SplitMix64 of a whole number, or of text that is one written plainly; else 8 bytes of BLAKE2b."""
    text = str(value)
    if not re.fullmatch("0|-?[1-9][0-9]{0,19}", text) or not -(2**63) <= int(text) < 2**64:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    z = (int(text) + 0x9E3779B97F4A7C15) % 2**64  # whole numbers of Python, which never become floats
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def scaled(number, one):
    """A number that is used as a number, NaN where missing or not finite."""
    if one["scale"] == "none" or not math.isfinite(number):
        return number if abs(number) <= LARGEST else math.nan
    number = math.copysign(math.log1p(abs(number)), number) if one["scale"] == "log" else number
    return max(-10.0, min(10.0, (number - one["mean"]) / one["deviation"]))


def slots_in(one, row):
    """What stands in the input of a feature for a row: a number for each slot. `one` describes the feature."""
    if one["kind"] != "cross":
        return slots_of(one, row[one["column"]])
    parts, found = [slots_in(part, row) for part in one["crossed"]], 0
    for known in (known for part in parts for known in part):
        found = hash_of(found ^ known)
    return [MISSING if any(part[0] == MISSING for part in parts) else found % one["buckets"] + 1]


def slots_of(one, value):
    """The same for the value of its column."""
    if one["kind"] == "value":
        return [scaled(number_of(value), one)]
    if one["kind"] == "number":
        number = number_of(value)
        return [MISSING if math.isnan(number) else bisect.bisect_left(one["boundaries"], number) + 1]
    if one["kind"] == "shared":
        return slots_of(one["of"], value)
    if one["kind"] == "list":
        if not isinstance(value, list):
            value = (text_of(value) or "").split(one["separator"]) if one["separator"] else [value]
        ids = [slots_of(one["of"], cell.strip() if isinstance(cell, str) else cell)[0] for cell in value]
        ids = [known for known in ids if known != MISSING][:: -1 if one["last"] else 1][: one["slots"]]
        return ids + [PAD] * (one["slots"] - len(ids))
    text = text_of(value)
    if one["kind"] == "date":
        moment, ids, above = text and moment_of(text.strip(), one["zone"]), [], 0
        for part in one["parts"]:
            number = 0 if moment is None else moment.isoweekday() if part == "weekday" else getattr(moment, part)
            ids.append(above + number + (part == "hour" and moment is not None))
            above += PARTS[part] + 1
        return ids
    if text is None:
        return [MISSING]
    return [hash_of(text) % one["buckets"] + 1 if one["kind"] == "id" else one["places"].get(text, OTHER)]


class Scorer:
    """Probabilities of rows. Raises KeyError without a column, ValueError for what the model does not know."""

    def __init__(self, model):
        said = json.loads(Path(model).with_suffix(".json").read_text(encoding="utf-8"))
        digest = hashlib.sha256(Path(model).read_bytes()).hexdigest()
        if (said["format"], said["encoders"], said["sha256"]) != (1, 3, digest):
            raise ValueError(f"{model} is not the model that the description beside it was written for")
        self.session = onnxruntime.InferenceSession(str(model))
        self.features, self.levels = said["features"], said["levels"]
        self.tasks = [one["name"] for one in said["outputs"]]
        named = {one["name"]: one for one in self.features}
        for one in self.features:
            one["crossed"] = [named[name] for name in one.get("crossed", ())]
            one["of"] = named[one["of"]] if isinstance(one.get("of"), str) else one.get("of", {})
            for known in (one, one["of"]):
                known["places"] = {value: place for place, value in enumerate(known.get("values", ()), 2)}
        for level in self.levels:
            level["places"] = {value: place for place, node in enumerate(level["nodes"]) for value in node["values"]}

    def score(self, rows):
        """A dictionary per row: task -> probability."""
        inputs, above = {}, [UNKNOWN] * len(rows)
        for one in self.features:
            slots = [slots_in(one, row) for row in rows]
            inputs[one["input"]] = np.array(slots, dtype=np.float32 if one["kind"] == "value" else np.int64)
        for level in self.levels:
            values = [row[level["column"]] for row in rows]
            nodes = [level["places"].get(text_of(value), level["unknown"]) for value in values]
            for value, node, up in zip(values, nodes, above, strict=True):
                if node is None or (UNKNOWN not in (node, up) and up not in level["nodes"][node]["parents"]):
                    raise ValueError(f"{value!r} is no node of {level['input']}, or not below that above")
            inputs[level["input"]], above = np.array(nodes, dtype=np.int64), nodes
        scores = self.session.run(self.tasks, inputs)
        return [dict(zip(self.tasks, map(float, row), strict=True)) for row in zip(*scores, strict=True)]


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as lines:
        for scored in Scorer(sys.argv[1]).score([json.loads(line) for line in lines]):
            print(json.dumps(scored))
