"""Statistics that a job of the user's own has counted, on a cluster or in a database -> what encoders are made of.

A row of a file says one thing of one feature:
  feature, value, count            so many cells hold this value: of vocabularies and quantiles
  feature, count, mean, deviation  of so many numbers, rescaled as encoder.py does: of a `scale`
Rows that say the same thing, such as those of several days, are added up. Rows without a value, and those of features
that have nothing to learn, count for nothing. Memory follows the learners (learner.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.encoding.fitting import new_learner
from aesm_dsl.data.encoding.learners import MeanAndDeviation, NumberHistogram, NumberSample, VocabularyCounts
from aesm_dsl.data.reading.checked_rows import BadRows, CheckedRows
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.files import TableRows, find_files, read_chunks
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.values import Mask, Numbers, as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

KEY = "data.statistics"
StatisticsLearner = VocabularyCounts | NumberHistogram | MeanAndDeviation
"""What statistics teach."""
COLUMNS: dict[type[StatisticsLearner], tuple[str, ...]] = {
    VocabularyCounts: ("count", "value"),
    NumberHistogram: ("count", "value"),
    MeanAndDeviation: ("count", "mean", "deviation"),
}
"""The columns that a feature's rows fill, beside `feature`."""

_EXPECTED = {
    "count": "a whole number of rows, at least 1",
    "value": "a number, where the feature is one",
    "mean": "a finite number",
    "deviation": "a finite number, at least 0",
}


