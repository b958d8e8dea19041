"""What lies in a folder, as far as it is promised to be the same every time; and what is wrong with it after a kill."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

State = Mapping[str, str]
"""Path of each file -> what it holds."""

TIMES = {"seconds", "training", "sha256", "rows_per_second"}
"""Fields of JSON that hold times, the name of a training, and digests of files with these."""

OTHERS = re.compile(r"cache/aesm/(fontconfig(/.*)?$|grammar\.cache$|.*\.lock$)|.*\.db(-journal|-wal|-shm)?$")
"""Files that are not looked at: those of fontconfig, Lark and SQLite, which mend their own, and the locks of caches."""

TEMPORARY = re.compile(r"(^|/)(\.[^/]+|[^/]+\.training)(/|$)")


def state(folder: Path) -> State:
    """Returns what lies below a folder."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if not path.is_dir()}
    return {_name(name): _content(path) for name, path in files.items() if not OTHERS.match(name)}


def left_by_kill(now: State, before: State, after: State) -> list[str]:
    """What is wrong after a kill: whatever has a final name is whole, old or new, and nothing is lost.

    Args:
        now: after the kill.
        before: before the command.
        after: after the command, undisturbed.
    """
    wrong, units = [], _units(before) | _units(after)
    for unit in sorted(units):
        own, old, new = (_below(each, unit) for each in (now, before, after))
        if not own and old:
            wrong.append(f"lost: {unit}")
        elif own and own not in (old, new):
            odd = [name[len(unit) + 1 :] for name in own.keys() | new.keys() if own.get(name) != new.get(name)]
            wrong.append(f"half: {unit} ({', '.join(sorted(odd)[:3])})")
    loose = {name for name in (*now, *before, *after) if not any(name.startswith(f"{unit}/") for unit in units)}
    loose -= {name for name in loose if TEMPORARY.search(name) and name not in after}
    for name in sorted(loose):
        if name not in now:
            wrong += [f"lost: {name}"] * (name in before and name in after)
        elif name in before or name in after:
            wrong += [f"half: {name}"] * (now[name] not in (before.get(name), after.get(name)))
        else:
            wrong.append(f"half: {name} has a final name")
    return wrong


def left_at_end(now: State, after: State) -> list[str]:
    """What is wrong once the command has come to its end after all: everything is as without a disturbance."""
    units = _units(after)
    wrong = {
        "missing": [name for name in after if name not in now],
        "leftover": [name for name in now if name not in after],
        "wrong": [name for name in after if name in now and now[name] != after[name]],
    }
    return list(dict.fromkeys(f"{kind}: {_top(name, units)}" for kind, names in wrong.items() for name in names))


def _top(name: str, units: set[str]) -> str:
    """The folder that a file appears with, or one with a temporary name that it lies in, else the file."""
    unit = next((unit for unit in units if name.startswith(f"{unit}/")), name)
    return name[: found.end(2)] if (found := TEMPORARY.search(name)) else unit


def _name(name: str) -> str:
    """The path, without the times in the names of event files."""
    return re.sub(r"events\.out\.tfevents.*", "events.out.tfevents", name)


def _content(path: Path) -> str:
    if "tfevents" in path.name:
        return ""
    content = path.read_bytes()
    try:
        if path.suffix == ".json":
            return json.dumps(_without_times(json.loads(content)))
        if path.suffix == ".jsonl":
            return json.dumps([_without_times(json.loads(line)) for line in content.decode().splitlines()])
    except ValueError:
        return f"damaged: {content!r}"
    return hashlib.sha256(content).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value


def _units(files: State) -> set[str]:
    """The folders that appear as a whole: runs, and entries of the cache of encoded tables."""
    found = {name.rpartition("/")[0] for name in files if name.endswith(("/run.json", "/encoders.json"))}
    return {unit for unit in found if not TEMPORARY.search(unit)}


def _below(files: State, unit: str) -> dict[str, str]:
    return {name: content for name, content in files.items() if name.startswith(f"{unit}/")}
