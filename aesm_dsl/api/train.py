"""The whole story as functions: text -> spec -> hierarchy -> plan -> network -> run -> picture.

What the command line and Python both call. Every function raises AesmError for a user's mistake, with all findings that
can be told in one go. torch and the data libraries are loaded by the functions that need them: checking a spec needs
neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.changes import tell_changes
from aesm_dsl.plan.compiled import Compiled, compile_loaded
from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.spec.load import load
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.read_json import name_paths
from aesm_dsl.spec.spec_file import read_source, write_text

if TYPE_CHECKING:
    import polars as pl

    from aesm_dsl.data.reading.frames import Given
    from aesm_dsl.layers.build import AnyNetwork
    from aesm_dsl.training.fit.loss_meter import Progress
    from aesm_dsl.training.run.folder import Run
    from aesm_dsl.training.run.history import Epoch
    from aesm_dsl.training.sharing.usage import Usage

SpecLike = str | Path | Spec
"""A spec, or the path of one."""


def check(spec: SpecLike, overrides: Sequence[str] = (), *, data: bool = False) -> Findings:
    """All findings about a spec, and with `data` about its tables too, warnings included; never raises for them.

    A file of feature groups, for specs to import, can be checked alone.
    """
    findings = Findings()
    compiled = _compile(spec, overrides, findings, groups=True)
    if data and compiled is not None:
        _check_rows(compiled, findings, [])
    return findings


def profile(spec: SpecLike, overrides: Sequence[str] = ()) -> tuple[Findings, dict[str, Any] | None]:
    """All findings about a spec and its tables, and what its training rows are like (`Profile.report`).

    The profile is None with errors; never raises for findings.
    """
    findings = Findings()
    compiled = _compile(spec, overrides, findings, groups=True)
    if compiled is None:
        return findings, None
    from aesm_dsl.data.checks.profile import Profile

    seen = Profile(compiled.plan)
    _check_rows(compiled, findings, [seen])
    return findings, None if findings.errors else seen.report()


def _check_rows(compiled: Compiled, findings: Findings, also: Sequence[Any]) -> None:
    from aesm_dsl.data.open_tables import check_tables, tell_no_data

    if not tell_no_data(compiled.plan, findings):
        check_tables(compiled.plan, roots_of(compiled.spec), findings, compiled.spec.places.of, also)
    name_paths(findings)


def compile_spec(
    spec: SpecLike,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    arch: str | None = None,
    warn: Callable[[Findings], None] = lambda findings: None,
) -> Compiled:
    """The compiled spec; with `out`, writes plan.json, hierarchy.json and the resolved spec.aesm into that folder.

    arch  another architecture than the spec's, as the override `architecture=ARCH`
    warn  called once with the warnings
    """
    findings = Findings()
    compiled = _compile(spec, overrides, findings, arch)
    if compiled is None:
        raise AesmError(findings)
    warn(findings)
    if out is not None:
        texts = {
            "plan.json": compiled.plan.to_json(),
            "hierarchy.json": compiled.hierarchy.to_json(),
            "spec.aesm": compiled.resolved(),
        }
        for name, text in texts.items():
            write_text(Path(out) / name, text)
    return compiled


def build_from_spec(spec: SpecLike, overrides: Sequence[str] = (), *, arch: str | None = None) -> AnyNetwork:
    """The network of a spec, a torch.nn.Module, freshly initialised from the spec's seed.

    arch  another architecture than the spec's: `shared_bottom`, `mmoe`, `ple`, `star`, `esmm`, `single`, `aes`

    Its embedding tables have the size the spec allows; `train` fits them to the data. torch's global generator is left
    as it was.
    """
    from aesm_dsl.training.train import new_network

    return new_network(compile_spec(spec, overrides=overrides, arch=arch).plan)


def train(
    spec: SpecLike,
    out: str | Path | None = None,
    *,
    data: Given = None,
    arch: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    resume: bool = False,
    warm_start: Run | str | Path | None = None,
    mlflow: bool = False,
    overrides: Sequence[str] = (),
    warn: Callable[[Findings], None] = lambda findings: None,
    watch: Callable[[Progress], None] = lambda progress: None,
    ended: Callable[[Epoch], None] = lambda epoch: None,
) -> Run:
    """Trains a spec on its data and leaves a run folder behind (default `runs/NAME`, numbered if there is one).

    data       the training rows, in place of the spec's files: a polars, pandas or Arrow table, a list of them, or a
               function that returns an iterator of them; test and validation rows are split from them
    arch       another architecture than the spec's, as the override `architecture=ARCH`
    device     "auto" (CUDA when there is one), "cpu", "cuda", "cuda:1"
    overwrite  replace the folder `out`, once the new run is complete
    resume     go on from the last checkpoint of a training that was stopped (without `out`, the latest of
               the spec); a run that is complete is returned as it is
    warm_start  a run whose weights the network starts with, as far as they mean the same (`diff` tells)
    mlflow     tell MLflow how it goes, where MLFLOW_TRACKING_URI says (extra `mlflow`)
    warn       called with the warnings before the first step, and after the last one if experts have collapsed
    watch      called every few steps
    ended      called after every epoch; what it raises ends the training

    While it trains, checkpoints lie in a folder beside `out`, with the ending `.training`. SIGINT and SIGTERM stop it
    with a checkpoint and raise StoppedError.

    Started by torchrun, all processes train together, and each returns the run: see docs/scale.md.

    The run is measured on the test rows; without any on the validation rows, else on the training rows.
    """
    from aesm_dsl.training.run.resume import Job
    from aesm_dsl.training.run.run_in_progress import Unfinished, free, latest
    from aesm_dsl.training.train import train_plan

    findings = Findings()
    compiled = _compile(spec, overrides, findings, arch)
    if compiled is None:
        raise AesmError(findings)
    name = compiled.spec.name
    folder = Path(out) if out is not None else (latest if resume else free)(Path("runs") / name)
    unfinished = Unfinished.of(folder)
    if resume and unfinished.started:
        tell_changes(unfinished.spec, compiled, unfinished.folder, findings)
    elif resume and (folder / "run.json").is_file():
        return load_run(folder)
    unfinished.tell_taken(folder, overwrite, resume, findings)
    job = Job(
        compiled.resolved(),
        folder,
        roots_of(compiled.spec),
        device,
        overwrite,
        resume,
        None if warm_start is None else _run(warm_start),
        ended,
        mlflow,
    )
    run = train_plan(compiled.plan, job, findings, compiled.spec.places.of, warn, watch, data)
    if run is None:
        name_paths(findings)
        raise AesmError(findings)
    return run


def load_run(folder: str | Path) -> Run:
    """The run of a folder."""
    from aesm_dsl.training.run import folder as runs

    findings = Findings()
    run = runs.load_run(Path(folder), findings)
    if run is None:
        raise AesmError(findings)
    return run


def evaluate(
    run: Run | str | Path, data: str | Path | Given | None = None, *, device: str = "auto", streamed: bool = False
) -> pl.DataFrame:
    """Metrics per leaf x task of a run: on the rows it was measured on, or on another table.

    streamed  in memory that does not grow with the rows; the AUC is then within `auc_off` of that of the rows
    returns   leaf, task, rows, positives, rate, auc, auc_low, auc_high (its 95 % interval), log_loss,
              normalised_entropy, calibration, calibration_error (ECE), and where the spec names a column of users gauc,
              gauc_low, gauc_high and users; null where one is undefined. Row weights count in all but the counts.
    """
    from aesm_dsl.training.train import evaluate_run

    findings = Findings()
    found = evaluate_run(_run(run), data, device, findings, streamed=streamed)
    if found is None:
        raise AesmError(findings)
    return found


def usage(
    run: Run | str | Path, data: str | Path | Given | None = None, *, by: str | None = None, device: str = "auto"
) -> Usage:
    """Which experts every node of a run uses: on the rows it was measured on, or on another table.

    by  a level or a feature, whose nodes or values stand in for the nodes of every level: a category's most frequent
        values, or ranges of a number

    The table needs the columns of features and levels; labels are not looked at. `sharing` of the result gives the
    sharing matrix, roles, entropy and mutual information of a layer.
    """
    from aesm_dsl.training.train import usage_run

    findings = Findings()
    found = usage_run(_run(run), data, by, device, findings)
    if found is None:
        raise AesmError(findings)
    return found


def predict(run: Run | str | Path, data: str | Path | Given, *, device: str = "auto") -> pl.DataFrame:
    """The probability of every task for every row of a table, in its order: one float column per task.

    The table needs the columns of features and levels; labels are not looked at.
    """
    import polars as pl

    from aesm_dsl.serving.predict import open_scores

    findings = Findings()
    scores = open_scores(_run(run), data, device, findings)
    found = None if scores is None else pl.concat([scores.schema.to_frame(), *scores.frames()])
    if found is None or findings.errors:
        raise AesmError(findings)
    return found


def _compile(
    spec: SpecLike, overrides: Sequence[str], findings: Findings, arch: str | None = None, *, groups: bool = False
) -> Compiled | None:
    if arch is not None and arch not in ARCHITECTURES:
        known = quoted(ARCHITECTURES)
        findings.add(
            "E302", f"no architecture `{arch}`", help=[did_you_mean(arch, ARCHITECTURES), f"there are {known}"]
        )
        return None
    if isinstance(spec, Spec):
        if overrides:
            raise ValueError("overrides go with a spec's path; a Spec has `model_copy`")
        loaded: Spec | None = spec if arch is None else spec.model_copy(update={"architecture": arch})
    else:
        given: list[str | Source] = [*overrides]
        if arch is not None:
            given.append(Source("--arch", f"architecture={arch}"))
        source = read_source(spec, findings)
        loaded = load(source, findings, given, groups=groups) if source is not None else None
    compiled = compile_loaded(loaded, findings) if loaded is not None else None
    name_paths(findings)
    return compiled


def _run(run: Any) -> Run:
    return load_run(run) if isinstance(run, str | Path) else run


def roots_of(spec: Spec) -> list[Path]:
    """Where relative data paths are looked up: beside the spec, in the working folder, in the folder of AESM_DATA."""
    place = spec.places.of("")
    beside = [Path(place.source.path).parent.absolute()] if place else []
    named = os.environ.get("AESM_DATA")
    roots = [*beside, Path.cwd(), *([Path(named).absolute()] if named else [])]
    return list(dict.fromkeys(roots))
