"""`load_run`: the run that a folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError

if TYPE_CHECKING:
    from aesm_dsl.training.run.folder import Run


def load_run(folder: str | Path) -> Run:
    """Loads the run of a folder.

    Raises:
        AesmError: there is no run in the folder, or it is damaged.
    """
    from aesm_dsl.training.run import folder as run_folder
    from aesm_dsl.training.run.run_in_progress import RunInProgress, lock_path, locked

    findings = Findings()
    run = run_folder.load_run(Path(folder), findings)
    if run is None:
        raise AesmError(findings)
    in_progress = RunInProgress.of(run.folder)
    if in_progress.folder.exists() and in_progress.is_over(run.folder):
        in_progress.remove()  # killed between the two
    if lock_path(run.folder).exists():
        with locked(run.folder, Findings()):  # removes the lock of a training that was killed
            pass
    return run


def as_run(run: Run | str | Path) -> Run:
    """The run itself, loaded if its folder is given."""
    return load_run(run) if isinstance(run, str | Path) else run
