"""`aesm tune`: a search for the best values of the settings that a spec's `tune` block names, with Optuna.

DIR/study.db    the search: one trial for every training, with its settings and its result
DIR/runs/N      the run of trial N; a trial that was stopped early or could not be trained has none
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.train import train
from aesm_dsl.api.trials import need_validation, refusal
from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.spec.load import load
from aesm_dsl.spec.search_space import Dimension, Placeholder
from aesm_dsl.spec.spec_file import read_source
from aesm_dsl.spec.write import write
from aesm_dsl.training.distributed.launch import refuse_many

if TYPE_CHECKING:
    from aesm_dsl.training.run.history import Epoch

WRITTEN_BY_TUNE = "# The best of "
"""First words of a spec that a search has written."""

TRIED_FIRST = 5
"""Trials that are drawn at random; no trial is stopped early before there are so many."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Progress of a search: the trial that has just ended."""

    number: int
    """Number of the trial, from 1."""
    trials: int
    """Trials there will be."""
    state: str
    """"complete", "pruned" (stopped early: worse than the median at its epoch) or "fail"."""
    value: float | None
    """Mean AUC on the validation rows in its best epoch; None if it is not complete."""
    best: float | None
    """The best value of all trials so far."""
    settings: tuple[str, ...]
    """The overrides that it was trained with."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The result of a search."""

    value: float
    """Mean AUC of the best trial on the validation rows."""
    settings: tuple[str, ...]
    """The best trial's overrides, as `--set` takes them."""
    trials: int
    """Trials in all."""
    spec: Path
    """File of the spec with these settings."""


