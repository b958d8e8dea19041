"""A run folder that somebody changed: refused with its file named, never a traceback, and nothing in it is executed."""

from __future__ import annotations

import json
import os
import pickle
import random
import shlex
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aesm_dsl import AesmError, load_run, predict, visualize
from aesm_dsl.files.manifest import write_manifest
from aesm_dsl.report import page
from aesm_dsl.report.experts import experts_data, experts_sentences, experts_table
from aesm_dsl.report.metrics_table import metrics_table
from aesm_dsl.report.sharing_words import role_tables, sharing_sentences
from aesm_dsl.report.training_end import training_sentences
from aesm_dsl.training.run.folder import FILES, FORMAT, MANIFEST, Run
from tests.serving.conftest import table_of


@pytest.fixture
def folder(kinds: Run, tmp_path: Path) -> Path:
    return shutil.copytree(kinds.folder, tmp_path / "run")


def sealed(folder: Path) -> None:
    """As one who changes the files would: with their new digests."""
    info = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    values = {key: value for key, value in info.items() if key not in ("format", "sha256")}
    (folder / MANIFEST).unlink()
    write_manifest(folder, MANIFEST, FORMAT, values)


def change(folder: Path, name: str, make: Callable[[Any], object]) -> None:
    """Changes the JSON of a file; `make` may return another, or change what it is given."""
    path = folder / name
    said = json.loads(path.read_text(encoding="utf-8"))
    made = make(said)
    path.write_text(json.dumps(said if made is None else made), encoding="utf-8")


def put(*path: str | int, to: object) -> Callable[[Any], None]:
    def make(said: Any) -> None:
        for step in path[:-1]:
            said = said[step]
        said[path[-1]] = to

    return make


def refusal(folder: Path) -> str:
    with pytest.raises(AesmError) as told:
        load_run(folder)
    (one,) = told.value.findings
    assert one.code == "E602"
    assert "\n" not in one.message
    return one.message


JSON = {
    "text for a number": (
        "plan.json",
        put("features", 0, "width", to="8"),
        "`features[0].width` is `'8'`, expected a whole",
    ),
    "true for a number": ("plan.json", put("tasks", "width", to=True), "`tasks.width` is `True`"),
    "a list for text": ("plan.json", put("name", to=["x"]), "`name` is `['x']`, expected text"),
    "no number": ("plan.json", put("training", "rate", to=float("nan")), "`training.rate` is nan, which is no number"),
    "infinite": ("plan.json", put("training", "rate", to=float("inf")), "which is no number"),
    "a field more": ("plan.json", put("tasks", "os.system", to="true"), "os.system"),
    "another format": ("plan.json", put("format", to=99), "format 99"),
    "no object": ("plan.json", lambda said: [said], "`plan.json`: "),
    "negative": ("plan.json", put("features", 1, "width", to=-3), "has a size of -3"),
    "huge": ("plan.json", put("tasks", "tower", to=[2**50]), "bytes cannot hold the plan's"),
    "a huge table": ("plan.json", put("features", 0, "rows", to=2**60), "gives other ids than the plan has"),
    "huge experts": ("plan.json", put("levels", 0, "layers", 0, "experts", to=2**40), "experts"),
    "wrong shape": ("plan.json", put("tasks", "tower", to=[7]), "the plan's is [1, 7]"),
    "a parent elsewhere": ("plan.json", put("levels", 1, "nodes", 0, "parents", to=[7]), "nodes under others"),
    "a task after none": ("plan.json", put("tasks", "tasks", 1, "after", to=9), "follows a task that is not there"),
    "a circle": ("plan.json", put("tasks", "tasks", 0, "after", to=1), "follows itself"),
    "other features": (
        "encoders.json",
        lambda said: said["features"].pop() and said,
        "`encoders.json`: they are not",
    ),
    "another kind": ("encoders.json", put("features", 0, "kind", to="__import__"), "`encoders.json`: "),
    "fewer buckets": ("encoders.json", put("features", 7, "of", "buckets", to=3), "gives other ids"),
    "another column": ("encoders.json", put("features", 0, "column", to="password"), "reads another column"),
    "no time zone": ("encoders.json", put("features", 4, "zone", to="../../etc/passwd"), "`encoders.json`: "),
    "division by zero": ("encoders.json", put("features", 2, "deviation", to=0.0), "divides by zero"),
    "metrics": ("metrics.json", put(0, "auc", to="good"), "`metrics.json`: `[0].auc` is `'good'`"),
    "usage": ("usage.json", put("layers", 0, "nodes", to=3), "`usage.json`: "),
}


