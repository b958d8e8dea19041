"""Statistics that a job of the user's own computed, on a cluster or in a database -> what encoders are made of.

A row of a file says one thing about one feature (docs/data.md):
  feature, value, count            how many cells hold this value; for vocabularies and quantiles
  feature, count, mean, deviation  mean and standard deviation of so many numbers, after `rescale`; for a `scale`
Rows that say the same thing, such as those of several days, are added up. Rows without a value, and rows about features
that have nothing to learn, are ignored. Memory follows the learners.

Axes: R rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.number_range import LARGEST
from aesm_dsl.data.encoding.fitting import new_learner
from aesm_dsl.data.encoding.learners import MeanAndDeviation, NumberHistogram, NumberSample, VocabularyCounts
from aesm_dsl.data.reading.checked_rows import TRAINING, BadRows, CheckedRows
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.files import TableRows, find_files, read_chunks
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.values import Mask, Numbers, as_numbers, as_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

KEY = "data.statistics"
StatisticsLearner = VocabularyCounts | NumberHistogram | MeanAndDeviation
"""A learner that statistics can fill."""
COLUMNS: dict[type[StatisticsLearner], tuple[str, ...]] = {
    VocabularyCounts: ("count", "value"),
    NumberHistogram: ("count", "value"),
    MeanAndDeviation: ("count", "mean", "deviation"),
}
"""The columns that a learner needs, beside `feature`."""

_EXPECTED = {
    "count": "a whole number of rows, at least 1",
    "value": "a number, where the feature is one",
    "mean": f"a number, not beyond {LARGEST:g}",
    "deviation": f"a number from 0 to {LARGEST:g}",
}


def statistics_files(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> list[DataFile]:
    """Returns the files that `statistics` in the plan's data block names; adds E501 and E502."""
    patterns = plan.data.statistics if plan.data is not None else None
    csv = plan.data.format if plan.data is not None else None
    return find_files(patterns, roots, locate(KEY), findings, csv) if patterns else []


def learn_from_statistics(
    plan: Plan, files: Sequence[DataFile], findings: Findings, locate: Locate
) -> dict[str, StatisticsLearner]:
    """Returns the learner of every feature that has something to learn, filled from the files.

    Adds E502, E503 and E513.
    """
    features = {feature.name: feature for feature in plan.all_features}
    learners = {name: learner for name, feature in features.items() if (learner := _learner(feature)) is not None}
    columns = ["feature", *dict.fromkeys(column for learner in learners.values() for column in COLUMNS[type(learner)])]
    if not learners or _report_missing(columns, files, findings, locate):
        return learners
    before, reader = len(findings.errors), _StatisticsReader(learners)
    for rows in read_chunks(files, columns, locate(KEY), findings):
        reader.update(rows)
    reader.report(findings, locate)
    if len(findings.errors) == before:
        for name, learner in learners.items():
            if not learner.has_learnt:
                _report_absent(features[name], COLUMNS[type(learner)], reader.others, findings, locate)
    return learners


class UnmatchedStatistics:
    """Finds features whose values in the training rows are all unknown to the statistics (E513). A `TableCheck`."""

    parts = TRAINING

    def __init__(self, plan: Plan, learners: Mapping[str, StatisticsLearner], locate: Locate) -> None:
        self._locate = locate
        self._unmatched = {
            feature.name: (feature, learner.counted["value"])
            for feature in plan.all_features
            if isinstance(learner := learners.get(feature.name), VocabularyCounts)
        }
        """Features without a match so far, and the values that the statistics know."""
        self._values = dict.fromkeys(self._unmatched, 0)
        self._first: dict[str, str] = {}

    def update(self, chunk: CheckedRows) -> None:
        for name, (feature, known) in list(self._unmatched.items()):
            column = chunk.rows.frame[feature.column]
            text = as_text(flatten(column, feature.separator)[0] if feature.take else column).drop_nulls()
            self._values[name] += len(text)
            if len(text):
                self._first.setdefault(name, text[0])
            if text.is_in(known.implode()).any():
                del self._unmatched[name]

    def report(self, findings: Findings) -> None:
        for name, (feature, known) in self._unmatched.items():
            if self._values[name]:
                findings.add(
                    "E513",
                    f"the statistics know none of the values of feature `{name}` in the training rows, such as "
                    f"`{self._first[name]}`; they know {quoted(known.sort(), 3)}",
                    self._locate(f"features.{feature.group}.{name}"),
                    label="all its values would be out of vocabulary",
                    help="write values as the rows have them, in the same case and without blanks",
                )


