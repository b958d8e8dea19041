"""`RunInProgress`: the folder of a training beside that of its run: `runs/hotel.training` for `runs/hotel`.

spec.aesm     the resolved spec
data.json     a digest of the encoded rows, and the number of processes
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
    """What a training starts with, beside its spec."""

    rows: str
    """Digest of all rows (`rows_digest`)."""
    processes: int


@dataclass(frozen=True, slots=True)
class RunInProgress:
    """The folder of a training that has not ended."""

    folder: Path

    @staticmethod
    def of(run: Path) -> RunInProgress:
        """The folder of the training that leads to a run, whether it exists or not."""
        return RunInProgress(run.with_name(run.name + ENDING))

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.folder / "checkpoints")

    @property
    def started(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return bool(self.checkpoints.steps())

    @property
    def spec(self) -> str:
        """The resolved spec that the training was started with."""
        return (self.folder / "spec.aesm").read_text(encoding="utf-8")

    def report_taken(self, run: Path, overwrite: bool, resume: bool, findings: Findings) -> None:
        """Adds E601 if a run, or a training that was stopped, would be overwritten."""
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

    def begin(self, spec: str, record: StartRecord) -> None:
        """Makes the folder, empty but for the spec and the record."""
        self.remove()
        self.folder.mkdir(parents=True)
        (self.folder / "spec.aesm").write_text(spec, encoding="utf-8")
        (self.folder / "data.json").write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")

    @property
    def begun(self) -> StartRecord | None:
        """What the training was started with; None if that cannot be read."""
        try:
            return StartRecord(**json.loads((self.folder / "data.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def locked(run: Path, findings: Findings) -> Iterator[None]:
    """Locks the folder of a run against other trainings, within its `with` block; adds E601 if one holds the lock."""
    path = run.with_name(f".{run.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if path.exists():  # else the folder cannot be written, and the training reports that itself
            help = ["wait until it has ended", "`-o` names another folder"]
            findings.add("E601", f"`{run}` is being trained by another process", help=help)
    try:
        yield
    finally:
        if lock.is_locked:
            path.unlink(missing_ok=True)
            lock.release()


def free_folder(run: Path) -> Path:
    """Returns the folder, or the first of folder-2, folder-3, ... that neither exists nor is being trained."""
    number, free = 1, run
    while free.exists() or RunInProgress.of(free).folder.exists():
        number += 1
        free = run.with_name(f"{run.name}-{number}")
    return free


def latest_in_progress(run: Path) -> Path:
    """Returns which of folder, folder-2, folder-3, ... has the latest unfinished training; else the folder."""
    name = re.compile(rf"{re.escape(run.name)}(-\d+)?{re.escape(ENDING)}")
    unfinished = [path for path in run.parent.glob(f"*{ENDING}") if name.fullmatch(path.name)]
    newest = max(unfinished, key=lambda path: path.stat().st_mtime, default=None)
    return run if newest is None else newest.with_name(newest.name.removesuffix(ENDING))


def rows_digest(tables: Tables) -> str:
    """Returns the SHA-256 of all encoded rows of all parts, in order."""
    parts = {"train": tables.train, "valid": tables.valid, "test": tables.test}
    lines = [f"{name} {part.stored.digest} {part.ranges}" for name, part in parts.items() if part is not None]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
