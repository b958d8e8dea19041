"""Many trainings of one spec, each in a process of its own."""

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


def train_all(trials: Sequence[Trial], jobs: int | None, watch: Callable[[Trial, float | None], None]) -> None:
    """Trains them.

    jobs   how many at a time; None: as many as there are cores, one on a GPU
    watch  called after each with the mean AUC of its run
    Raises AesmError for what is wrong with one of the trainings.
    """
    if not trials:
        return
    with _running(trials, _jobs(jobs, trials[0].device, len(trials))) as finished:
        for trial, value in finished:
            watch(trial, value)


def unfinished(trials: Sequence[Trial], overwrite: bool) -> list[Trial]:
    """The trials whose folder is not there yet, or with `overwrite` is a run of another spec; else that is refused."""
    left, findings = [], Findings()
    for trial in trials:
        if not (trial.folder / "run.json").is_file():
            left.append(trial)
        elif _resolved(trial) != (trial.folder / "spec.aesm").read_text(encoding="utf-8"):
            left.append(trial)
            if not overwrite:
                findings.add(
                    "E601",
                    f"`{trial.folder}` is a run of another spec, or of other settings",
                    help=["`--overwrite` trains it again", "`-o` names another folder"],
                )
    if findings.errors:
        raise AesmError(findings)
    return left


def need_validation(compiled: Compiled) -> None:
    """Raises E610 for a spec without validation rows, by which a search would be judged."""
    if compiled.plan.data is None or compiled.plan.data.valid is None:
        helps = "write `valid = split(random: 10%)` in `data`"
        raise refusal(compiled, "a search is judged by validation rows, and the spec names none", helps)


def refusal(compiled: Compiled, message: str, helps: str | list[str]) -> AesmError:
    """E610, at the start of the spec."""
    findings = Findings()
    findings.add("E610", message, compiled.spec.places.of(""), help=helps)
    return AesmError(findings)


def _resolved(trial: Trial) -> str:
    compiled = compile_spec(trial.spec, overrides=trial.overrides, arch=trial.architecture)
    return compiled.resolved()


def _jobs(asked: int | None, device: str, runs: int) -> int:
    if asked is None:
        from aesm_dsl.training.preconditions import find_device

        place = find_device(device, Findings())
        asked = len(os.sched_getaffinity(0)) if place is not None and place.type == "cpu" else 1
    return max(1, min(asked, runs))


@contextmanager
def _running(trials: Sequence[Trial], jobs: int) -> Iterator[Iterator[tuple[Trial, float | None]]]:
    """The trials as they finish, with the mean AUC of each. Trials that have not begun are given up on the way out."""
    if jobs == 1:
        yield ((trial, _told(_train(trial))) for trial in trials)
        return
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (threads,))
    try:
        futures = {pool.submit(_train, trial): trial for trial in trials}
        yield ((futures[one], _told(_result(one))) for one in as_completed(futures))
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    """How many threads a process may use, said before it loads the libraries that look here; and how it ends.

    A process whose parent was killed would train on, and be in the way of whoever goes on with the folder.
    """
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), str(threads))
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
            overrides=trial.overrides,
        )
    except AesmError as error:
        return error.findings
    return mean(run.scores, "mean_auc")


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


def _told(result: float | Findings | None) -> float | None:
    if isinstance(result, Findings):
        raise AesmError(result)
    return result
