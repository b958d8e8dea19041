"""Some commands, killed or with a full disk at some of their operations on files; `make kills` tries all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills.commands import COMMANDS
from tests.kills.disturb import Place, full, killed
from tests.kills.operations import Operation, operations
from tests.kills.process import Server, why_not
from tests.kills.state import OTHERS, left_at_end, left_by_kill, state

KILLS = {"fmt": 2, "train --overwrite": 3, "predict to csv, again": 1}
FULL = {"fmt": 1, "train": 1}
"""Command -> how often it is disturbed."""


def names(operation: Operation) -> bool:
    """Whether names change: most can go wrong between two of these."""
    return operation.call.startswith(("rename", "unlink", "rmdir"))


def test_nothing_is_lost(tmp_path: Path) -> None:
    if why := why_not():
        pytest.skip(why)
    commands = {command.name: command for command in COMMANDS}
    with Server(slow=False) as server:
        place = Place(server, tmp_path.resolve())
        results = [killed(place, commands[name], most, names) for name, most in KILLS.items()]
        results += [full(place, commands[name], most) for name, most in FULL.items()]
    assert {result.command: result.faults for result in results if result.faults} == {}
    assert sum(result.hits for result in results) >= sum((*KILLS.values(), *FULL.values())) - 2


TRACE = """\
7  openat(AT_FDCWD</w>, "/usr/lib/x.py", O_RDONLY|O_CLOEXEC) = 3
7  openat(AT_FDCWD</w>, ".a.new", O_WRONLY|O_CREAT, 0666) = 4</w/.a.new>
8  write(9<anon_inode:[eventfd]>, ""..., 8) = 8
7  write(4</w/.a.new>, ""..., 10) = 10
8  write(5</w/b>, ""..., 10 <unfinished ...>
7  write(4</w/.a.new>, ""..., 10) = 10
8  <... write resumed>) = 10
7  rename("/w/.a.new", "/w/a") = 0
7  unlinkat(6</w/c>, "d", 0) = 0
7  write(2</tmp/err>, ""..., 10) = 10
"""


def test_operations_are_found_as_strace_counts_them() -> None:
    """Where another thread does the first call of a name, the calls on the path alone are counted."""
    assert operations(TRACE, Path("/w"), OTHERS) == (
        Operation("openat", 2, (".a.new",)),
        Operation("write", 1, (".a.new",), "/w/.a.new"),
        Operation("write", 2, ("b",)),
        Operation("write", 2, (".a.new",), "/w/.a.new"),
        Operation("rename", 1, (".a.new", "a")),
        Operation("unlinkat", 1, ("c/d",)),
    )


def test_every_kind_of_fault_is_seen(tmp_path: Path) -> None:
    before = {"run/run.json": "old", "run/weights": "old", "out": "old", ".out.swp": "mine"}
    after = {"run/run.json": "new", "run/weights": "new", "out": "new", ".out.swp": "mine", "more": "new"}

    def kinds(now: dict[str, str]) -> set[str]:
        return set(left_by_kill(now, before, after))

    assert not kinds(before)
    assert not kinds(after)
    assert not kinds({**before, ".out.1a2b": "half", "run.training/log": "half"})
    assert kinds({**before, "run/weights": "new"}) == {"half: run (run.json)"}
    assert kinds({name: text for name, text in before.items() if not name.startswith("run/")}) == {"lost: run"}
    assert kinds({**before, "out": "ol"}) == {"half: out"}
    assert kinds({**before, "odd": "?"}) == {"half: odd has a final name"}
    assert kinds({name: text for name, text in before.items() if name != ".out.swp"}) == {"lost: .out.swp"}
    assert left_at_end({**after, "run/weights": "old", ".run.1a/x": "", ".run.1a/y": ""}, after) == [
        "leftover: .run.1a",
        "wrong: run",
    ]
    assert left_at_end(before, after) == ["missing: more", "wrong: run", "wrong: out"]
    (tmp_path / "run").mkdir()
    for seconds in (1, 2):
        (tmp_path / "run" / "run.json").write_text(f'{{"seconds": {seconds}, "steps": 3}}', encoding="utf-8")
        (tmp_path / "run" / f"events.out.tfevents.{seconds}").touch()
        assert state(tmp_path) == {"run/run.json": '{"steps": 3}', "run/events.out.tfevents": ""}
