"""`aesm compare`: the AES model of a spec and its rivals, each trained with several seeds.

DIR/runs/ARCHITECTURE-SEED         one run folder each; a folder that holds the run of the same resolved spec is kept
DIR/runs/ARCHITECTURE-CHOICE-SEED  the same if settings are searched: choice 1, 2, ...
DIR/runs/MODEL-SEED                a model from outside, `logistic` or `lightgbm`
DIR/compare.json                   the comparison, once all runs are there
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.load_run import load_run
from aesm_dsl.api.outside import OutsideTrials, check_outside
from aesm_dsl.api.trials import Trial, need_validation, train_all, unfinished
from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.baseline import ARCHITECTURES, OUTSIDE_MODELS
from aesm_dsl.training.distributed.launch import refuse_many

if TYPE_CHECKING:
    from aesm_dsl.training.compare import Comparison
    from aesm_dsl.training.metrics.paired_rows_test import RowTest
    from aesm_dsl.training.outside.outside_run import OutsideRun
    from aesm_dsl.training.run.folder import Run

UNIFIED = "aes"
RIVALS = tuple(name for name in ARCHITECTURES if name != UNIFIED)


@dataclass(frozen=True, slots=True)
class Finished:
    """Progress of a comparison: the run that has just finished."""

    done: int
    """Runs that are finished."""
    runs: int
    """Runs there will be."""
    architecture: str
    seed: int
    mean_auc: float | None
    """Mean over the tasks of the AUC, on all rows the run was measured on; of a candidate, on the validation rows."""
    candidate: bool
    """Whether the run is one of those that settings are chosen from."""


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

    All seeds are measured on the same rows: a random split is drawn with the first seed for all of them.

    A comparison that was interrupted, or is given more seeds or rivals, goes on with the runs that its folder holds,
    and with the checkpoints of those that were being trained; whatever changes a plan needs another folder. Runs are
    trained in spawned processes: a script must not call this while it is being imported.

    Args:
        spec: the path of a spec file.
        out: the folder; None for `runs/NAME-compare`.
        rivals: architectures to compare AES with, and models from outside (OUTSIDE_MODELS): "logistic", "lightgbm".
        seeds: how many: the spec's own and the ones that follow it.
        jobs: runs at a time, each in a process with its share of the cores; None for as many as there are cores, one on
            a GPU.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
        overwrite: train runs of another spec again, instead of refusing the folder, and begin unfinished runs anew.
        overrides: settings that replace those of the file.
        tries: overrides for each architecture to choose from: those of one path are alternatives, those of different
            paths are combined. Each choice is trained with the first seed; the one with the best mean AUC on the
            validation rows is trained with the other seeds too, and compared. AES chooses first: settings of its
            experts are then the same for all rivals, which are as large as the AES that was chosen. Models from outside
            choose settings of their own, always by the validation rows.
        warn: called with the warnings about the spec.
        watch: called after every run.

    Raises:
        AesmError: the spec or the data is wrong, or the folder holds runs of another spec.
        ValueError: `seeds` or `jobs` is below 1.
    """
    from aesm_dsl.training.compare import comparison
    from aesm_dsl.training.metrics.scores import mean

    _check_arguments((UNIFIED, *rivals), seeds, jobs)
    names = (UNIFIED, *dict.fromkeys(name for name in rivals if name not in OUTSIDE_MODELS))
    outside = [name for name in OUTSIDE_MODELS if name in rivals]
    choices = _choices(tries)
    compiled = [
        compile_spec(spec, overrides=(*overrides, *choice), arch=name, warn=warn)
        for choice in choices
        for name in names
    ]
    first = compiled[0]
    refuse_many("compare", first.spec.places.of(""))
    check_outside(first, outside)
    if tries:
        need_validation(first)
    folder = Path(out) if out is not None else Path("runs") / f"{first.spec.name}-compare"
    start = first.plan.training.seed
    # Choices of AES alone do not make several choices of a rival.
    alike = [_sized(choice, ()) for choice in choices]
    rival_choices = [number for number, choice in enumerate(alike) if alike.index(choice) == number]
    rivals_count = len(names) - 1
    base = compile_spec(spec, overrides=(*overrides, f"train.seed={start}"), arch=UNIFIED) if outside else first
    of_outside = OutsideTrials(base, folder / "runs", outside, range(start, start + seeds), overwrite)
    total = len(choices) + rivals_count * len(rival_choices) + len(names) * (seeds - 1)
    total, done = total + sum(map(len, of_outside.folders.values())), 0
    chosen, choosing = dict.fromkeys(names, 0), bool(tries)

    def trial(name: str, choice: int, seed: int) -> Trial:
        which = f"{name}-{choice + 1}-{seed}" if tries else f"{name}-{seed}"
        own = choices[choice] if name == UNIFIED else _sized(choices[choice], choices[chosen[UNIFIED]])
        same_rows = _same_rows(first.plan, start) if seed != start else ()
        more = (*overrides, *own, *same_rows, f"train.seed={seed}")
        return Trial(str(spec), folder / "runs" / which, name, seed, device, more, resume=not overwrite)

    def train_missing(trials: Sequence[Trial]) -> None:
        nonlocal done
        left = unfinished(trials, overwrite)
        done += len(trials) - len(left)
        train_all(left, jobs, finished)

    def finished(trial: Trial, mean_auc: float | None) -> None:
        nonlocal done
        done += 1
        # A test score seen here could change what is tried next: then it would be no test any more.
        shown = _valid_auc(trial) if choosing else mean_auc
        watch(Finished(done, total, trial.architecture, trial.seed, shown, choosing))

    def fitted(run: OutsideRun) -> None:
        nonlocal done
        done += 1
        watch(Finished(done, total, run.model, run.seed, mean(run.scores, "mean_auc"), False))

    of_outside.unfitted()  # a folder of another spec is refused before anything is trained
    if tries:
        of_unified = [trial(UNIFIED, choice, start) for choice in range(len(choices))]
        train_missing(of_unified)
        chosen[UNIFIED] = _best(of_unified)
        opening = {name: [trial(name, choice, start) for choice in rival_choices] for name in names[1:]}
        train_missing([trial for choice in zip(*opening.values(), strict=True) for trial in choice])
        chosen |= {name: rival_choices[_best(of_name)] for name, of_name in opening.items()}
        choosing = False
    every = {name: [trial(name, chosen[name], seed) for seed in range(start, start + seeds)] for name in names}
    in_order = [trial for same_seed in zip(*every.values(), strict=True) for trial in same_seed]
    # The first seed of every architecture was trained to choose its settings.
    train_missing(in_order[len(names) if tries else 0 :])
    done += sum(map(len, of_outside.folders.values())) - len(of_outside.unfitted())
    from_outside = of_outside.fitted(fitted)
    runs = {name: [load_run(trial.folder) for trial in trials] for name, trials in every.items()}
    of_chosen = choices[chosen[UNIFIED]]
    settings = {
        name: _sized(choices[which], of_chosen) if name != UNIFIED else of_chosen for name, which in chosen.items()
    }
    by_rows = _by_rows(runs, from_outside, device)
    result = comparison(runs, folder, by_rows, settings, from_outside)
    write_text(folder / "compare.json", result.to_json())
    return result