@pytest.mark.parametrize("name", JSON)
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    file, make, said = JSON[name]
    change(folder, file, make)
    assert f"`{file}` changed since it was written" in refusal(folder)
    sealed(folder)
    assert said in refusal(folder)


def test_deep_and_damaged_text(folder: Path) -> None:
    good = {name: (folder / name).read_bytes() for name in FILES}
    for name in ("plan.json", "encoders.json", "metrics.json", "usage.json", "history.jsonl"):
        for content in (b"[" * 100_000, b"\xff\xfe", b"{", b'{"format": 1}', b"null", b'"x"', b"9" * 5000):
            (folder / name).write_bytes(content)
            sealed(folder)
            assert f"`{name}`: " in refusal(folder)
        (folder / name).write_bytes(good[name])
    for content in (b"", b"[]", b"[" * 100_000, b'{"format": 1, "sha256": []}', b'{"format": 1, "sha256": 3}', b"\xff"):
        (folder / "run.json").write_bytes(content)
        assert "`run.json` is no manifest" in refusal(folder)


def test_wrong_weights(folder: Path) -> None:
    path = folder / "weights.safetensors"
    good = path.read_bytes()
    (size,) = struct.unpack("<Q", good[:8])
    header = json.loads(good[8 : 8 + size])
    name = next(name for name in header if name != "__metadata__")

    def with_header(**fields: object) -> bytes:
        head = json.dumps({**header, name: {**header[name], **fields}}).encode()
        return struct.pack("<Q", len(head)) + head + good[8 + size :]

    contents = {
        "a pickle": pickle.dumps({"x": 1}),
        "cut off": good[:-4],
        "a huge header": struct.pack("<Q", 2**62) + good[8:],
        "a huge tensor": with_header(shape=[2**40, 2**20]),
        "beyond its end": with_header(data_offsets=[0, 2**60]),
        "an unknown type": with_header(dtype="PICKLE"),
        "half": with_header(dtype="F16"),
        "another name": good.replace(name.encode(), name.upper().encode(), 1),
        "no numbers": good[: 8 + size] + b"\xff" * len(good[8 + size :]),
    }
    for what, content in contents.items():
        path.write_bytes(content)
        sealed(folder)
        assert "`weights.safetensors`: " in refusal(folder), what


def test_files_that_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    for name in ("plan.json", "weights.safetensors", "run.json"):
        away = tmp_path / name
        (folder / name).rename(away)
        assert f"`{name}` missing" in refusal(folder)
        (folder / name).symlink_to(away)
        assert f"`{name}` leads elsewhere" in refusal(folder)
        (folder / name).unlink()
        (folder / name).mkdir()
        assert f"`{name}` missing" in refusal(folder)
        (folder / name).rmdir()
        shutil.copy(away, folder / name)

    def elsewhere(said: Any) -> None:
        said["sha256"] |= {"../plan.json": "0", "/etc/passwd": "0"}

    change(folder, "run.json", elsewhere)
    assert "`run.json` changed since it was written" in refusal(folder)


INFO: dict[str, tuple[Callable[[Any], object], str]] = {
    "a field is missing": (lambda said: said.pop("roots") and said, "`roots`"),
    "a field too many": (put("more", to=1), "`more`"),
    "a text for a number": (put("steps", to="12"), "`steps` is `'12'`, expected a whole number"),
    "a number for a text": (put("device", to=3), "`device` is `3`, expected text"),
    "a number for a list": (put("roots", to=3), "`roots` is `3`"),
    "no part of the rows": (put("measured on", to="everything"), "no part of the rows"),
    "another architecture": (put("architecture", to="mmoe"), "`architecture` is `mmoe`, the plan's is `aes`"),
    "rows of another part": (put("rows", to={"valid": 3}), "`rows` are not those"),
    "negative": (put("seconds", to=-1.0), "`seconds` has the value -1.0"),
}


@pytest.mark.parametrize("name", INFO)
def test_what_run_json_says_is_checked(folder: Path, name: str) -> None:
    make, said = INFO[name]
    change(folder, "run.json", make)
    assert "`run.json` changed since it was written" in refusal(folder)
    sealed(folder)
    assert said in refusal(folder)


