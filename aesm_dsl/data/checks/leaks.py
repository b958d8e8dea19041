"""`LabelLeaks`: finds features that alone predict a label too well (W506), in a sample of the training rows."""

from __future__ import annotations

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.label_separation import SUSPICIOUS, separation
from aesm_dsl.data.checks.own_columns import has_feature
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows
from aesm_dsl.data.reading.sample import RowSample
from aesm_dsl.findings.diagnostic import Findings, Related
from aesm_dsl.plan.plan import Plan


class LabelLeaks:
    """A `TableCheck` that measures the AUC of every feature alone."""

    parts = TRAINING

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate, self.sample = plan, locate, RowSample(plan)

    def update(self, chunk: CheckedRows) -> None:
        self.sample.update(chunk)

    def report(self, findings: Findings) -> None:
        _report(self._plan, self.sample, findings, self._locate)


def _report(plan: Plan, sample: RowSample, findings: Findings, locate: Locate) -> None:
    """Adds one W506 for each feature whose AUC alone is above SUSPICIOUS, with the task that it predicts best.

    A feature that reads a label's own column is left out: W103 reports it.
    """
    rows, labels = sample.frame(), {task.column for task in plan.tasks.tasks}
    for feature in sample.features:
        if feature.column in labels or not rows.height:
            continue
        by_value = feature.kind in ("number", "value")
        node_RL = rows.select(f"node {level.name}" for level in plan.levels).to_numpy()
        has_R = has_feature(plan, feature, node_RL) if feature.only else np.ones(rows.height, np.bool_)
        column = rows[f"value {feature.name}" if by_value else f"text {feature.name}"].filter(pl.Series(has_R))
        suspicious = []
        for task in plan.tasks.tasks:
            auc = separation(column, rows[f"label {task.name}"].to_numpy()[has_R], by_value=by_value)
            if auc is not None and auc > SUSPICIOUS:
                suspicious.append((auc, task.name))
        if suspicious:
            auc, task_name = max(suspicious, key=lambda pair: pair[0])
            others = [name for _, name in suspicious if name != task_name]
            findings.add(
                "W506",
                f"column `{feature.column}` alone predicts task `{task_name}`: AUC {auc:.4f} in {len(column):,} "
                "training rows",
                locate(f"features.{feature.group}.{feature.name}"),
                label="a leak, if it is not known before the prediction is asked for",
                help=[
                    "delete the feature, unless serving knows it in time",
                    "it also predicts " + ", ".join(f"`{name}`" for name in others) if others else "",
                ],
                second=Related.at(locate(f"tasks.task.{task_name}.label"), "the label"),
            )
