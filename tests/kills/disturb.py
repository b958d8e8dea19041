"""One command, disturbed at one operation after the other, and what was wrong afterwards."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kills.commands import Command, Words, begin
from tests.kills.operations import TAKING, Operation
from tests.kills.process import FULL, KILL, Ended, Server
from tests.kills.state import State, left_at_end, left_by_kill, state


@dataclass(slots=True)
class Disturbed:
    """What became of a command that was disturbed."""

    command: str
    operations: int
    """Operations on files of the undisturbed command."""
    hits: int = 0
    """How often it was killed, or found the disk full."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    """Operation -> what was wrong."""
    messages: set[str] = field(default_factory=set)
    """What was said of a full disk."""


class Place:
    """A folder in which commands are run, and what is kept of it from before they were."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server, self._kept, self.work = server, folder / "kept", folder / "work"
        begin(self._kept_at((), ""))

    def run(self, words: Words, at: Operation | None = None, what: str = KILL, **more: Any) -> Ended:
        return self._server.run(words, self.work, at, what, **more)

    def begin(self, command: Command) -> None:
        """Fills the folder with what is there before the command."""
        self._begin(command.before, command.stopped)

    def _begin(self, before: tuple[Words, ...], stopped: str) -> None:
        kept = self._kept_at(before, stopped)
        if not kept.exists():
            self._begin(before[:-1], "")
            at = None
            if stopped:
                done = self.run(before[-1], watch=True).operations
                at = done[[any(stopped in path for path in each.paths) for each in done].index(True) + 1]
                self._begin(before[:-1], "")
            ended = self.run(before[-1], at)
            assert ended.killed if stopped else ended.code == 0, ended
            shutil.copytree(self.work, kept, symlinks=True)
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(kept, self.work, symlinks=True)

    def _kept_at(self, before: Sequence[Words], stopped: str) -> Path:
        return self._kept / hashlib.sha256(f"{before} {stopped}".encode()).hexdigest()[:16]


def killed(place: Place, command: Command, most: int, chosen: Callable[[Operation], bool] = bool) -> Disturbed:
    """Kills the command right before each of its operations; at most so many, spread evenly."""
    before, after, operations = _undisturbed(place, command)
    result = Disturbed(command.name, len(operations))
    for operation in _some([each for each in operations if chosen(each)], most):
        place.begin(command)
        ended = place.run(command.words, operation)
        if not ended.killed:
            continue
        result.hits += 1
        now = state(place.work)
        wrong = left_by_kill(now, before, after) + _again(place, command, now == after, after)
        if wrong:
            result.faults[operation.text] = wrong
    return result


def full(place: Place, command: Command, most: int) -> Disturbed:
    """Has the command find the disk full at each of its operations that take room; at most so many, spread evenly."""
    before, after, operations = _undisturbed(place, command)
    result = Disturbed(command.name, len(operations))
    for operation in _some([each for each in operations if each.call in TAKING], most):
        place.begin(command)
        ended = place.run(command.words, operation, FULL)
        result.hits += 1
        now = state(place.work)
        wrong = left_by_kill(now, before, after) + _told(ended, now, after, result.messages)
        wrong += _again(place, command, now == after, after)
        if wrong:
            result.faults[operation.text] = wrong
    return result


def _undisturbed(place: Place, command: Command) -> tuple[State, State, tuple[Operation, ...]]:
    """What is there before and after the command, and what it does to files."""
    place.begin(command)
    before = state(place.work)
    ended = place.run(command.words, watch=True)
    assert ended.code == 0, ended
    return before, state(place.work), ended.operations


def _some(operations: Sequence[Operation], most: int) -> Sequence[Operation]:
    """At most so many: of those that do the same to the same file the first ones, and else spread evenly."""
    repeated, firsts = Counter[str](), list[int]()
    for each in operations:
        repeated[each.text] += 1
        firsts.append(repeated[each.text])
    for times in range(1, max(firsts, default=0) + 1):
        chosen = [each for each, number in zip(operations, firsts, strict=True) if number <= times]
        if len(chosen) >= most:
            break
    step = max(1.0, len(chosen) / most) if operations else 1.0
    return [chosen[int((number + 0.5) * step)] for number in range(min(most, len(chosen)))] if operations else []


def _again(place: Place, command: Command, complete: bool, after: State) -> list[str]:
    """What is wrong once the command was typed again."""
    ended = place.run(command.again or command.words)
    if ended.code and not (command.asks and complete and "E601" in ended.err):
        return [f"refused: {ended.err.strip()[-300:]}"]
    return left_at_end(state(place.work), after)


def _told(ended: Ended, now: State, after: State, messages: set[str]) -> list[str]:
    """What is wrong with how a command ended that found the disk full."""
    if ended.code == 0:
        return [] if now == after else [f"silent: {wrong}" for wrong in left_at_end(now, after)]
    last = ended.err.strip().splitlines()
    text = next((line for line in last if line.startswith("error")), last[-1] if last else "")
    messages.add(text)
    if ended.code < 0 or "Traceback" in ended.err or "panicked" in ended.err:
        return [f"traceback: {ended.err.strip()[-300:]}"]
    named = re.match(r"error: \S+: |error.*`[^`]*`", text) and "error: the system:" not in text
    return [] if named else [f"no path: {text}"]
