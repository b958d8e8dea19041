"""`python -m tests.kills`: disturbs commands at their operations on files; prints a table of what became of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.kills.commands import COMMANDS, Command
from tests.kills.disturb import Disturbed, Place, full, killed
from tests.kills.process import Server, why_not
from tests.kills.servers import SERVE, killed_servers

KINDS = ("lost", "half", "refused", "wrong", "missing", "leftover", "silent", "traceback", "no path", "fails")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("commands", nargs="*", help="names of commands, or how they begin; by default all")
    parser.add_argument("--full", action="store_true", help="the disk is full at the operation, instead of a kill")
    parser.add_argument("--most", type=int, default=40, help="most operations of a command, spread evenly")
    parser.add_argument("--jobs", type=int, default=1, help="commands at a time")
    parser.add_argument("--say", action="store_true", help="print every fault and message, not only the table")
    parser.add_argument("--list", action="store_true", help="print the operations of the commands, and disturb nothing")
    given = parser.parse_args()
    if why := why_not():
        print(f"nothing was tried: {why}")
        return 0
    wanted = tuple(given.commands) or ("",)
    chosen = [each for each in (*COMMANDS, SERVE) if each.name.startswith(wanted)]
    began = time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        shares = pool.map(partial(_share, given), [chosen[first :: given.jobs] for first in range(given.jobs)])
        results = [each for share in shares for each in share]
    _print(results, given.full)
    print(f"{sum(each.hits for each in results)} in {time.monotonic() - began:,.0f} s")
    return any(each.faults for each in results)


def _share(given: argparse.Namespace, commands: list[Command]) -> list[Disturbed]:
    """The results of some commands, one after the other."""
    results = []
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        place = Place(server, Path(folder).resolve())
        for command in commands:
            began = time.monotonic()
            try:
                result = _disturbed(given, place, command)
            except (AssertionError, OSError) as error:
                result = Disturbed(command.name, 0, faults={"": [f"fails: {error}"]})
            if result is not None:
                results.append(result)
            if result is not None and given.say:
                print(f"--- {command.name}: {result.hits} in {time.monotonic() - began:,.0f} s", flush=True)
                for operation, faults in result.faults.items():
                    print(operation, *faults, sep="\n    ", flush=True)
                print(*sorted(result.messages), sep="\n", flush=True)
    return results


def _disturbed(given: argparse.Namespace, place: Place, command: Command) -> Disturbed | None:
    """What became of a command; None if it is not to be disturbed."""
    if given.list:
        place.begin(command)
        done = place.run(command.words, watch=True).operations if command is not SERVE else ()
        print(*(f"{command.name}: {operation.text}" for operation in done), sep="\n")
        return None
    if command is SERVE:
        return None if given.full else killed_servers(place, given.most)
    return (full if given.full else killed)(place, command, given.most)


def _print(results: list[Disturbed], is_full: bool) -> None:
    """A table in Markdown."""
    kinds = [kind for kind in KINDS if any(kind in _kinds(each) for each in results)]
    print("", "command", "operations", "full disks" if is_full else "kills", "right", *kinds, "", sep=" | ")
    print("|---" * (4 + len(kinds)) + "|")
    for each in results:
        counts = _kinds(each)
        wrong = [counts[kind] or "" for kind in kinds]
        print("", each.command, each.operations, each.hits, each.hits - len(each.faults), *wrong, "", sep=" | ")


def _kinds(result: Disturbed) -> Counter[str]:
    """How many disturbances had a fault of each kind."""
    return Counter(kind for faults in result.faults.values() for kind in {one.partition(":")[0] for one in faults})


if __name__ == "__main__":
    sys.exit(main())
