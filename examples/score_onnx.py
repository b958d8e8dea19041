"""Scores rows with an exported model, numpy and onnxruntime only: this is what a server of your own has to do.

    python examples/score_onnx.py first.onnx rows.jsonl

`rows.jsonl` holds a JSON object per line, column -> value. It prints a line for every row: task -> probability.
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

MISSING, OOV, PAD, UNKNOWN, LARGEST = 0, 1, -1, -1, 3.4028235e38  # LARGEST of float32
PARTS = {"hour": 24, "weekday": 7, "day": 31, "month": 12}
WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "I": 2, "M": 2, "S": 2}
NUMBERS = ("value", "piecewise")  # the kinds whose inputs are numbers, not ids


def text_of(value):
    """Returns the value as text, None if it is missing: whole floats without a point, booleans in lower case."""
    if value in (None, "", "NaN") or value != value:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else spelt(str(value))


def spelt(text):
    """Returns the one form of text that writes a number, a truth value or a time: `10.0` is `10`, `True` is `true`."""
    if re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]+", text):
        short = text.rstrip("0").rstrip(".")
        return "0" if short == "-0" else short
    if text in ("True", "TRUE", "False", "FALSE"):
        return text.lower()
    day, clock, zone = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{2}:[0-9]{2}:[0-9]{2}", "Z|[+-][0-9]{2}(?::?[0-9]{2})?"
    time = re.fullmatch(rf"({day})[T ]({clock})(\.[0-9]+)?({zone})?", text)
    if not time:
        return text
    try:  # in UTC, if it has an offset
        utc = time[4] and str(datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None))
    except (ValueError, OverflowError):  # there is no such time
        return text
    text = utc or f"{time[1]} {time[2]}{time[3] or ''}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).removesuffix(" 00:00:00")


def list_in(text, separator):
    """Returns the values of a list that is written as text: split at the separator, or in brackets, as `['a', 'b']`."""
    inside = re.fullmatch(r"(?s)\s*\[([^\[\]]*)\]\s*", text)
    if not inside or (separator not in ", " and ("," not in text or separator in text)):
        return [cell.strip() for cell in text.split(separator)]
    numbers = re.fullmatch(r"[-+0-9.eE]+(\s+[-+0-9.eE]+)+", inside[1].strip())
    in_quotes = r"""\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|[^,]+"""
    cells = [cell.strip() for cell in re.findall(r"\S+" if numbers else in_quotes, inside[1])]
    for quote in "\"'":
        cells = [c[1:-1].replace("\\" + quote, quote) if re.fullmatch(f"(?s){quote}.*{quote}", c) else c for c in cells]
    return [None if cell in ("", "None", "null", "NULL", "nan", "NaN", "<NA>") else cell for cell in cells]


def number_of(value, form):
    """Returns the value as a number, NaN if it is missing: text is parsed, dates are days since 1970-01-01."""
    if form and isinstance(value, str):
        return number_in(value, form) if value.strip() else math.nan
    if form and form["percent"]:
        return number_of(value, None) / 100
    text = (text_of(value) or "nan").strip()
    try:
        return float({"true": 1, "false": 0}.get(text.lower(), text))
    except ValueError:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() / 86_400


def number_in(text, form):
    """Returns the number that is written in a form of its own: "1.234,50 €", "5 %"."""
    ends = f"[\\s{re.escape(form['strip'] + '%' * form['percent'])}]*"
    group = "[ \u00a0\u202f\u2009]" if form["thousands"].isspace() else re.escape(form["thousands"])
    point = re.escape(form["decimal"])
    whole = rf"\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+" if group else r"\d+"
    number = rf"(?:(?:{whole})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
    match = re.fullmatch(f"{ends}([+-]?){ends}({number}){ends}", text, re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no number of this form")
    digits = re.sub(group, "", match[2]) if group else match[2]
    return float(match[1] + digits.replace(form["decimal"], ".")) / (100 if form["percent"] else 1)


def time_of(text, feature):
    """Returns the local date and time: of text in the feature's format, else of ISO text or a number."""
    form, seconds = feature["format"], re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text)
    if form and form != "%s":  # a number has lost the zeros in front
        width = sum(WIDTHS[sign] for sign in form[1::2]) if re.fullmatch("(%[YymdjHIMS])+", form) else 0
        time = datetime.strptime(text.zfill(width), form)
    elif not seconds:
        time = datetime.fromisoformat(text)
    elif feature["digits"] and not form and float(text).is_integer() and 1e7 <= float(text) < 4e7:
        time = datetime.strptime(str(int(float(text))), "%Y%m%d" if 19e6 <= float(text) < 21e6 else "%y%m%d%H")
    else:
        time = datetime.fromtimestamp(float(text), UTC)
    return time.astimezone(ZoneInfo(feature["zone"] or "UTC")) if time.tzinfo else time


