"""The vocabulary of tasks."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import BlockModel, Doc, setting
from aesm_dsl.spec.kinds import (
    BlockKind,
    CallKind,
    ChoiceKind,
    EitherKind,
    IntegerKind,
    ListKind,
    LiteralKind,
    NameKind,
    OptionalKind,
    RealKind,
    ReferenceKind,
    ShareKind,
)
from aesm_dsl.spec.levels import ExpertsBlock
from aesm_dsl.spec.number_form import DECIMAL, PERCENT, STRIP, THOUSANDS, Sign, Signs, Switch

_VALUE = LiteralKind('a value of the column (such as `"yes"`)')


class Above(BlockModel):
    """The label is 1 if the column is greater than `value`, else 0."""

    call: typing.Literal["above"]
    column: Annotated[str, NameKind("a column")] = setting("the column that is compared")
    value: Annotated[int | float, RealKind(least=float("-inf"), exact=True)] = setting(
        "the value above which the label is 1"
    )
    decimal: Sign = DECIMAL
    thousands: Sign = THOUSANDS
    strip: Signs = STRIP
    percent: Switch = PERCENT


class Equals(BlockModel):
    """The label is 1 if the column is `value`, or one of several, else 0."""

    call: typing.Literal["equals"]
    column: Annotated[str, NameKind("a column")] = setting("the column that is compared")
    value: Annotated[str | int | float | tuple[str | int | float, ...], EitherKind((_VALUE, ListKind(_VALUE, 1)))] = (
        setting("the value for which the label is 1, or a list of them; a number is that number however it is written")
    )


Comparison = Annotated[Above | Equals, Field(discriminator="call")]


class Task(BlockModel):
    """An event to predict, 0 or 1 per row. A row with a missing label does not count as a negative."""

    name: str
    title: str | None = None
    doc: Doc = ""
    label: Annotated[
        str | Comparison | None, OptionalKind(EitherKind((CallKind((Above, Equals)), NameKind("a column"))))
    ] = setting("column of the label, or a comparison of a column; by default the task's name", None)
    after: Annotated[str | None, OptionalKind(ReferenceKind("task"))] = setting(
        "the task that must happen first: P(this) = P(that) * P(this | that), over all rows", None
    )
    joint: Annotated[typing.Literal["product", "direct"] | None, ChoiceKind(("product", "direct"))] = setting(
        "how a task with `after` is predicted: as the `product` of both probabilities, or `direct`, by a tower for "
        "P(this) itself; by default `product`",
        None,
    )
    where: Annotated[str | None, OptionalKind(ReferenceKind("task"))] = setting(
        "the sample space: the task is trained and measured only on rows where that other task happened", None
    )
    weight: Annotated[float, RealKind(open=True)] = setting("weight of the task's loss", 1.0)


class Tasks(BlockModel):
    """The last level: its gates are the tasks, which share its experts."""

    under: Annotated[str | None, ReferenceKind("level")] = setting("the level above; by default the last one", None)
    embed: Annotated[int | None, OptionalKind(IntegerKind(1, 4096))] = setting(
        "width of the task embedding; by default the model's `embed`", None
    )
    tower: Annotated[tuple[int, ...], ListKind(IntegerKind(1, 65_536))] = setting(
        "hidden widths of each task's tower", (64,)
    )
    tower_per: Annotated[typing.Literal["task", "leaf"], ChoiceKind(("task", "leaf"))] = setting(
        "one tower per `task`, or per task and `leaf` (a path of the levels)", "task"
    )
    tower_dropout: Annotated[float, ShareKind()] = setting("dropout rate of the towers' activations in training", 0.0)
    budget: Annotated[int | None, OptionalKind(IntegerKind(1, 4096, unit="experts"))] = setting(
        "the most experts that a row may run for all its tasks together, in each layer: first the one of largest "
        "weight of each task, then those of the largest weights summed over the tasks",
        None,
    )
    tasks: Annotated[tuple[Task, ...], BlockKind("task", many=True)] = setting("an event to predict", ())
    experts: Annotated[ExpertsBlock, BlockKind("experts")] = setting("the experts shared by the tasks", ExpertsBlock())
