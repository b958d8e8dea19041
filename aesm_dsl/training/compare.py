"""`Comparison`: runs of several architectures, each with several seeds -> who is ahead, where, and how surely.

Made of plain rows, so that the same comparison is shown as text, written as JSON and drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.metrics.paired_rows_test import Place, RowTest
from aesm_dsl.training.metrics.scores import ALL, Score
from aesm_dsl.training.metrics.t_test import MeanOfRuns, mean_of_runs
from aesm_dsl.training.run.folder import Run

FORMAT = 1
"""Version of compare.json."""

UNIFIED = "aes"
SINGLE = "single"

SURELY = 0.05
"""A gain or a loss is told as one where p is below this."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One architecture, over all seeds."""

    architecture: str
    parameters: int
    """Without the features' embedding tables."""
    table_parameters: int
    flops: int
    """A row, with the experts that it selects at most."""
    rows_per_second: float
    """In training, of the median run; runs beside each other slow each other down."""
    auc: MeanOfRuns
    """Mean over the tasks of the AUC on all rows."""
    behind: MeanOfRuns | None
    """The AES model's minus this one's, seed by seed; None of AES itself."""
    settings: tuple[str, ...] = ()
    """The overrides it was given, where each architecture was given a choice."""


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
    """The AES model's AUC minus this one's, seed by seed; None of AES itself."""
    by_rows: RowTest | None
    """The same by rows; None of AES itself, or where the runs were not measured on the same rows."""


@dataclass(frozen=True, slots=True)
class Swing:
    """The seesaw on one task of one leaf: what one model for all gains over a model of the leaf alone."""

    leaf: str
    task: str
    rows: int
    unified: float
    single: float
    gain: MeanOfRuns
    by_rows: RowTest | None
    """The gain by rows, as in `Standing`."""
    verdict: str
    """"gain" or "loss" where p < 0.05, else "even"."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Contenders, the best first; standings by leaf, task and contender; the seesaw where `single` took part."""

    folder: Path
    name: str
    label: str
    measured_on: str
    seeds: tuple[int, ...]
    match: str
    """What the baselines are as large as AES in: "parameters" or "flops"."""
    contenders: tuple[Contender, ...]
    standings: tuple[Standing, ...]
    seesaw: tuple[Swing, ...]
    runs: dict[str, tuple[str, ...]]
    """By architecture its run folders, in the order of the seeds, relative to the comparison's folder."""

    def to_json(self) -> str:
        return json.dumps(self.to_data(), ensure_ascii=False, indent=1) + "\n"

    def to_data(self) -> dict[str, Any]:
        """As plain values, without the folder: it may move."""
        data = asdict(self)
        del data["folder"]
        return {"format": FORMAT, **data}

    @staticmethod
    def from_json(text: str, folder: Path) -> Comparison:
        """The comparison that `to_json` wrote into the folder. Raises ValueError for another format's version."""
        values: dict[str, Any] = json.loads(text)
        if (found := values.pop("format", None)) != FORMAT:
            raise ValueError(f"comparison format {found}, this version reads format {FORMAT}")
        return read_json(Comparison, json.dumps({**values, "folder": str(folder)}))


def comparison(
    runs: Mapping[str, Sequence[Run]],
    folder: Path,
    by_rows: Mapping[str, Mapping[Place, RowTest]],
    settings: Mapping[str, tuple[str, ...]],
) -> Comparison:
    """What the runs say about each other.

    runs     by architecture, AES among them, one run for each seed in the same order; all of one spec
    by_rows  by architecture, AES aside, the tests of AES against it on the same rows, where there are any
    settings by architecture, the overrides that were chosen for it
    A leaf and task without an AUC, because its rows are of one class, is left out.
    """
    first = runs[UNIFIED][0]
    scores = {name: [_by_place(run.scores) for run in own] for name, own in runs.items()}
    overall = {name: [_overall(run.scores) for run in own] for name, own in runs.items()}
    contenders = [_contender(name, own, overall[name], overall[UNIFIED], settings[name]) for name, own in runs.items()]
    places = [(score.leaf, score.task) for score in first.scores if score.auc is not None]
    standings = tuple(
        _standing(place, name, scores, by_rows.get(name, {}).get(place)) for place in places for name in runs
    )
    return Comparison(
        folder=folder,
        name=first.plan.name,
        label=first.plan.label,
        measured_on=str(first.info["measured on"]),
        seeds=tuple(run.plan.training.seed for run in runs[UNIFIED]),
        match=next((own[0].plan.baseline.match for own in runs.values() if own[0].plan.baseline), "parameters"),
        contenders=tuple(sorted(contenders, key=lambda one: -one.auc.value)),
        standings=standings,
        seesaw=_seesaw(standings) if SINGLE in runs else (),
        runs={name: tuple(run.folder.relative_to(folder).as_posix() for run in own) for name, own in runs.items()},
    )


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
        mean_of_runs(auc),
        float(np.mean(losses)) if losses else None,
        None if name == UNIFIED else _difference(unified, auc),
        by_rows,
    )


def _seesaw(standings: Sequence[Standing]) -> tuple[Swing, ...]:
    by_place = {(one.leaf, one.task, one.architecture): one for one in standings}
    found = []
    for one in standings:
        if one.architecture == SINGLE and one.behind is not None and one.leaf != ALL:
            unified = by_place[one.leaf, one.task, UNIFIED]
            values = (unified.auc.value, one.auc.value, one.behind, one.by_rows, verdict(one.behind))
            found.append(Swing(one.leaf, one.task, one.rows, *values))
    return tuple(found)


def verdict(difference: MeanOfRuns) -> str:
    """ "gain", "loss" or "even": what the paired test over the seeds says of a difference."""
    if difference.p is None or difference.p >= SURELY:
        return "even"
    return "gain" if difference.value > 0 else "loss"


def _difference(one: Sequence[float], other: Sequence[float]) -> MeanOfRuns:
    return mean_of_runs([first - second for first, second in zip(one, other, strict=True)])


def _by_place(scores: Sequence[Score]) -> dict[Place, Score]:
    return {(score.leaf, score.task): score for score in scores}


def _overall(scores: Sequence[Score]) -> float:
    return float(np.mean([score.auc for score in scores if score.leaf == ALL and score.auc is not None]))


def _known(value: float | None) -> float:
    assert value is not None  # the same rows have the same classes in every run
    return value