def tune(
    spec: str | Path,
    out: str | Path | None = None,
    *,
    trials: int = 20,
    device: str = "auto",
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    warn: Callable[[Findings], None] = lambda findings: None,
    watch: Callable[[Tried], None] = lambda tried: None,
) -> Tuned:
    """Trains a spec again and again with other values of the settings in its `tune` block, and writes the best spec.

    A trial counts as its best mean AUC on the validation rows over the epochs. A trial that is worse than the median of
    the earlier ones after an epoch is stopped early. Values are proposed by the tree-structured Parzen estimator (TPE).

    Args:
        spec: the path of a spec file; NAME.best.aesm is written beside it.
        out: folder of the search; None for `runs/NAME-tune`. A search that is there goes on.
        trials: trainings in all, earlier ones included.
        device: "auto" (CUDA if there is one), "cpu", "cuda" or "cuda:1".
        overwrite: start the search over.
        overrides: settings that replace those of the file.
        warn: called with the warnings about the spec.
        watch: called after every trial.

    Raises:
        AesmError: the spec has no `tune` block or no validation rows, no trial could be trained, or the folder holds
            the search of another spec.
    """
    compiled = compile_spec(spec, overrides=overrides, warn=warn)
    refuse_many("tune", compiled.spec.places.of(""))
    folder = Path(out) if out is not None else Path("runs") / f"{compiled.spec.name}-tune"
    best = Path(spec).with_name(f"{Path(spec).stem}.best.aesm")
    optuna = _optuna(compiled, best)
    if overwrite:
        shutil.rmtree(folder, ignore_errors=True)
    study = _study(optuna, compiled, folder)
    space = compiled.spec.space

    def objective(trial: Any) -> float:
        settings = tuple(_drawn(trial, dimension) for dimension in space)
        trial.set_user_attr("settings", list(settings))
        run, values = folder / "runs" / str(trial.number), [float("-inf")]

        def ended(epoch: Epoch) -> None:
            if epoch.valid_mean_auc is not None:
                values.append(epoch.valid_mean_auc)
                trial.report(max(values), epoch.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            train(spec, run, device=device, overwrite=True, overrides=[*overrides, *settings], ended=ended)
        finally:
            shutil.rmtree(run.with_name(f"{run.name}.training"), ignore_errors=True)
        return max(values)

    failed: list[AesmError] = []

    def trial_ended(study: Any, trial: Any) -> None:
        done = [trial for trial in study.trials if trial.state.is_finished()]
        values = [trial.value for trial in done if trial.state == optuna.trial.TrialState.COMPLETE]
        settings = tuple(trial.user_attrs.get("settings", ()))
        state, top = trial.state.name.lower(), max(values, default=None)
        watch(Tried(len(done), trials, state, trial.value if state == "complete" else None, top, settings))

    while (left := trials - sum(trial.state.is_finished() for trial in study.trials)) > 0:
        try:
            study.optimize(objective, n_trials=left, callbacks=[trial_ended])
        except AesmError as error:
            failed.append(error)
            trial_ended(study, study.trials[-1])
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        raise failed[-1] if failed else refusal(compiled, "no trial came to its end", "search more trials")
    top = study.best_trial
    settings = tuple(top.user_attrs["settings"])
    count, value = len(study.trials), f"{top.value:.4f}"
    head = f"{WRITTEN_BY_TUNE}{count} trials of `aesm tune`: mean AUC {value} on the validation rows.\n\n"
    write_text(best, head + _with_settings(spec, [*overrides, *settings]))
    return Tuned(top.value, settings, len(study.trials), best)


def _optuna(compiled: Compiled, best: Path) -> Any:
    """The library, once it is sure that there is something to search, and validation rows to judge by."""
    if not compiled.spec.space:
        help = "write `tune { level.card.experts.count = choice(4, 8, 16) }` in the model, with your own setting"
        raise refusal(compiled, "the spec has no `tune` that says what to search", help)
    need_validation(compiled)
    if best.exists() and not best.read_text(encoding="utf-8", errors="replace").startswith(WRITTEN_BY_TUNE):
        raise refusal(compiled, f"`{best}` is not by `aesm tune`, so it is not replaced", "rename it")
    try:
        import optuna
    except ImportError as error:
        install = '`pip install "aesm-dsl[tune]"`'
        raise refusal(compiled, "`aesm tune` needs optuna, which is not installed", install) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _study(optuna: Any, compiled: Compiled, folder: Path) -> Any:
    """The search in the folder, new or resumed. Raises E610 if it is the search of another spec."""
    folder.mkdir(parents=True, exist_ok=True)
    space = [f"{dimension.path} = {dimension.value.span.text}" for dimension in compiled.spec.space]
    searched = json.dumps([compiled.resolved(), space], ensure_ascii=False)
    storage = f"sqlite:///{folder / 'study.db'}"
    seed = compiled.plan.training.seed
    study = optuna.create_study(storage=storage, study_name="aesm", direction="maximize", load_if_exists=True)
    if study.user_attrs.get("spec", searched) != searched:
        help = ["`--overwrite` begins anew", "`-o` names another folder"]
        raise refusal(compiled, f"`{folder}` holds the search of another spec", help)
    study.set_user_attr("spec", searched)
    # The seed moves on with the trials: a resumed search must not draw the same values again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials), n_startup_trials=TRIED_FIRST)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=TRIED_FIRST)
    return study


def _drawn(trial: Any, dimension: Dimension) -> str:
    """The override that a trial uses for a setting."""
    holes = dimension.holes
    names = [dimension.path if len(holes) == 1 else f"{dimension.path} {place + 1}" for place in range(len(holes))]
    return dimension.text([_suggested(trial, name, hole) for name, hole in zip(names, holes, strict=True)])


def _suggested(trial: Any, name: str, hole: Placeholder) -> str:
    if hole.kind == "choice":
        return str(trial.suggest_categorical(name, hole.texts))
    low, high = hole.ends
    if hole.kind == "int":
        return str(trial.suggest_int(name, int(low), int(high)))
    return f"{trial.suggest_float(name, low, high, log=hole.kind == 'log'):.4g}"


def _with_settings(spec: str | Path, overrides: Sequence[str]) -> str:
    """The text of the spec with these settings in it; settings that are not written stay unwritten."""
    findings = Findings()
    source = read_source(spec, findings)
    loaded = load(source, findings, list(overrides)) if source is not None else None
    assert loaded is not None
    assert not findings.errors
    return write(loaded, given=True)