def test_commands_of_the_page_are_quoted(folder: Path) -> None:
    """They are there to be pasted into a shell."""
    for field in ("device", "aesm"):
        change(folder, "run.json", put(field, to="x; echo $(id) `id` & <u>"))
    sealed(folder)
    commands = page._commands(load_run(folder))
    assert shlex.split(commands[0]) == ["pip", "install", "aesm-dsl==x; echo $(id) `id` & <u>"]
    assert "x; echo $(id) `id` & <u>" in shlex.split(commands[1])
    text = visualize(folder, folder.parent / "page.html").read_text(encoding="utf-8")
    assert "<u>" not in text


def mutate(said: Any, chance: random.Random) -> Any:
    """Changes one value, anywhere in it: to another type, another number, nothing, or what stands elsewhere."""
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            places.append((value, key))
            if isinstance(inner, dict | list):
                walk(inner)

    walk(said)
    holder, key = chance.choice(places)
    value = holder[key]
    others: list[Any] = [None, -1, 0, 1, 2.5, 1e300, 10**30, "", "x", "search", [], {}, [[]], True, [value], value]
    match chance.choice(("other", "other", "remove", "twice", "more")):
        case "remove":
            del holder[key]
        case "twice" if isinstance(holder, list):
            holder.insert(key, value)
        case "more" if isinstance(holder, dict):
            holder[chance.choice(["x", "rows", "format"])] = value
        case _:
            holder[key] = chance.choice(others)
    return said


def test_any_value_may_change(folder: Path) -> None:
    """Whatever anybody writes into the records of a run: it is refused, or its page and pictures are drawn."""
    turns, chance = int(os.environ.get("AESM_MUTANTS", "24")), random.Random(11)
    records = (
        "metrics.json",
        "calibration.json",
        "usage.json",
        "profile.json",
        "run.json",
        "plan.json",
        "history.jsonl",
    )
    good, refused = {name: (folder / name).read_bytes() for name in (*records, "encoders.json", MANIFEST)}, 0
    for turn in range(turns):
        name = chance.choice([*records, "encoders.json"])
        lines = good[name].decode().splitlines() if name == "history.jsonl" else [good[name].decode()]
        at = chance.randrange(len(lines))
        lines[at] = json.dumps(mutate(json.loads(lines[at]), chance))
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
        try:
            sealed(folder)
            run = load_run(folder)
            visualize(run, folder.parent / "page.html")
            for form in ("graph", "heat", "flow", "training"):
                visualize(run, folder.parent / f"{form}.dot", form=form, layers="all")
            experts_table(run.usage, "")
            list(role_tables(run.usage))
            experts_data(run.usage)
            sharing_sentences(run.plan, run.usage)
            experts_sentences(run.usage)
            metrics_table(run.metrics, "", run.folder)
            training_sentences(run)
        except AesmError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"turn {turn}, {name}: {lines[at][:2000]}") from error
        for path, content in good.items():
            (folder / path).write_bytes(content)
    assert turns // 3 < refused < turns


def test_any_byte_may_change(folder: Path) -> None:
    """Whatever is changed: the run is refused, or it still scores."""
    chance = random.Random(7)
    good = {name: (folder / name).read_bytes() for name in (*FILES, "run.json")}
    rows = table_of(20, 3)
    refused = 0
    for turn in range(100):
        name = chance.choice([*FILES, "run.json"])
        content = bytearray(good[name])
        # In weights the header: everything else is numbers.
        most = 3000 if name == "weights.safetensors" else len(content)
        for _ in range(chance.choice((1, 1, 4))):
            place = chance.randrange(most)
            content[place] = chance.choice((chance.randrange(256), content[place] ^ 1, *b'0"{}[],-9e'))
        (folder / name).write_bytes(content)
        try:
            if name != "run.json" and turn % 4:
                sealed(folder)
            predict(load_run(folder), rows, device="cpu")
        except AesmError as error:
            refused += all(one.code == "E602" for one in error.findings)
        (folder / name).write_bytes(good[name])
        (folder / "run.json").write_bytes(good["run.json"])
    assert refused > 40
    assert isinstance(predict(load_run(folder), rows, device="cpu"), pl.DataFrame)
