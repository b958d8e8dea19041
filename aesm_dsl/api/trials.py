"""Many trainings of one spec, each in a process of its own: what `compare` is made of."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.train import train
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.compiled import Compiled


@dataclass(frozen=True, slots=True)
class Trial:
    """One run to train."""

    spec: str
    folder: Path
    architecture: str
    seed: int
    device: str
    overrides: tuple[str, ...]
    resume: bool = False
    """Whether a training of it that was stopped goes on, if it was begun with the same spec."""


def train_all(trials: Sequence[Trial], jobs: int | None, watch: Callable[[Trial, float | None], None]) -> None:
    """Trains the runs.

    Args:
        trials: the runs.
        jobs: runs at a time; None for as many as there are cores, one on a GPU.
        watch: called after each run with its mean AUC.

    Raises:
        AesmError: one of the trainings failed.
    """
    if not trials:
        return
    with _running(trials, _jobs(jobs, trials[0].device, len(trials))) as finished:
        for trial, value in finished:
            watch(trial, value)


def unfinished(trials: Sequence[Trial], overwrite: bool) -> list[Trial]:
    """Returns the trials that are still to be trained: their folder is missing, or holds the run of another spec.

    Raises:
        AesmError: a folder holds the run of another spec, and `overwrite` is False (E601).
    """
    left, findings = [], Findings()
    for trial in trials:
        if not (trial.folder / "run.json").is_file():
            left.append(trial)
        elif _resolved(trial) != (trial.folder / "spec.aesm").read_text(encoding="utf-8"):
            left.append(trial)
            if not overwrite:
                refuse_other_spec(trial.folder, findings)
    if findings.errors:
        raise AesmError(findings)
    return left


def refuse_other_spec(folder: Path, findings: Findings) -> None:
    """Adds E601 for a folder that holds the run of another spec."""
    message = f"`{folder}` is a run of another spec, or of other settings"
    findings.add("E601", message, help=["`--overwrite` trains it again", "`-o` names another folder"])


def need_validation(compiled: Compiled) -> None:
    """Raises AesmError (E610) if the spec has no validation rows to judge a search by."""
    if compiled.plan.data is None or compiled.plan.data.valid is None:
        help = "write `valid = split(random: 10%)` in `data`"
        raise refusal(compiled, "a search is judged by validation rows, and the spec names none", help)


def refusal(compiled: Compiled, message: str, help: str | list[str]) -> AesmError:
    """Returns an AesmError with E610, located at the start of the spec."""
    findings = Findings()
    findings.add("E610", message, compiled.spec.places.of(""), help=help)
    return AesmError(findings)


def _resolved(trial: Trial) -> str:
    compiled = compile_spec(trial.spec, overrides=trial.overrides, arch=trial.architecture)
    return compiled.resolved()


def _jobs(asked: int | None, device: str, runs: int) -> int:
    if asked is None:
        from aesm_dsl.training.preconditions import find_device

        found = find_device(device, Findings())
        asked = len(os.sched_getaffinity(0)) if found is not None and found.type == "cpu" else 1
    return max(1, min(asked, runs))


@contextmanager
def _running(trials: Sequence[Trial], jobs: int) -> Iterator[Iterator[tuple[Trial, float | None]]]:
    """Yields the trials as they finish, with the mean AUC of each. On the way out, trials that wait are cancelled."""
    if jobs == 1:
        yield ((trial, _raised(_train(trial))) for trial in trials)
        return
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start_process, (threads,))
    try:
        futures = {pool.submit(_train, trial): trial for trial in trials}
        yield ((futures[future], _raised(_result(future))) for future in as_completed(futures))
    finally:
        pool.shutdown(cancel_futures=True)


def _start_process(threads: int) -> None:
    """Starts a process: limits its threads, and ties its life to that of its parent."""
    # The variables are read when the libraries are loaded, so they are set before.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), str(threads))
    # A process whose parent was killed would train on, in the way of whoever resumes in the folder.
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _train(trial: Trial) -> float | Findings | None:
    """The mean AUC of the run, or what was wrong."""
    from aesm_dsl.training.metrics.scores import mean

    try:
        run = train(
            trial.spec,
            trial.folder,
            arch=trial.architecture,
            device=trial.device,
            overwrite=True,
            resume=trial.resume and _begun(trial),
            overrides=trial.overrides,
        )
    except AesmError as error:
        return error.findings
    return mean(run.scores, "mean_auc")


def _begun(trial: Trial) -> bool:
    from aesm_dsl.training.run.run_in_progress import RunInProgress

    in_progress = RunInProgress.of(trial.folder)
    return in_progress.started and in_progress.begun is not None and in_progress.spec == _resolved(trial)


def _result(future: Future[float | Findings | None]) -> float | Findings | None:
    try:
        return future.result()
    except BrokenProcessPool:
        findings = Findings()
        findings.add(
            "E603",
            "training stopped: a process ended without a word, most often for want of memory",
            help="`--jobs 1` trains one run at a time; finished runs are kept",
        )
        return findings


def _raised(result: float | Findings | None) -> float | None:
    """The result; raises AesmError if it is findings, which came from another process."""
    if isinstance(result, Findings):
        raise AesmError(result)
    return result