def _choices(tries: Sequence[str]) -> list[tuple[str, ...]]:
    """All combinations of overrides that have one override for each path; [()] without overrides."""
    by_path: dict[str, list[str]] = {}
    for override in tries:
        by_path.setdefault(override.partition("=")[0].strip(), []).append(override)
    return list(product(*by_path.values()))


def _best(trials: Sequence[Trial]) -> int:
    """The number of the trial with the best epoch by mean AUC on the validation rows; the first of equal ones."""
    best = [_valid_auc(trial) or 0.0 for trial in trials]
    return best.index(max(best))


def _valid_auc(trial: Trial) -> float | None:
    """The mean AUC of the trial's best epoch on the validation rows."""
    epochs = [epoch.valid_mean_auc for epoch in load_run(trial.folder).history]
    return max((value for value in epochs if value is not None), default=None)


def _sized(choice: tuple[str, ...], of_aes: tuple[str, ...]) -> tuple[str, ...]:
    """The choice with those settings that AES alone has replaced by others of it, which say how large it is."""
    return tuple(one for one in of_aes if _of_aes(one)) + tuple(one for one in choice if not _of_aes(one))


def _of_aes(override: str) -> bool:
    """Whether a baseline has no such setting: it depends on it only by the size of the AES model."""
    return not {"experts", "budget"}.isdisjoint(override.partition("=")[0].strip().split("."))


def _same_rows(plan: Plan, seed: int) -> tuple[str, ...]:
    """Overrides that draw random splits with this seed, where the spec does not say with which."""
    splits = {} if plan.data is None else {"valid": plan.data.valid, "test": plan.data.test}
    return tuple(
        f"data.{part}=split(random: {100 * (rule.share or 0):.12g}%, seed: {seed})"
        for part, rule in splits.items()
        if isinstance(rule, SplitPlan) and rule.kind == "random" and rule.seed is None
    )


def _by_rows(
    runs: Mapping[str, Sequence[Run]], from_outside: Mapping[str, Sequence[OutsideRun]], device: str
) -> dict[str, dict[tuple[str, str], RowTest]]:
    """For every rival the tests of AES against it, on the rows both were measured on; none if the rows are gone."""
    from aesm_dsl.training.evaluate import predict_measured_rows
    from aesm_dsl.training.metrics.paired_rows_test import ranked_rows, row_tests

    ranked = {}
    for name, of_name in runs.items():
        predictions = [predict_measured_rows(run, device, Findings()) for run in of_name]
        rows = [prediction.rows for prediction in predictions if prediction is not None]
        ranked[name] = ranked_rows(of_name[0].plan, rows) if len(rows) == len(of_name) else None
    for name, models in from_outside.items():
        ranked[name] = ranked_rows(runs[UNIFIED][0].plan, [model.rows for model in models])
    unified = ranked.pop(UNIFIED)
    if unified is None:
        return {}
    return {name: row_tests(unified, rival) for name, rival in ranked.items() if rival is not None}


def _check_arguments(names: Sequence[str], seeds: int, jobs: int | None) -> None:
    if seeds < 1 or (jobs is not None and jobs < 1):
        raise ValueError(f"{seeds} seeds and {jobs} jobs, expected at least one")
    findings = Findings()
    for name in names:
        if name not in (*ARCHITECTURES, *OUTSIDE_MODELS):
            known = (*RIVALS, *OUTSIDE_MODELS)
            help = [did_you_mean(name, known), f"there are {quoted(known, len(known))}"]
            findings.add("E302", f"no architecture `{name}`, and no model from outside", help=help)
    if findings.errors:
        raise AesmError(findings)
