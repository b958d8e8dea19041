"""`Comparison`: runs of several architectures, each with several seeds -> which is ahead, where, and how surely.

It is made of plain rows, so that the same comparison can be shown as text, written as JSON and drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.metrics.paired_rows_test import Place, RowTest
from aesm_dsl.training.metrics.scores import ALL, Score, with_overall_name
from aesm_dsl.training.metrics.t_test import MeanOfRuns, mean_of_runs
from aesm_dsl.training.outside.ahead import ahead_of_networks
from aesm_dsl.training.outside.outside_run import PARTS_OF, WITHOUT_CHANCE, OutsideRun
from aesm_dsl.training.run.folder import Run

FORMAT = 1
"""Version of compare.json."""

UNIFIED = "aes"
SINGLE = "single"

SIGNIFICANT = 0.05
"""A difference is called a gain or a loss if its p is below this."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One architecture or model from outside, over all seeds."""

    architecture: str
    parameters: int | None
    """Parameters, without the features' embedding tables; None for a model from outside."""
    table_parameters: int | None
    """Parameters of the features' embedding tables."""
    flops: int | None
    """FLOPs per row, with as many experts as a row selects at most."""
    rows_per_second: float | None
    """Training speed of the median run. Runs that train at the same time slow each other down."""
    auc: MeanOfRuns
    """Mean over the tasks of the AUC on all rows."""
    behind: MeanOfRuns | None
    """AUC of the AES model minus that of this one, seed by seed; None for AES itself."""
    settings: tuple[str, ...] = ()
    """The overrides that were chosen for it; empty if there was nothing to choose. Of a model from outside, what it
    chose for each task."""
    size: str = ""
    """Of a model from outside, how large it is: "612 trees"; empty for a network."""

    @property
    def outside(self) -> bool:
        """Whether it is a model from outside: no network, and nothing that a spec could become."""
        return bool(self.size)


@dataclass(frozen=True, slots=True)
class Standing:
    """One architecture on one task of one leaf."""

    leaf: str
    task: str
    architecture: str
    rows: int
    positives: int
    auc: MeanOfRuns
    log_loss: float | None
    behind: MeanOfRuns | None
    """AUC of the AES model minus that of this one, seed by seed; None for AES itself."""
    by_rows: RowTest | None
    """The same, tested over rows; None for AES itself, or if the runs were not measured on the same rows."""