class _StatisticsReader:
    """Reads rows of statistics, chunk by chunk, into the learners of their features."""

    def __init__(self, learners: Mapping[str, StatisticsLearner]) -> None:
        self._learners = learners
        self._bad_rows = {column: BadRows() for column in _EXPECTED}
        self.others: set[str] = set()
        """Some names in column `feature` for which there is nothing to learn."""

    def update(self, rows: TableRows) -> None:
        names = as_text(rows.frame["feature"])
        self.others.update(names.filter(~names.is_in(list(self._learners))).drop_nulls().unique().head(100))
        for kind in COLUMNS:
            of_kind = [name for name, learner in self._learners.items() if isinstance(learner, kind)]
            chosen_R = names.is_in(of_kind).fill_null(False).to_numpy()
            if chosen_R.any():
                self._learn(kind, rows.take(chosen_R))

    def report(self, findings: Findings, locate: Locate) -> None:
        for column, bad_rows in self._bad_rows.items():
            if bad_rows.bad:
                message = (
                    f"column `{column}` of the statistics is wrong in {bad_rows.count_text}; {bad_rows.first_text}"
                )
                label = f"`{column}` is {_EXPECTED[column]}"
                findings.add("E513", message, locate(KEY), label=label, help="`aesm explain E513` shows such a table")

    def _learn(self, kind: type[StatisticsLearner], rows: TableRows) -> None:
        """Takes rows about features with one kind of learner."""
        cells: dict[str, pl.Series] = {"feature": as_text(rows.frame["feature"])}
        valid_R = np.ones(len(rows), dtype=np.bool_)
        for column in COLUMNS[kind]:
            if kind is VocabularyCounts and column == "value":
                cells[column] = as_text(rows.frame[column])
                continue
            values_R, bad_R = as_numbers(rows.frame[column])
            wrong_R = _wrong(column, values_R, bad_R)
            self._bad_rows[column].add(rows, column, wrong_R)
            cells[column] = pl.Series(values_R)
            valid_R &= ~wrong_R
        frame = pl.DataFrame(cells).filter(pl.Series(valid_R)).with_columns(pl.col("count").cast(pl.Int64))
        for (name,), counted in frame.partition_by("feature", as_dict=True).items():
            learner = self._learners[str(name)]
            learner.add(counted)
            learner.settle()


def _wrong(column: str, values_R: Numbers, bad_R: Mask) -> Mask:
    """The rows in which a column does not hold what _EXPECTED says."""
    least = {"count": 1.0, "mean": -np.inf, "deviation": 0.0}.get(column)
    if least is None:
        return bad_R
    wrong_R: Mask = ~np.isfinite(values_R) | (values_R < least)
    if column in ("mean", "deviation"):
        wrong_R |= np.abs(values_R) > LARGEST
    return wrong_R | (values_R != np.floor(values_R)) if column == "count" else wrong_R


def _learner(feature: FeaturePlan) -> StatisticsLearner | None:
    learner = new_learner(feature)
    return NumberHistogram() if isinstance(learner, NumberSample) else learner


def _report_missing(columns: Sequence[str], files: Sequence[DataFile], findings: Findings, locate: Locate) -> bool:
    """Adds E503 for every column that is not in all files; whether there is one."""
    without = {column: [file for file in files if column not in file.schema] for column in columns}
    for column, lacking in without.items():
        if lacking:
            message = f"no column `{column}` in {quoted((file.name for file in lacking), 3)}"
            helps = did_you_mean(column, lacking[0].schema) or f"its columns are {quoted(lacking[0].schema)}"
            findings.add("E503", message, locate(KEY), label=f"statistics need {quoted(columns)}", help=helps)
    return any(without.values())


def _report_absent(
    feature: FeaturePlan, columns: Sequence[str], others: set[str], findings: Findings, locate: Locate
) -> None:
    """Adds E513 for a feature that has something to learn, but no rows of statistics."""
    findings.add(
        "E513",
        f"the statistics have no rows about feature `{feature.name}`",
        locate(f"features.{feature.group}.{feature.name}"),
        label="its encoder is learnt from them",
        help=[
            did_you_mean(feature.name, others),
            f"it needs rows with `{feature.name}` in column `feature`, and in {quoted(columns)} what they say",
        ],
    )
