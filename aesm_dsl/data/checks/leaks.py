"""`LabelLeaks`: features that tell a label on their own (W506), looked for in a sample of the training rows."""

from __future__ import annotations

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.checks.label_separation import SUSPICIOUS, separation
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.sample import RowSample
from aesm_dsl.findings.diagnostic import Findings, Related
from aesm_dsl.plan.plan import Plan


class LabelLeaks:
    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._plan, self._locate, self.sample = plan, locate, RowSample(plan)

    def update(self, chunk: CheckedRows) -> None:
        self.sample.update(chunk)

    def tell(self, findings: Findings) -> None:
        _tell(self._plan, self.sample, findings, self._locate)


def _tell(plan: Plan, sample: RowSample, findings: Findings, locate: Locate) -> None:
    """One W506 per feature: the task that it tells best, where the AUC of it alone is above SUSPICIOUS.

    A feature that reads a label's own column is told as W103 already.
    """
    rows, labels = sample.frame(), {task.column for task in plan.tasks.tasks}
    for feature in sample.features:
        if feature.column in labels or not rows.height:
            continue
        by_value = feature.kind in ("number", "value")
        column = rows[f"value {feature.name}" if by_value else f"text {feature.name}"]
        found = []
        for task in plan.tasks.tasks:
            area = separation(column, rows[f"label {task.name}"].to_numpy(), by_value=by_value)
            if area is not None and area > SUSPICIOUS:
                found.append((area, task.name))
        if found:
            area, task_name = max(found, key=lambda one: one[0])
            others = [name for _, name in found if name != task_name]
            findings.add(
                "W506",
                f"column `{feature.column}` alone tells task `{task_name}`: AUC {area:.4f} in {rows.height:,} "
                "training rows",
                locate(f"features.{feature.group}.{feature.name}"),
                label="a leak, if it is not known before the prediction is asked for",
                help=[
                    "delete the feature, unless serving knows it in time",
                    "it also tells " + ", ".join(f"`{name}`" for name in others) if others else "",
                ],
                second=Related.at(locate(f"tasks.task.{task_name}.label"), "the label"),
            )