def hash_of(value):
    """Returns 64 bits: SplitMix64 of a whole number, or of its plain decimal; for other text 8 bytes of BLAKE2b."""
    text = str(value)
    if not re.fullmatch("0|-?[1-9][0-9]{0,19}", text) or not -(2**63) <= int(text) < 2**64:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    z = (int(text) + 0x9E3779B97F4A7C15) % 2**64  # Python's integers are exact at any size
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def scaled(number, feature):
    """Returns the input of a feature that is used as a number, NaN if it is missing or not finite."""
    if feature["scale"] == "none" or not math.isfinite(number):
        return number if abs(number) <= LARGEST else math.nan
    number = math.copysign(math.log1p(abs(number)), number) if feature["scale"] == "log" else number
    return max(-10.0, min(10.0, (number - feature["mean"]) / feature["deviation"]))


def bucket_of(number, feature):
    """Returns how many boundaries are below the number, which is compared with most of them as float32."""
    with np.errstate(over="ignore"):
        narrow = bisect.bisect_left(feature["boundaries"], float(np.float32(number)))
    return narrow + bisect.bisect_left(feature["wide_boundaries"], number)


def row_slots(feature, row):
    """Returns the input of a feature for a row: a number for each slot. `feature` is its description."""
    if feature["kind"] == "steps":
        return step_slots(feature, row)
    if feature["kind"] != "cross":
        return value_slots(feature, row[feature["column"]])
    parts, mixed = [row_slots(part, row) for part in feature["crossed"]], 0
    for number in (number for part in parts for number in part):
        mixed = hash_of(mixed ^ number)
    return [MISSING if any(part[0] == MISSING for part in parts) else mixed % feature["buckets"] + 1]


def cells_of(feature, value):
    """Returns the values of a list, which may be written as text."""
    if not isinstance(value, list):
        text = value if isinstance(value, str) else text_of(value)
        value = (
            [] if text_of(text) is None else list_in(text, feature["separator"]) if feature["separator"] else [value]
        )
    return [cell.strip() if isinstance(cell, str) else cell for cell in value]


def step_slots(feature, row):
    """Returns the input of one of the sequences that describe the same steps; ValueError if they differ in length."""
    ids = {
        part["name"]: [step_id(part, cell, row) for cell in cells_of(part, row[part["column"]])]
        for part in feature["steps"]
    }
    timed = [part["name"] for part in feature["steps"] if part["of"]["kind"] == "elapsed"]
    saying = [numbers for name, numbers in ids.items() if name not in timed or len(timed) == len(ids)]
    there = [any(step) for step in zip(*saying, strict=True)]
    kept = [number for number, known in zip(ids[feature["name"]], there, strict=True) if known]
    kept = kept[::-1][: feature["slots"]]
    return kept + [PAD] * (feature["slots"] - len(kept))


def step_id(feature, cell, row):
    """Returns the id of one value of a step; of a time, how many bits the whole seconds until the row's own have."""
    of = feature["of"]
    if of["kind"] != "elapsed":
        return value_slots(of, cell)[0]
    if of["until"]:
        cells = (cell, row[of["until"]])
        if None in map(text_of, cells):
            return MISSING
        then, now = (time_of(str(cell).strip(), {"zone": "", "digits": True, **of}) for cell in cells)
        seconds = (now.replace(tzinfo=UTC) - then.replace(tzinfo=UTC)).total_seconds()
    else:
        seconds = number_of(cell, None)
    return min(int(max(seconds, 0)).bit_length() + 1, 32) if math.isfinite(seconds) else MISSING


