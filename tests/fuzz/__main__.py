"""`python -m tests.fuzz`: any number of mutants; prints each new kind of fault with the smallest mutant that has it."""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import time
from pathlib import Path

from tests.fuzz.judge import faults
from tests.fuzz.mutate import Mutant, mutant

_CHUNK = 500


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that have faults")
    given = parser.parse_args()
    started, told, done, faulty = time.monotonic(), set[str](), 0, 0
    ranges = [
        range(first, min(first + _CHUNK, given.first + given.mutants))
        for first in range(given.first, given.first + given.mutants, _CHUNK)
    ]
    with multiprocessing.Pool(given.jobs) as pool:
        for seeds, found in zip(ranges, pool.imap(_judge, ranges), strict=True):
            done += len(seeds)
            faulty += len(found)
            for seed, fault in found:
                if (kind := _kind(fault)) not in told:
                    told.add(kind)
                    _tell(seed, fault, given.keep)
            print(f"{done} mutants, {faulty} with faults, {time.monotonic() - started:.0f} s", flush=True)
    return bool(faulty)


def _judge(seeds: range) -> list[tuple[int, str]]:
    return [(seed, found[0]) for seed in seeds if (found := faults(mutant(seed)))]


def _kind(fault: str) -> str:
    """Faults of one kind differ in numbers at most; of a traceback its last lines say the kind."""
    return re.sub(r"\d+|0x\w+", "N", "\n".join(fault.strip().splitlines()[-3:]))[:300]


def _tell(seed: int, fault: str, keep: Path | None) -> None:
    one = mutant(seed)
    small = _shrunk(one, _kind(fault)) if len(one.content) < 20_000 else one
    print(f"--- seed {seed}\n{fault}\n{small.content[:1500]!r}", flush=True)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{seed}{Path(one.path).suffix}").write_bytes(small.content)


def _shrunk(one: Mutant, kind: str) -> Mutant:
    """The mutant without what its fault does not need: ever smaller pieces are left out."""
    content = one.content
    size = len(content) // 2
    while size:
        at = 0
        while at < len(content):
            smaller = Mutant(one.path, content[:at] + content[at + size :])
            if kind in map(_kind, faults(smaller)):
                content = smaller.content
            else:
                at += size
        size //= 2
    return Mutant(one.path, content)


if __name__ == "__main__":
    sys.exit(main())
