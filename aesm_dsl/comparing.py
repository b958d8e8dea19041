"""`compare`: the AES model of a spec and its rivals, trained with several seeds in processes of their own.

DIR/runs/ARCHITECTURE-SEED   a run folder each; one that is there already, of the same resolved spec, is kept
DIR/compare.json             what they say about each other, once all are there
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.error import AesmError
from aesm_dsl.pipeline import compile_spec, load_run, train
from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.spec_file import write_text
from aesm_dsl.training.launch import refuse_many

if TYPE_CHECKING:
    from aesm_dsl.training.comparison import Comparison
    from aesm_dsl.training.rows import RowTest
    from aesm_dsl.training.run import Run

UNIFIED = "aes"
RIVALS = tuple(name for name in ARCHITECTURES if name != UNIFIED)


@dataclass(frozen=True, slots=True)
class Trial:
    """One run to train."""

    spec: str
    folder: Path
    architecture: str
    seed: int
    device: str
    overrides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """How far a comparison is, for whoever watches."""

    done: int
    runs: int
    architecture: str
    seed: int
    mean_auc: float | None
    """Of the run that was finished last, over its tasks on all rows it was measured on."""


def compare(
    spec: str | Path,
    out: str | Path | None = None,
    *,
    rivals: Sequence[str] = RIVALS,
    seeds: int = 3,
    jobs: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    warn: Callable[[Findings], None] = lambda findings: None,
    watch: Callable[[Finished], None] = lambda finished: None,
) -> Comparison:
    """Trains the AES model of a spec and baselines as large as it, each with several seeds, and compares them.

    out        the folder (default `runs/NAME-compare`). Runs that it holds already are kept, so that a comparison that
               was interrupted, or is given more seeds or rivals, goes on; what changes a plan needs another folder
    seeds      how many: the spec's own and the ones that follow it
    jobs       how many runs at a time, each in a process with its share of the cores; None: as many as there are cores,
               one on a GPU. The processes are spawned: a script must not call this when it is imported
    overwrite  train runs of another spec anew, instead of refusing the folder
    watch      called after every run
    """
    from aesm_dsl.training.comparison import comparison

    names = (UNIFIED, *dict.fromkeys(rivals))
    _refuse(names, seeds, jobs)
    compiled = {name: compile_spec(spec, overrides=overrides, arch=name, warn=warn) for name in names}
    first = compiled[UNIFIED]
    refuse_many("compare", first.spec.places.of(""))
    folder = Path(out) if out is not None else Path("runs") / f"{first.spec.name}-compare"
    start = first.plan.training.seed
    trials = [
        Trial(str(spec), folder / "runs" / f"{name}-{seed}", name, seed, device, (*overrides, f"train.seed={seed}"))
        for seed in range(start, start + seeds)
        for name in names
    ]
    left = _unfinished(trials, overwrite)
    done = len(trials) - len(left)
    with _running(left, _jobs(jobs, device, len(left))) as finished:
        for trial, value in finished:
            done += 1
            watch(Finished(done, len(trials), trial.architecture, trial.seed, value))
    runs = {name: [load_run(one.folder) for one in trials if one.architecture == name] for name in names}
    found = comparison(runs, folder, _by_rows(runs, device))
    write_text(folder / "compare.json", found.to_json())
    return found


def _by_rows(runs: Mapping[str, Sequence[Run]], device: str) -> dict[str, dict[tuple[str, str], RowTest]]:
    """By rival the tests of AES against it on the rows both were measured on; none where these are no longer there."""
    from aesm_dsl.training.rows import row_tests, sides
    from aesm_dsl.training.train import forecast_run

    seen = {}
    for name, own in runs.items():
        forecasts = [forecast_run(run, device, Findings()) for run in own]
        known = [one for one in forecasts if one is not None]
        seen[name] = sides(own[0].plan, known) if len(known) == len(own) else None
    unified = seen.pop(UNIFIED)
    if unified is None:
        return {}
    return {name: row_tests(unified, rival) for name, rival in seen.items() if rival is not None}


def _refuse(names: Sequence[str], seeds: int, jobs: int | None) -> None:
    if seeds < 1 or (jobs is not None and jobs < 1):
        raise ValueError(f"{seeds} seeds and {jobs} jobs, expected at least one")
    findings = Findings()
    for name in names:
        if name not in ARCHITECTURES:
            known = quoted(RIVALS)
            findings.add("E302", f"no architecture `{name}`", help=[did_you_mean(name, RIVALS), f"there are {known}"])
    if findings.errors:
        raise AesmError(findings)


def _unfinished(trials: Sequence[Trial], overwrite: bool) -> list[Trial]:
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


def _resolved(trial: Trial) -> str:
    compiled = compile_spec(trial.spec, overrides=trial.overrides, arch=trial.architecture)
    return compiled.resolved()


def _jobs(asked: int | None, device: str, runs: int) -> int:
    if asked is None:
        from aesm_dsl.training.train import find_device

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
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _share, (threads,))
    try:
        futures = {pool.submit(_train, trial): trial for trial in trials}
        yield ((futures[one], _told(_result(one))) for one in as_completed(futures))
    finally:
        pool.shutdown(cancel_futures=True)


def _share(threads: int) -> None:
    """How many threads a process may use; said before it loads the libraries that look here."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), str(threads))


def _train(trial: Trial) -> float | Findings | None:
    """The mean AUC of the run, or what was wrong."""
    from aesm_dsl.training.metric import mean

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