def value_slots(feature, value):
    """Returns the same for a value of the feature's column."""
    kind = feature["kind"]
    if kind == "value":
        return [scaled(number_of(value, feature["form"]), feature)]
    if kind == "piecewise":
        number, edges = number_of(value, feature["form"]), feature["edges"]
        return [np.interp(number, edges, range(len(edges))) if math.isfinite(number) else math.nan]
    if kind == "number":
        number = number_of(value, feature["form"])
        return [MISSING if math.isnan(number) else bucket_of(number, feature) + 1]
    if kind == "shared":
        return value_slots(feature["of"], value)
    if kind == "list":
        ids = [value_slots(feature["of"], cell)[0] for cell in cells_of(feature, value)]
        ids = [number for number in ids if number != MISSING][:: -1 if feature["last"] else 1][: feature["slots"]]
        return ids + [PAD] * (feature["slots"] - len(ids))
    text = text_of(value)
    if kind == "date":
        written = value if text and isinstance(value, str) else text
        time, ids, first = written and time_of(written.strip(), feature), [], 0
        for part in feature["parts"]:
            number = 0 if time is None else time.isoweekday() if part == "weekday" else getattr(time, part)
            ids.append(first + number + (part == "hour" and time is not None))
            first += PARTS[part] + 1
        return ids
    if text is None:
        return [MISSING]
    return [hash_of(text) % feature["buckets"] + 1 if kind == "id" else feature["index"].get(text, OOV)]


class Scorer:
    """Scores rows with a model. Raises KeyError for a missing column, ValueError for an unknown node or path."""

    def __init__(self, model):
        described = json.loads(Path(model).with_suffix(".json").read_text(encoding="utf-8"))
        written = [described, *([described["data"]] if described["data"] else [])]  # a large model has a second file
        files = [Path(model), *(Path(model).with_name(data["file"]) for data in written[1:])]
        digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        if (described["format"], described["encoders"], [each["sha256"] for each in written]) != (1, 4, digests):
            raise ValueError(f"{model} is not the model that the description beside it was written for")
        self.session = onnxruntime.InferenceSession(str(model))
        self.features, self.levels = described["features"], described["levels"]
        self.tasks = [output["name"] for output in described["outputs"]]
        named = {feature["name"]: feature for feature in self.features}
        for feature in self.features:
            for word in ("crossed", "steps"):
                feature[word] = [named[name] for name in feature.get(word, ())]
            feature["of"] = named[feature["of"]] if isinstance(feature.get("of"), str) else feature.get("of", {})
            for encoder in (feature, feature["of"]):
                encoder["index"] = {value: number for number, value in enumerate(encoder.get("values", ()), 2)}
        for level in self.levels:
            level["index"] = {value: number for number, node in enumerate(level["nodes"]) for value in node["values"]}

    def score(self, rows):
        """Returns a dictionary for each row: task -> probability."""
        if not rows:
            return []
        inputs, above = {}, [UNKNOWN] * len(rows)
        for feature in self.features:
            slots = [row_slots(feature, row) for row in rows]
            inputs[feature["input"]] = np.array(slots, dtype=np.float32 if feature["kind"] in NUMBERS else np.int64)
        for level in self.levels:
            values = [row[level["column"]] for row in rows]
            nodes = [level["index"].get(text_of(value), level["unknown"]) for value in values]
            for value, node, parent in zip(values, nodes, above, strict=True):
                if node is None or (UNKNOWN not in (node, parent) and parent not in level["nodes"][node]["parents"]):
                    raise ValueError(f"{value!r} is no node of {level['input']}, or not under the node above it")
            inputs[level["input"]], above = np.array(nodes, dtype=np.int64), nodes
        scores = self.session.run(self.tasks, inputs)
        return [dict(zip(self.tasks, map(float, row), strict=True)) for row in zip(*scores, strict=True)]


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as lines:
        for scored in Scorer(sys.argv[1]).score([json.loads(line) for line in lines]):
            print(json.dumps(scored))
