"""`aesm tune`: a search for the best values of the settings that a spec's `tune` block names, with Optuna.

DIR/study.db    the search: one trial for every training, with its settings and its result
DIR/runs/N      the run of the trial after N others; a trial that was stopped early or could not be trained has none

A trial that was interrupted counts for nothing: the same settings are tried again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.study import ended_trials, naming_database, open_study
from aesm_dsl.api.train import train
from aesm_dsl.api.trials import need_validation, refusal
from aesm_dsl.files.temporary import remove_folder
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

OF_FILES = ("E502", "E510", "E601", "E613")
"""Codes of errors about files and folders, whatever is searched."""

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
        OSError: the search cannot be read or written; `filename` is the file.
    """
    compiled = compile_spec(spec, overrides=overrides, warn=warn)
    refuse_many("tune", compiled.spec.places.of(""))
    folder = Path(out) if out is not None else Path("runs") / f"{compiled.spec.name}-tune"
    best = Path(spec).with_name(f"{Path(spec).stem}.best.aesm")
    optuna = _optuna(compiled, best)
    space = [f"{dimension.path} = {dimension.value.span.text}" for dimension in compiled.spec.space]
    searched = json.dumps([compiled.resolved(), space], ensure_ascii=False)
    states, failed = optuna.trial.TrialState, list[AesmError]()

    def value_of(trial: Any, run: Path, settings: Sequence[str]) -> float:
        values = [float("-inf")]

        def ended(epoch: Epoch) -> None:
            if epoch.valid_mean_auc is not None:
                values.append(epoch.valid_mean_auc)
                trial.report(max(values), epoch.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            train(spec, run, device=device, overwrite=True, overrides=settings, ended=ended)
        finally:
            remove_folder(run.with_name(f"{run.name}.training"))
        return max(values)

    def search(study: Any, number: int) -> None:
        # A seed for each trial: a search that was interrupted goes on as it would have gone on.
        seed = compiled.plan.training.seed + number
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=TRIED_FIRST)
        trial, value, state = study.ask(), None, states.COMPLETE
        settings = tuple(_drawn(trial, dimension) for dimension in compiled.spec.space)
        trial.set_user_attr("settings", list(settings))
        try:
            value = value_of(trial, folder / "runs" / str(number), [*overrides, *settings])
        except optuna.TrialPruned:
            state = states.PRUNED
        except AesmError as error:
            if not _of_settings(error):
                raise
            failed.append(error)
            state = states.FAIL
        study.tell(trial, value, state)
        values = [each.value for each in study.trials if each.state == states.COMPLETE]
        watch(Tried(number + 1, trials, state.name.lower(), value, max(values, default=None), settings))

    with naming_database(folder):
        study = open_study(folder, searched, anew=overwrite)
        if study.user_attrs["spec"] != searched:
            help = ["`--overwrite` begins anew", "`-o` names another folder"]
            raise refusal(compiled, f"`{folder}` holds the search of another spec", help)
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=TRIED_FIRST)
        while (ended := len(ended_trials(study))) < trials:
            search(study, ended)
        if not any(trial.state == states.COMPLETE for trial in study.trials):
            raise failed[-1] if failed else refusal(compiled, "no trial came to its end", "search more trials")
        top = study.best_trial
    settings = tuple(top.user_attrs["settings"])
    head = f"{WRITTEN_BY_TUNE}{ended} trials of `aesm tune`: mean AUC {top.value:.4f} on the validation rows.\n\n"
    write_text(best, head + _with_settings(spec, [*overrides, *settings]))
    return Tuned(top.value, settings, ended, best)


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


def _of_settings(error: AesmError) -> bool:
    """Whether a training failed by the settings of its trial, and not by files that every trial needs."""
    return not any(finding.code in OF_FILES for finding in error.findings.errors)


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
