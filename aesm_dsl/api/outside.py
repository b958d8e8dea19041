"""Models from outside for `aesm compare`: fitted on the rows of a spec, and kept beside the runs of its networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    return OutsideTrials(compiled, Path(folder), models, range(start, start + seeds), overwrite).fitted(watch)


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


@dataclass(frozen=True, slots=True)
class OutsideTrials:
    """Models from outside to fit, each in a folder MODEL-SEED; one folder if there is no chance in the model."""

    compiled: Compiled
    folder: Path
    models: Sequence[str]
    seeds: Sequence[int]
    overwrite: bool = False
    """Fit again what was fitted for another spec, instead of refusing it."""

    @property
    def folders(self) -> dict[str, list[Path]]:
        """Model -> its folders, in the order of the seeds."""
        from aesm_dsl.training.outside.outside_run import WITHOUT_CHANCE

        return {
            model: [
                self.folder / f"{model}-{seed}" for seed in (self.seeds[:1] if model in WITHOUT_CHANCE else self.seeds)
            ]
            for model in self.models
        }

    def unfitted(self) -> list[Path]:
        """Returns the folders of the models that are still to be fitted.

        Raises:
            AesmError: a folder holds the model of another spec, and `overwrite` is False (E601).
        """
        return [path for paths in self.folders.values() for path in paths if self._kept(path) is None]

    def fitted(self, watch: Callable[[OutsideRun], None]) -> dict[str, tuple[OutsideRun, ...]]:
        """Returns the models of every seed, and fits those that their folders do not hold; see `outside_runs`."""
        from aesm_dsl.training.outside.outside_run import fit_outside, save_outside_run

        result: dict[str, tuple[OutsideRun, ...]] = {}
        for model, paths in self.folders.items():
            of_model: list[OutsideRun] = []
            read: tuple[Plan, Prepared] | None = None
            for path, seed in zip(paths, self.seeds, strict=False):
                run = self._kept(path)
                if run is None:
                    read = read or self._prepared(model)
                    chosen = of_model[0].settings if of_model else ()
                    run = fit_outside(*read, model, seed, chosen=chosen)
                    run = replace(run, folder=path, spec=self.compiled.resolved())
                    save_outside_run(run)
                    watch(run)
                of_model.append(run)
            result[model] = tuple(of_model) if len(of_model) == len(self.seeds) else tuple(of_model * len(self.seeds))
        return result

    def _prepared(self, model: str) -> tuple[Plan, Prepared]:
        """The rows as a model reads them: trees cut numbers themselves."""
        from aesm_dsl.training.outside.cells import with_plain_numbers
        from aesm_dsl.training.train import prepare_rows

        compiled, findings = self.compiled, Findings()
        plan = with_plain_numbers(compiled.plan) if model == "lightgbm" else compiled.plan
        prepared = prepare_rows(plan, data_roots(compiled.spec), None, findings, compiled.spec.places.of)
        if prepared is None:
            raise AesmError(findings)
        return plan, prepared

    def _kept(self, path: Path) -> OutsideRun | None:
        """The model that a folder holds; None if it is missing, or another spec's that is to be replaced."""
        from aesm_dsl.training.outside.outside_run import load_outside_run

        run = load_outside_run(path)
        if run is None or run.spec == self.compiled.resolved():
            return run
        if not self.overwrite:
            findings = Findings()
            refuse_other_spec(path, findings)
            raise AesmError(findings)
        return None
