"""`ColumnUse`: one reason to need a column of a table. `FailedUses`: those whose column cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field

from aesm_dsl.data.reading.timestamps import DateForm
from aesm_dsl.plan.data import SplitPlan
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.number_form import NumberForm
from aesm_dsl.plan.plan import Plan

ANYTHING, SINGLE_VALUE, ID, NUMBER, LABEL = "anything", "single values", "whole numbers or text", "numbers", "0 or 1"
DATE, LIST, TEXT_LIST = "dates", "lists", "lists or text"
"""What a use needs a column to hold, as its findings say it."""


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """One reason to read a column, and what the column has to hold for it."""

    key: str
    """Dotted path of the setting that names the column, for `Locate`."""
    column: str
    owner: str
    """The user of the column in words: "feature `age`"."""
    needs: str
    """What the column has to hold: ANYTHING, SINGLE_VALUE, ID and so on."""
    inner: str = ""
    """What the lists of the column have to hold; empty if it is not a column of lists."""
    date_form: DateForm = field(default_factory=DateForm)
    """How dates are written."""
    number_form: NumberForm | None = None
    """How numbers are written as text; None if as in the language."""
    separator: str = ""
    """Separator of lists that are written as text."""
    optional: bool = False
    """Whether a file may lack the column: `OwnColumns` says when it may not."""

    @property
    def single(self) -> str:
        """What each single value has to be."""
        return self.inner or self.needs


@dataclass(slots=True)
class FailedUses:
    """The uses whose column is missing or has the wrong type, as (part, key)."""

    known: set[tuple[str, str]] = field(default_factory=set)

    def add(self, part: str, use: ColumnUse) -> None:
        """Records that a use failed in the table of a part."""
        self.known.add((part, use.key))

    def has(self, part: str, key: str) -> bool:
        """Returns whether the use with this key failed in the table of a part."""
        return (part, key) in self.known


def column_uses(plan: Plan, labels: bool, *, training: bool = False) -> list[ColumnUse]:
    """Returns the columns that a table needs.

    Args:
        plan: the plan.
        labels: with the columns of labels, row weights, users and queries.
        training: with those of features that are known in training only.
    """
    features = plan.all_features if training else plan.features
    wanted = [
        ColumnUse(
            f"features.{feature.group}.{feature.name}",
            feature.column,
            f"feature `{feature.name}`",
            *_needs(feature),
            DateForm(feature.zone, feature.format),
            feature.form,
            feature.separator,
            optional=bool(feature.only),
        )
        for feature in features
        if feature.column
    ]
    wanted += [
        ColumnUse(
            f"features.{feature.group}.{feature.name}.of.until",
            feature.until,
            f"feature `{feature.name}`",
            DATE,
            date_form=DateForm(format=feature.format),
        )
        for feature in features
        if feature.until
    ]
    wanted += [
        ColumnUse(f"level.{level.name}.column", level.column, f"level `{level.name}`", SINGLE_VALUE)
        for level in plan.levels
    ]
    if labels:
        for task in plan.tasks.tasks:
            key, owner = f"tasks.task.{task.name}.label", f"task `{task.name}`"
            wanted.append(ColumnUse(key, task.column, owner, _LABEL[task.rule], number_form=task.form))
        if plan.data is not None and plan.data.weight is not None:
            wanted.append(ColumnUse("data.weight", plan.data.weight, "the row weight", NUMBER))
        if plan.data is not None and plan.data.user is not None:
            wanted.append(ColumnUse("data.user", plan.data.user, "the user of a row", ID))
        if plan.data is not None and plan.data.query is not None:
            wanted.append(ColumnUse("data.query", plan.data.query, "the query of a row", ID))
    return wanted


def split_column_uses(plan: Plan) -> list[ColumnUse]:
    """Returns the columns that only the training table needs: those that it is split by."""
    data = plan.data
    parts = {} if data is None else {"test": data.test, "valid": data.valid}
    return [
        ColumnUse(f"data.{part}", rule.column, f"the {_PART[part]} split", SINGLE_VALUE)
        for part, rule in parts.items()
        if isinstance(rule, SplitPlan) and rule.column is not None
    ]


_FEATURE = {
    "category": SINGLE_VALUE,
    "id": ID,
    "vectors": SINGLE_VALUE,
    "number": NUMBER,
    "value": NUMBER,
    "date": DATE,
    "elapsed": DATE,
}
_LABEL = {"as is": LABEL, "above": NUMBER, "equals": SINGLE_VALUE}
_PART = {"test": "test", "valid": "validation"}


def _needs(feature: FeaturePlan) -> tuple[str, str]:
    """What the column of a feature has to hold, and what its lists have to hold."""
    if feature.take:
        seconds = feature.kind == "elapsed" and not feature.until
        return TEXT_LIST if feature.separator else LIST, NUMBER if seconds else _FEATURE[feature.kind]
    return _FEATURE[feature.kind], ""
