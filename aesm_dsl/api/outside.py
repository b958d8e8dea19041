"""Models from outside for `aesm compare`: fitted on the rows of a spec, and kept beside the runs of its networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.trials import need_validation, refusal, refuse_other_spec
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.spec.spec_file import data_roots

if TYPE_CHECKING:
    from aesm_dsl.data.prepare import Prepared
    from aesm_dsl.plan.plan import Plan
    from aesm_dsl.training.outside.outside_run import OutsideRun

PACKAGES = {"logistic": ("sklearn", "scikit-learn"), "lightgbm": ("lightgbm", "lightgbm")}
"""Model -> the module that it needs, and the package that has it."""


def outside_runs(
    spec: str | Path,
    folder: str | Path,
    models: Sequence[str],
    *,
    seeds: int = 1,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
    watch: Callable[[OutsideRun], None] = lambda run: None,
) -> dict[str, tuple[OutsideRun, ...]]:
    """Fits models from outside on the training rows of a spec, and measures them as its networks are measured.

    Each task has a model of its own over all leaves, whose settings are chosen by the validation rows. For a task that
    follows another it predicts, as the networks do, the probability of both, on all rows with a label.

    Args:
        spec: the path of a spec file.
        folder: gets a folder MODEL-SEED for each; those that are there are kept.
        models: "logistic" and "lightgbm".
        seeds: how many: the spec's own and the ones that follow it. A model without chance in it is fitted once.
        overrides: settings that replace those of the file.
        overwrite: fit again what was fitted for another spec, instead of refusing the folder.
        watch: called after every model that was fitted.

    Returns:
        For every model its runs, one for each seed.

    Raises:
        AesmError: the spec or the data is wrong, names no validation rows, or a package is missing.
    """
    compiled = compile_spec(spec, overrides=overrides)
    check_outside(compiled, models)
    start = compiled.plan.training.seed
    return fit_missing(compiled, Path(folder), models, range(start, start + seeds), overwrite=overwrite, watch=watch)


def check_outside(compiled: Compiled, models: Sequence[str]) -> None:
    """Raises AesmError (E610) if a package is missing, or there are no validation rows to choose settings by."""
    from importlib import import_module

    if models:
        need_validation(compiled)
    for model in models:
        module, package = PACKAGES[model]
        try:
            import_module(module)
        except (ImportError, OSError) as error:
            installed = ['`pip install "aesm-dsl[outside]"`', f"Python says: {error}"]
            raise refusal(compiled, f"`{model}` needs {package}, which cannot be loaded", installed) from error


def unfitted(
    compiled: Compiled, folder: Path, models: Sequence[str], seeds: Sequence[int], *, overwrite: bool
) -> list[Path]:
    """Returns the folders of the models that are still to be fitted.

    Raises:
        AesmError: a folder holds the model of another spec, and `overwrite` is False (E601).
    """
    return [
        path
        for paths in _folders(folder, models, seeds).values()
        for path in paths
        if not _kept(path, compiled, overwrite)
    ]


def fit_missing(
    compiled: Compiled,
    folder: Path,
    models: Sequence[str],
    seeds: Sequence[int],
    *,
    overwrite: bool,
    watch: Callable[[OutsideRun], None],
) -> dict[str, tuple[OutsideRun, ...]]:
    """Returns the models of every seed, and fits those that their folders do not hold; see `outside_runs`."""
    from aesm_dsl.training.outside.outside_run import save_outside_run

    result: dict[str, tuple[OutsideRun, ...]] = {}
    for model, paths in _folders(folder, models, seeds).items():
        of_model: list[OutsideRun] = []
        rows = _Rows(compiled, model)
        for path, seed in zip(paths, seeds, strict=False):
            run = _kept(path, compiled, overwrite)
            if run is None:
                chosen = of_model[0].settings if of_model else ()
                run = rows.fitted(path, seed, chosen)
                save_outside_run(run)
                watch(run)
            of_model.append(run)
        result[model] = tuple(of_model * len(seeds) if len(of_model) < len(seeds) else of_model)
    return result


class _Rows:
    """The rows of a spec for one model, encoded once a first model is fitted."""

    def __init__(self, compiled: Compiled, model: str) -> None:
        self._compiled, self._model = compiled, model
        self._read: tuple[Prepared, Plan] | None = None

    def fitted(self, folder: Path, seed: int, chosen: Sequence[dict[str, float]]) -> OutsideRun:
        """Fits and measures the model for a seed, with settings for every task, or those it chooses."""
        from aesm_dsl.training.outside.outside_run import fit_outside

        if self._read is None:
            self._read = _prepared(self._compiled, self._model)
        prepared, plan = self._read
        return fit_outside(
            plan, prepared, self._model, seed, chosen=chosen, folder=folder, spec=self._compiled.resolved()
        )


def _prepared(compiled: Compiled, model: str) -> tuple[Prepared, Plan]:
    """The rows as a model reads them: trees cut numbers themselves."""
    from aesm_dsl.training.outside.cells import with_plain_numbers
    from aesm_dsl.training.train import prepare_rows

    findings = Findings()
    plan = with_plain_numbers(compiled.plan) if model == "lightgbm" else compiled.plan
    prepared = prepare_rows(plan, data_roots(compiled.spec), None, findings, compiled.spec.places.of)
    if prepared is None:
        raise AesmError(findings)
    return prepared, plan


def _folders(folder: Path, models: Sequence[str], seeds: Sequence[int]) -> dict[str, list[Path]]:
    """Model -> its folders, one for each seed, or one for all."""
    from aesm_dsl.training.outside.outside_run import WITHOUT_CHANCE

    return {
        model: [folder / f"{model}-{seed}" for seed in (seeds[:1] if model in WITHOUT_CHANCE else seeds)]
        for model in models
    }


def _kept(path: Path, compiled: Compiled, overwrite: bool) -> OutsideRun | None:
    """The model that a folder holds; None if it is missing, or another spec's that is to be replaced."""
    from aesm_dsl.training.outside.outside_run import load_outside_run

    run = load_outside_run(path)
    if run is None or run.spec == compiled.resolved():
        return run
    if not overwrite:
        findings = Findings()
        refuse_other_spec(path, findings)
        raise AesmError(findings)
    return None