@dataclass(frozen=True, slots=True)
class Swing:
    """The seesaw on one task of one leaf: what one model for all leaves gains over a model of this leaf alone."""

    leaf: str
    task: str
    rows: int
    unified: float
    single: float
    gain: MeanOfRuns
    by_rows: RowTest | None
    """The gain, tested over rows, as in `Standing`."""
    verdict: str
    """"gain" or "loss" where p < 0.05, else "even"."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Contenders, the best first; standings by leaf, task and contender; the seesaw if `single` took part."""

    folder: Path
    name: str
    label: str
    measured_on: str
    seeds: tuple[int, ...]
    match: str
    """In what the baselines are as large as AES: "parameters" or "flops"."""
    contenders: tuple[Contender, ...]
    standings: tuple[Standing, ...]
    seesaw: tuple[Swing, ...]
    runs: dict[str, tuple[str, ...]]
    """For every architecture its run folders, in the order of the seeds, relative to the comparison's folder."""
    outside: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The same for models from outside; a model without chance has one folder for all seeds."""
    notes: tuple[str, ...] = ()
    """Sentences about models from outside: whether one is ahead of every network, and what they do not read."""

    def to_json(self) -> str:
        return json.dumps(self.to_data(), ensure_ascii=False, indent=1) + "\n"

    def to_data(self) -> dict[str, Any]:
        """Returns plain values, without the folder, which may move."""
        data = asdict(self)
        del data["folder"]
        return {"format": FORMAT, **data}

    @staticmethod
    def from_json(text: str, folder: Path) -> Comparison:
        """Reads the comparison that `to_json` wrote.

        Args:
            text: the JSON.
            folder: where it lies now.

        Raises:
            ValueError: the version of the format is another, or a field is not of its type.
        """
        values: dict[str, Any] = json.loads(text)
        if (version := values.pop("format", None)) != FORMAT:
            raise ValueError(f"comparison format {version}, this version reads format {FORMAT}")
        comparison = read_json(Comparison, json.dumps({**values, "folder": str(folder)}))
        return replace(comparison, standings=with_overall_name(comparison.standings))


def comparison(
    runs: Mapping[str, Sequence[Run]],
    folder: Path,
    by_rows: Mapping[str, Mapping[Place, RowTest]],
    settings: Mapping[str, tuple[str, ...]],
    outside: Mapping[str, Sequence[OutsideRun]] | None = None,
) -> Comparison:
    """Compares runs. A leaf and task whose rows are of one class has no AUC, and is left out.

    Args:
        runs: for every architecture, AES among them, one run for each seed, in the same order; all of one spec.
        folder: the comparison's folder, in which the run folders lie.
        by_rows: for every architecture but AES, the tests of AES against it on the same rows, as far as there are any.
        settings: for every architecture, the overrides that were chosen for it.
        outside: models from outside that were fitted and measured on the same rows, one for each seed.
    """
    first, outside = runs[UNIFIED][0], outside or {}
    every: dict[str, Sequence[Run] | Sequence[OutsideRun]] = {**runs, **outside}
    scores = {name: [_by_place(run.scores) for run in own] for name, own in every.items()}
    overall = {name: [_overall(run.scores) for run in own] for name, own in every.items()}
    contenders = [_contender(name, own, overall[name], overall[UNIFIED], settings[name]) for name, own in runs.items()]
    tasks = [task.name for task in first.plan.tasks.tasks]
    contenders += [_from_outside(own, tasks, overall[name], overall[UNIFIED]) for name, own in outside.items()]
    places = [(score.leaf, score.task) for score in first.scores if score.auc is not None]
    standings = tuple(
        _standing(place, name, scores, by_rows.get(name, {}).get(place)) for place in places for name in every
    )
    return Comparison(
        folder=folder,
        name=first.plan.name,
        label=first.plan.label,
        measured_on=str(first.info["measured on"]),
        seeds=tuple(run.plan.training.seed for run in runs[UNIFIED]),
        match=next((own[0].plan.baseline.match for own in runs.values() if own[0].plan.baseline), "parameters"),
        contenders=tuple(sorted(contenders, key=lambda contender: -contender.auc.value)),
        standings=standings,
        seesaw=_seesaw(standings) if SINGLE in runs else (),
        runs={name: _folders(own, folder) for name, own in runs.items()},
        outside={name: _folders(own, folder) for name, own in outside.items()},
        notes=(
            *ahead_of_networks(overall, _by_task(standings), outside),
            *(note for own in outside.values() for note in own[0].notes),
        ),
    )


def _by_task(standings: Sequence[Standing]) -> dict[str, dict[str, float]]:
    """Task -> architecture -> its AUC on all rows, mean over the seeds."""
    values: dict[str, dict[str, float]] = {}
    for standing in standings:
        if standing.leaf == ALL:
            values.setdefault(standing.task, {})[standing.architecture] = standing.auc.value
    return values


def _folders(runs: Sequence[Run] | Sequence[OutsideRun], folder: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.folder.relative_to(folder).as_posix() for run in runs))


def _from_outside(
    runs: Sequence[OutsideRun], tasks: Sequence[str], auc: Sequence[float], unified: Sequence[float]
) -> Contender:
    first = runs[0]
    settings = tuple(
        f"{task}: {', '.join(f'{key} {value:g}' for key, value in chosen.items())}"
        for task, chosen in zip(tasks, first.settings, strict=True)
        if chosen
    )
    size = f"{first.size:,} {PARTS_OF[first.model]}"
    behind = _difference(unified, auc)
    return Contender(first.model, None, None, None, None, _mean(first.model, auc), behind, settings, size)


def _mean(name: str, values: Sequence[float]) -> MeanOfRuns:
    """The mean over the seeds; a model without chance is the same for all of them, and counts once."""
    return mean_of_runs(values[:1] if name in WITHOUT_CHANCE else values)


def _contender(
    name: str, runs: Sequence[Run], auc: Sequence[float], unified: Sequence[float], settings: tuple[str, ...]
) -> Contender:
    plan = runs[0].plan
    total = cost(plan).total
    rows = [run.info["steps"] * plan.training.batch_rows / max(run.info["seconds"], 1e-3) for run in runs]
    return Contender(
        name,
        total.parameters,
        int(runs[0].info["parameters"]) - total.parameters,
        total.selected,
        float(np.median(rows)),
        mean_of_runs(auc),
        None if name == UNIFIED else _difference(unified, auc),
        settings,
    )


def _standing(
    place: Place, name: str, scores: dict[str, list[dict[Place, Score]]], by_rows: RowTest | None
) -> Standing:
    own = [of_run[place] for of_run in scores[name]]
    auc = [_known(score.auc) for score in own]
    unified = [_known(of_run[place].auc) for of_run in scores[UNIFIED]]
    losses = [score.log_loss for score in own if score.log_loss is not None]
    return Standing(
        *place,
        name,
        own[0].rows,
        own[0].positives,
        _mean(name, auc),
        float(np.mean(losses)) if losses else None,
        None if name == UNIFIED else _difference(unified, auc),
        by_rows,
    )


def _seesaw(standings: Sequence[Standing]) -> tuple[Swing, ...]:
    known = {(standing.leaf, standing.task, standing.architecture): standing for standing in standings}
    swings = []
    for single in standings:
        if single.architecture == SINGLE and single.behind is not None and single.leaf != ALL:
            unified = known[single.leaf, single.task, UNIFIED]
            values = (unified.auc.value, single.auc.value, single.behind, single.by_rows, verdict(single.behind))
            swings.append(Swing(single.leaf, single.task, single.rows, *values))
    return tuple(swings)


def verdict(difference: MeanOfRuns) -> str:
    """Returns "gain", "loss" or "even", by the paired test over the seeds."""
    if difference.p is None or difference.p >= SIGNIFICANT:
        return "even"
    return "gain" if difference.value > 0 else "loss"


def _difference(unified: Sequence[float], rival: Sequence[float]) -> MeanOfRuns:
    return mean_of_runs([first - second for first, second in zip(unified, rival, strict=True)])


def _by_place(scores: Sequence[Score]) -> dict[Place, Score]:
    return {(score.leaf, score.task): score for score in scores}


def _overall(scores: Sequence[Score]) -> float:
    return float(np.mean([score.auc for score in scores if score.leaf == ALL and score.auc is not None]))


def _known(value: float | None) -> float:
    assert value is not None  # places without an AUC are left out, and the same rows have the same classes in every run
    return value
