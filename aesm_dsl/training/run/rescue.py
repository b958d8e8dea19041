"""Saves a run where it was to go; if that cannot be written, where there is room, so that no training is lost."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from aesm_dsl.files.temporary import remove
from aesm_dsl.files.whole import unwritten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.run.folder import Run, save_run
from aesm_dsl.training.run.run_in_progress import RunInProgress


def save_or_rescue(run: Run, in_progress: RunInProgress, *, overwrite: bool, findings: Findings) -> None:
    """Writes a run into its folder.

    If that fails, it is written into the system's folder for temporary files, and E613 says so. The last checkpoint
    stays, from which `--resume` makes the run again.
    """
    try:
        save_run(run, overwrite=overwrite, logs=in_progress.folder)
        return
    except OSError as error:
        message = unwritten(run.folder, error)
    rescued, steps = _rescue(run, in_progress), in_progress.checkpoints.steps()
    helps = []
    if rescued is not None:
        helps.append(f"the whole run is in `{rescued}`: move it to a disk with room")
    if steps:
        helps.append(f"`--resume` goes on from step {steps[-1]:,} once there is room")
    findings.add("E613", f"the training has ended, but {message}", help=helps or ["make room, and train again"])
    if not steps:
        in_progress.remove()


def _rescue(run: Run, in_progress: RunInProgress) -> Path | None:
    """The folder that the run was written into; None if there is no room either."""
    with suppress(OSError):
        above = Path(tempfile.mkdtemp(prefix="aesm-"))
        try:
            rescued = replace(run, folder=above / run.folder.name)
            save_run(rescued, overwrite=False, logs=in_progress.folder)
            return rescued.folder
        except OSError:
            remove(above)
    return None
