"""`RunInProgress`: the folder of a training beside that of its run: `runs/hotel.training` for `runs/hotel`.

start.json    the manifest of what does not change: the training's name, a digest of the encoded rows, the processes
spec.aesm     the resolved spec
checkpoints/  see checkpoint.py
log.jsonl, events/  see log.py
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from aesm_dsl.data.prepare import Tables
from aesm_dsl.files.manifest import DamagedError, OtherFormatError, open_manifest, write_manifest
from aesm_dsl.files.temporary import clear_leftovers, remove_folder
from aesm_dsl.files.whole import replaced_folder, unwritten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.run.checkpoint import Checkpoints

ELSEWHERE = "make room there, or name a folder on another disk with `-o`"
ENDING = ".training"
MANIFEST, SPEC = "start.json", "spec.aesm"
FORMAT = 1
"""Version of the folder of a training; a training of another version is not resumed."""


@dataclass(frozen=True, slots=True)
class StartRecord:
    """What a training starts with, beside its spec."""

    rows: str
    """Digest of all rows (`rows_digest`)."""
    processes: int


@dataclass(frozen=True, slots=True)
class _Start(StartRecord):
    """The values of start.json."""

    training: str
    """The training's name, drawn when it begins. Its run has the same one."""


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
        return (self.folder / SPEC).read_text(encoding="utf-8")

    @property
    def name(self) -> str:
        """The training's name; empty if there is no training."""
        start = self._start()
        return start.training if isinstance(start, _Start) else ""

    @property
    def begun(self) -> StartRecord | None:
        """What the training was started with; None if that cannot be read."""
        start = self._start()
        return StartRecord(start.rows, start.processes) if isinstance(start, _Start) else None

    def report_unreadable(self, findings: Findings) -> None:
        """Adds E608 if what the training was started with cannot be read."""
        start = self._start()
        if isinstance(start, str):
            help = "`--overwrite` without `--resume` begins anew"
            findings.add("E608", f"the training in `{self.folder}` cannot go on: {start}", help=help)

    def _start(self) -> _Start | str:
        """What the training was started with; or why that cannot be read."""
        try:
            values = open_manifest(self.folder, MANIFEST, FORMAT, required=(SPEC,))
            return read_json(_Start, json.dumps(values))
        except (DamagedError, OtherFormatError, ValueError) as error:
            return str(error)

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
        """Makes the folder, empty but for the spec and the record. Raises OSError if it cannot be written."""
        self.remove()
        with replaced_folder(self.folder) as new:
            (new / SPEC).write_text(spec, encoding="utf-8")
            write_manifest(new, MANIFEST, FORMAT, asdict(_Start(**asdict(record), training=secrets.token_hex(8))))

    def remove(self) -> None:
        remove_folder(self.folder)

    def is_over(self, run: Path) -> bool:
        """Whether a run is that of this training, or there is no training.

        A training that is killed after its run is complete leaves its folder behind.
        """
        try:
            training = json.loads((run / "run.json").read_text(encoding="utf-8"))["training"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            training = ""
        return not self.folder.exists() or (training != "" and training == self.name)


def lock_path(run: Path) -> Path:
    """Returns the file that is locked while the run of a folder is trained."""
    return run.with_name(f".{run.name}.lock")


@contextmanager
def locked(run: Path, findings: Findings) -> Iterator[None]:
    """Locks the folder of a run against other trainings, within its `with` block.

    Adds E601 if another one holds the lock, and E613 if the folder above cannot be written.
    """
    path = lock_path(run)
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(path.parent)
        lock.acquire(blocking=False)
    except Timeout:
        if path.exists():  # else the folder cannot be written, and the training reports that itself
            help = ["wait until it has ended", "`-o` names another folder"]
            findings.add("E601", f"`{run}` is being trained by another process", help=help)
    except OSError as error:
        findings.add("E613", unwritten(run, error), help=ELSEWHERE)
    try:
        yield
    finally:
        if lock.is_locked:
            path.unlink(missing_ok=True)
            lock.release()


def free_folder(run: Path) -> Path:
    """Returns the folder, or the first of folder-2, folder-3, ... that holds no run and no training.

    A training that was killed before its first checkpoint holds nothing; one that goes on locks its folder.
    """
    number, free = 1, run
    while free.exists() or RunInProgress.of(free).started or _is_locked(free):
        number += 1
        free = run.with_name(f"{run.name}-{number}")
    return free


def _is_locked(run: Path) -> bool:
    findings = Findings()
    if not lock_path(run).exists():
        return False
    with locked(run, findings):
        return bool(findings.errors)


def latest_in_progress(run: Path) -> Path:
    """Returns which of folder, folder-2, folder-3, ... has the latest training that has not ended; else the latest run.

    Without either it is the folder.
    """
    unfinished = [path for path in _numbered(run, ENDING) if path.is_dir()]
    runs = [path for path in _numbered(run, "") if path.is_dir()]
    newest = max(unfinished or runs, key=lambda path: path.stat().st_mtime, default=run)
    return newest.with_name(newest.name.removesuffix(ENDING))


def _numbered(run: Path, ending: str) -> list[Path]:
    name = re.compile(rf"{re.escape(run.name)}(-\d+)?{re.escape(ending)}")
    return [path for path in run.parent.glob("*") if name.fullmatch(path.name)]


def rows_digest(tables: Tables) -> str:
    """Returns the SHA-256 of all encoded rows of all parts, in order."""
    parts = {"train": tables.train, "valid": tables.valid, "test": tables.test}
    lines = [f"{name} {part.stored.digest} {part.ranges}" for name, part in parts.items() if part is not None]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
