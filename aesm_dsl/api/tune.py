"""`tune`: a search for the values of the settings that a spec's `tune` names, with Optuna.

DIR/study.db    the search: a trial for every training, with what it was given and how good it was
DIR/runs/N      the run of trial N; none of one that was stopped early or could not be trained
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
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.spec.load import load
from aesm_dsl.spec.search_space import Dimension, Hole
from aesm_dsl.spec.spec_file import read_source, write_text
from aesm_dsl.spec.write import write
from aesm_dsl.training.distributed.launch import refuse_many

if TYPE_CHECKING:
    from aesm_dsl.training.run.history import Epoch

OURS = "# The best of "
"""How a spec begins that a search has written."""

TRIED_FIRST = 5
"""Trials that are drawn at random, and that none is stopped before."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial, for whoever watches."""

    number: int
    """From 1."""
    trials: int
    state: str
    """"complete", "pruned" (stopped early: worse than the median at its epoch) or "fail"."""
    value: float | None
    """Mean AUC on the validation rows, of its best epoch."""
    best: float | None
    """Of all trials so far."""
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search has found."""

    value: float
    """Mean AUC on the validation rows."""
    settings: tuple[str, ...]
    """As `--set` takes them."""
    trials: int
    spec: Path
    """The best spec."""


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
    """Trains a spec again and again with other values, until there are so many trials; writes the best spec beside it.

    out        folder of the search; by default runs/NAME-tune. A search that is there goes on
    overwrite  begin anew
    watch      called after every trial

    A trial is as good as the mean AUC on the validation rows in its best epoch; one that is worse than the median of
    the earlier ones after an epoch is stopped. Values are proposed by the tree-structured Parzen estimator.
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

    def try_(trial: Any) -> float:
        given = tuple(_drawn(trial, dimension) for dimension in space)
        trial.set_user_attr("settings", list(given))
        run, seen = folder / "runs" / str(trial.number), [float("-inf")]

        def ended(epoch: Epoch) -> None:
            if epoch.valid_mean_auc is not None:
                seen.append(epoch.valid_mean_auc)
                trial.report(max(seen), epoch.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            train(spec, run, device=device, overwrite=True, overrides=[*overrides, *given], ended=ended)
        finally:
            shutil.rmtree(run.with_name(f"{run.name}.training"), ignore_errors=True)
        return max(seen)

    failed: list[AesmError] = []

    def tell(study: Any, trial: Any) -> None:
        done = [one for one in study.trials if one.state.is_finished()]
        values = [one.value for one in done if one.state == optuna.trial.TrialState.COMPLETE]
        settings = tuple(trial.user_attrs.get("settings", ()))
        state, top = trial.state.name.lower(), max(values, default=None)
        watch(Tried(len(done), trials, state, trial.value if state == "complete" else None, top, settings))

    while (left := trials - sum(one.state.is_finished() for one in study.trials)) > 0:
        try:
            study.optimize(try_, n_trials=left, callbacks=[tell])
        except AesmError as error:
            failed.append(error)
            tell(study, study.trials[-1])
    complete = [one for one in study.trials if one.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        raise failed[-1] if failed else refusal(compiled, "no trial came to its end", "search more trials")
    top = study.best_trial
    settings = tuple(top.user_attrs["settings"])
    head = f"{OURS}{len(study.trials)} trials of `aesm tune`: mean AUC {top.value:.4f} on the validation rows.\n\n"
    write_text(best, head + _best(spec, [*overrides, *settings]))
    return Tuned(top.value, settings, len(study.trials), best)


def _optuna(compiled: Compiled, best: Path) -> Any:
    """The library, once there is something to search, and rows to judge by."""
    if not compiled.spec.space:
        helps = "write `tune { level.card.experts.count = choice(4, 8, 16) }` in the model, with your own setting"
        raise refusal(compiled, "the spec has no `tune` that says what to search", helps)
    need_validation(compiled)
    if best.exists() and not best.read_text(encoding="utf-8", errors="replace").startswith(OURS):
        raise refusal(compiled, f"`{best}` is not by `aesm tune`, so it is not replaced", "rename it")
    try:
        import optuna
    except ImportError as error:
        install = '`pip install "aesm-dsl[tune]"`'
        raise refusal(compiled, "`aesm tune` needs optuna, which is not installed", install) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _study(optuna: Any, compiled: Compiled, folder: Path) -> Any:
    """The search of the folder, begun or gone on with; E610 where it is one of another spec."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [f"{one.path} = {one.value.span.text}" for one in compiled.spec.space]
    what = json.dumps([compiled.resolved(), texts], ensure_ascii=False)
    storage = f"sqlite:///{folder / 'study.db'}"
    seed = compiled.plan.training.seed
    study = optuna.create_study(storage=storage, study_name="aesm", direction="maximize", load_if_exists=True)
    if study.user_attrs.get("spec", what) != what:
        helps = ["`--overwrite` begins anew", "`-o` names another folder"]
        raise refusal(compiled, f"`{folder}` holds the search of another spec", helps)
    study.set_user_attr("spec", what)
    # One that goes on draws further, not the same again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials), n_startup_trials=TRIED_FIRST)
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=TRIED_FIRST)
    return study


def _drawn(trial: Any, dimension: Dimension) -> str:
    """The override that a trial tries for a setting."""
    holes = dimension.holes
    names = [dimension.path if len(holes) == 1 else f"{dimension.path} {place + 1}" for place in range(len(holes))]
    return dimension.text([_suggested(trial, name, hole) for name, hole in zip(names, holes, strict=True)])


def _suggested(trial: Any, name: str, hole: Hole) -> str:
    if hole.kind == "choice":
        return str(trial.suggest_categorical(name, hole.texts))
    low, high = hole.ends
    if hole.kind == "int":
        return str(trial.suggest_int(name, int(low), int(high)))
    return f"{trial.suggest_float(name, low, high, log=hole.kind == 'log'):.4g}"


def _best(spec: str | Path, overrides: Sequence[str]) -> str:
    """The spec with the settings in it, as far as they are given."""
    findings = Findings()
    source = read_source(spec, findings)
    found = load(source, findings, list(overrides)) if source is not None else None
    assert found is not None
    assert not findings.errors
    return write(found, given=True)
