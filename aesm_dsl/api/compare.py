"""`compare`: the AES model of a spec and its rivals, trained with several seeds in processes of their own.

DIR/runs/ARCHITECTURE-SEED         a run folder each; one that is there already, of the same resolved spec, is kept
DIR/runs/ARCHITECTURE-CHOICE-SEED  the same where settings are searched: choice 1, 2, ...
DIR/compare.json                   what they say about each other, once all are there
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.load_run import load_run
from aesm_dsl.api.trials import Trial, need_validation, train_all, unfinished
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.error import AesmError
from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.spec.spec_file import write_text
from aesm_dsl.training.distributed.launch import refuse_many

if TYPE_CHECKING:
    from aesm_dsl.training.compare import Comparison
    from aesm_dsl.training.metrics.paired_rows_test import RowTest
    from aesm_dsl.training.run.folder import Run

UNIFIED = "aes"
RIVALS = tuple(name for name in ARCHITECTURES if name != UNIFIED)


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
    tries: Sequence[str] = (),
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
    tries      overrides to choose from, for each architecture by itself: those of one path exclude each other, those of
               different paths are combined. Each choice is trained with the first seed; the one with the best mean AUC
               on the validation rows is trained with the other seeds too, and compared
    watch      called after every run
    """
    from aesm_dsl.training.compare import comparison

    names = (UNIFIED, *dict.fromkeys(rivals))
    _refuse(names, seeds, jobs)
    choices = _choices(tries)
    compiled = [
        compile_spec(spec, overrides=(*overrides, *choice), arch=name, warn=warn)
        for choice in choices
        for name in names
    ]
    first = compiled[0]
    refuse_many("compare", first.spec.places.of(""))
    if tries:
        need_validation(first)
    folder = Path(out) if out is not None else Path("runs") / f"{first.spec.name}-compare"
    start = first.plan.training.seed

    def trial(name: str, choice: int, seed: int) -> Trial:
        which = f"{name}-{choice + 1}-{seed}" if tries else f"{name}-{seed}"
        more = (*overrides, *choices[choice], f"train.seed={seed}")
        return Trial(str(spec), folder / "runs" / which, name, seed, device, more)

    total, done = len(names) * (len(choices) + seeds - 1), 0

    def fill(trials: Sequence[Trial]) -> None:
        nonlocal done
        left = unfinished(trials, overwrite)
        done += len(trials) - len(left)
        train_all(left, jobs, tell)

    def tell(one: Trial, value: float | None) -> None:
        nonlocal done
        done += 1
        watch(Finished(done, total, one.architecture, one.seed, value))

    chosen = dict.fromkeys(names, 0)
    if tries:
        opening = {name: [trial(name, choice, start) for choice in range(len(choices))] for name in names}
        fill([one for together in zip(*opening.values(), strict=True) for one in together])
        chosen = {name: _best(of_name) for name, of_name in opening.items()}
    every = {name: [trial(name, chosen[name], seed) for seed in range(start, start + seeds)] for name in names}
    fill([one for together in zip(*every.values(), strict=True) for one in together][len(names) if tries else 0 :])
    runs = {name: [load_run(one.folder) for one in own] for name, own in every.items()}
    settings = {name: choices[which] for name, which in chosen.items()}
    found = comparison(runs, folder, _by_rows(runs, device), settings)
    write_text(folder / "compare.json", found.to_json())
    return found


def _choices(tries: Sequence[str]) -> list[tuple[str, ...]]:
    """All combinations of overrides, one of each path; [()] of none."""
    by_path: dict[str, list[str]] = {}
    for one in tries:
        by_path.setdefault(one.partition("=")[0].strip(), []).append(one)
    return list(product(*by_path.values()))


def _best(trials: Sequence[Trial]) -> int:
    """Which trial has the best epoch by mean AUC on the validation rows; the first of equals."""
    known = [[one.valid_mean_auc for one in load_run(trial.folder).history] for trial in trials]
    best = [max((value for value in values if value is not None), default=0.0) for values in known]
    return best.index(max(best))


def _by_rows(runs: Mapping[str, Sequence[Run]], device: str) -> dict[str, dict[tuple[str, str], RowTest]]:
    """By rival the tests of AES against it on the rows both were measured on; none where these are no longer there."""
    from aesm_dsl.training.evaluate import predict_measured_rows
    from aesm_dsl.training.metrics.paired_rows_test import ranked_rows, row_tests

    seen = {}
    for name, own in runs.items():
        predictions = [predict_measured_rows(run, device, Findings()) for run in own]
        known = [one for one in predictions if one is not None]
        seen[name] = ranked_rows(own[0].plan, [one.rows for one in known]) if len(known) == len(own) else None
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
