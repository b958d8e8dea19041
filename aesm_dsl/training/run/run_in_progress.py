"""`RunInProgress`: the folder of a run in training, beside its place: `runs/hotel.training` for `runs/hotel`.

spec.aesm     the resolved spec
data.json     a digest of the rows that are trained on, as they are encoded, and the number of processes
checkpoints/  see checkpoint.py
log.jsonl, events/  see log.py
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from aesm_dsl.data.prepare import Tables
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.run.checkpoint import Checkpoints

ENDING = ".training"


@dataclass(frozen=True, slots=True)
class StartRecord:
    """What a training is begun with, beside its spec."""

    rows: str
    """The digest of all rows."""
    processes: int


@dataclass(frozen=True, slots=True)
class RunInProgress:
    folder: Path

    @staticmethod
    def of(run: Path) -> RunInProgress:
        """That of a run's folder, whether there is one or not."""
        return RunInProgress(run.with_name(run.name + ENDING))

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.folder / "checkpoints")

    @property
    def started(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return bool(self.checkpoints.steps())

    @property
    def spec(self) -> str:
        """The resolved spec that it was begun with."""
        return (self.folder / "spec.aesm").read_text(encoding="utf-8")

    def tell_taken(self, run: Path, overwrite: bool, resume: bool, findings: Findings) -> None:
        """E601 where a result, or a training that was stopped, would be overwritten."""
        if not resume and not overwrite and self.started:
            findings.add(
                "E601",
                f"`{self.folder}` holds a training that was stopped",
                help=["`--resume` goes on with it", "`--overwrite` begins anew", "`-o` names another folder"],
            )
        if run.exists() and not overwrite:
            findings.add(
                "E601",
                f"`{run}` exists already",
                help=["`--overwrite` replaces it once the new run is complete", "`-o` names another folder"],
            )
        elif run.exists() and not (run / "run.json").is_file() and any(run.iterdir()):
            findings.add("E601", f"`{run}` is not a run, so it is not replaced", help="`-o` names another folder")

    def begin(self, spec: str, begun: StartRecord) -> None:
        """An empty folder, but for the spec and what it was begun with."""
        self.remove()
        self.folder.mkdir(parents=True)
        (self.folder / "spec.aesm").write_text(spec, encoding="utf-8")
        (self.folder / "data.json").write_text(json.dumps(asdict(begun)) + "\n", encoding="utf-8")

    @property
    def begun(self) -> StartRecord | None:
        """What it was begun with; None where that cannot be read."""
        try:
            return StartRecord(**json.loads((self.folder / "data.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def locked(run: Path, findings: Findings) -> Iterator[None]:
    """Keeps other processes from training into the folder meanwhile; E601 where one does already."""
    path = run.with_name(f".{run.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if path.exists():  # else it cannot be written, which the training tells
            helps = ["wait until it has ended", "`-o` names another folder"]
            findings.add("E601", f"`{run}` is being trained by another process", help=helps)
    try:
        yield
    finally:
        if lock.is_locked:
            path.unlink(missing_ok=True)
            lock.release()


def free_folder(run: Path) -> Path:
    """The folder, or the first of folder-2, folder-3, ... that neither exists nor is being trained."""
    number, found = 1, run
    while found.exists() or RunInProgress.of(found).folder.exists():
        number += 1
        found = run.with_name(f"{run.name}-{number}")
    return found


def latest_in_progress(run: Path) -> Path:
    """Of the folder, folder-2, folder-3, ... the one with the latest unfinished training; the folder without any."""
    name = re.compile(rf"{re.escape(run.name)}(-\d+)?{re.escape(ENDING)}")
    found = [one for one in run.parent.glob(f"*{ENDING}") if name.fullmatch(one.name)]
    newest = max(found, key=lambda one: one.stat().st_mtime, default=None)
    return run if newest is None else newest.with_name(newest.name.removesuffix(ENDING))


def rows_digest(tables: Tables) -> str:
    """SHA-256 of all rows of all parts, in their order, as they are encoded."""
    parts = {"train": tables.train, "valid": tables.valid, "test": tables.test}
    said = [f"{name} {part.stored.digest} {part.ranges}" for name, part in parts.items() if part is not None]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()