def statistics_files(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> list[DataFile]:
    """The files that the plan's data block names; adds E501 and E502."""
    named = plan.data.statistics if plan.data is not None else None
    return find_files(named, roots, locate(KEY), findings) if named else []


def learn_from_statistics(
    plan: Plan, files: Sequence[DataFile], findings: Findings, locate: Locate
) -> dict[str, StatisticsLearner]:
    """Feature -> what the files teach of it, for all features that have something to learn; adds E502, E503, E513."""
    features = {feature.name: feature for feature in plan.features}
    found = {name: learner for name, feature in features.items() if (learner := _learner(feature)) is not None}
    columns = ["feature", *dict.fromkeys(column for one in found.values() for column in COLUMNS[type(one)])]
    if not found or _tell_missing(columns, files, findings, locate):
        return found
    before, reading = len(findings.errors), _Reading(found)
    for rows in read_chunks(files, columns, locate(KEY), findings):
        reading.update(rows)
    reading.tell(findings, locate)
    if len(findings.errors) == before:
        for name, learner in found.items():
            if not learner.knows:
                _tell_silent(features[name], COLUMNS[type(learner)], reading.others, findings, locate)
    return found


class UnmatchedStatistics:
    """Features none of whose values in the training rows is one that the statistics know (E513)."""

    def __init__(self, plan: Plan, learners: Mapping[str, StatisticsLearner], locate: Locate) -> None:
        self._locate = locate
        self._known = {
            feature.name: (feature, learner.counted["value"])
            for feature in plan.features
            if isinstance(learner := learners.get(feature.name), VocabularyCounts)
        }
        self._seen = dict.fromkeys(self._known, 0)
        self._first: dict[str, str] = {}

    def update(self, chunk: CheckedRows) -> None:
        if chunk.part != "train":
            return
        for name, (feature, known) in list(self._known.items()):
            column = chunk.rows.frame[feature.column]
            text = as_text(flatten(column, feature.separator)[0] if feature.take else column).drop_nulls()
            self._seen[name] += len(text)
            if len(text):
                self._first.setdefault(name, text[0])
            if text.is_in(known.implode()).any():
                del self._known[name]

    def tell(self, findings: Findings) -> None:
        for name, (feature, known) in self._known.items():
            if self._seen[name]:
                findings.add(
                    "E513",
                    f"the statistics know none of the values of feature `{name}` in the training rows, such as "
                    f"`{self._first[name]}`; they know {quoted(known.sort(), 3)}",
                    self._locate(f"features.{feature.group}.{name}"),
                    label="all its values would be strange ones",
                    help="write values as they are read: `7`, not `7.0`; `true`; `2024-01-31`",
                )


class _Reading:
    """Rows of statistics, chunk by chunk, into the learners of the features that they are about."""

    def __init__(self, learners: Mapping[str, StatisticsLearner]) -> None:
        self._learners = learners
        self._wrong = {column: BadRows() for column in _EXPECTED}
        self.others: set[str] = set()
        """Features that were spoken of though there is nothing to learn of them; a few."""

    def update(self, rows: TableRows) -> None:
        names = as_text(rows.frame["feature"])
        self.others.update(names.filter(~names.is_in(list(self._learners))).drop_nulls().unique().head(100))
        for kind in COLUMNS:
            own = [name for name, learner in self._learners.items() if isinstance(learner, kind)]
            chosen_R = names.is_in(own).fill_null(False).to_numpy()
            if chosen_R.any():
                self._learn(kind, rows.take(chosen_R))

    def tell(self, findings: Findings, locate: Locate) -> None:
        for column, tally in self._wrong.items():
            if tally.bad:
                message = f"column `{column}` of the statistics is wrong in {tally.counted}; {tally.first}"
                label = f"`{column}` is {_EXPECTED[column]}"
                findings.add("E513", message, locate(KEY), label=label, help="`aesm explain E513` shows such a table")

    def _learn(self, kind: type[StatisticsLearner], rows: TableRows) -> None:
        """Rows of features of one kind of learner."""
        cells: dict[str, pl.Series] = {"feature": as_text(rows.frame["feature"])}
        sound_R = np.ones(len(rows), dtype=np.bool_)
        for column in COLUMNS[kind]:
            if kind is VocabularyCounts and column == "value":
                cells[column] = as_text(rows.frame[column])
                continue
            values_R, bad_R = as_numbers(rows.frame[column])
            wrong_R = _wrong(column, values_R, bad_R)
            self._wrong[column].add(rows, column, wrong_R)
            cells[column] = pl.Series(values_R)
            sound_R &= ~wrong_R
        frame = pl.DataFrame(cells).filter(pl.Series(sound_R)).with_columns(pl.col("count").cast(pl.Int64))
        for (name,), own in frame.partition_by("feature", as_dict=True).items():
            learner = self._learners[str(name)]
            learner.add(own)
            learner.settle()


def _wrong(column: str, values_R: Numbers, bad_R: Mask) -> Mask:
    least = {"count": 1.0, "mean": -np.inf, "deviation": 0.0}.get(column)
    if least is None:
        return bad_R
    wrong_R: Mask = ~np.isfinite(values_R) | (values_R < least)
    return wrong_R | (values_R != np.floor(values_R)) if column == "count" else wrong_R


def _learner(feature: FeaturePlan) -> StatisticsLearner | None:
    learner = new_learner(feature)
    return NumberHistogram() if isinstance(learner, NumberSample) else learner


def _tell_missing(columns: Sequence[str], files: Sequence[DataFile], findings: Findings, locate: Locate) -> bool:
    """Whether one of the columns is not in all files."""
    lacking = {column: [file for file in files if column not in file.schema] for column in columns}
    for column, without in lacking.items():
        if without:
            message = f"no column `{column}` in {quoted((file.name for file in without), 3)}"
            helps = did_you_mean(column, without[0].schema) or f"its columns are {quoted(without[0].schema)}"
            findings.add("E503", message, locate(KEY), label=f"statistics need {quoted(columns)}", help=helps)
    return any(lacking.values())


def _tell_silent(
    feature: FeaturePlan, columns: Sequence[str], others: set[str], findings: Findings, locate: Locate
) -> None:
    findings.add(
        "E513",
        f"the statistics say nothing of feature `{feature.name}`",
        locate(f"features.{feature.group}.{feature.name}"),
        label="there is something to learn of it",
        help=[
            did_you_mean(feature.name, others),
            f"it needs rows with `{feature.name}` in column `feature`, and in {quoted(columns)} what they say",
        ],
    )
