"""The words for tasks."""

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


class Above(BlockModel):
    """1 where the column's value is greater than `value`."""

    call: typing.Literal["above"]
    column: Annotated[str, NameKind("a column")] = setting("column that is compared")
    value: Annotated[float, RealKind(least=float("-inf"))] = setting("the label is 1 above it")


class Equals(BlockModel):
    """1 where the column's value is `value`."""

    call: typing.Literal["equals"]
    column: Annotated[str, NameKind("a column")] = setting("column that is compared")
    value: Annotated[str | int | float, LiteralKind('a value of the column (such as `"yes"`)')] = setting(
        "the label is 1 where the column holds it"
    )


Comparison = Annotated[Above | Equals, Field(discriminator="call")]


class Task(BlockModel):
    """One thing to predict, 0 or 1 per row. A missing label is not a negative."""

    name: str
    title: str | None = None
    doc: Doc = ""
    label: Annotated[
        str | Comparison | None, OptionalKind(EitherKind((CallKind((Above, Equals)), NameKind("a column"))))
    ] = setting("column of the label, or a comparison on one; by default the task's name", None)
    after: Annotated[str | None, OptionalKind(ReferenceKind("task"))] = setting(
        "the task that must happen first: P(this) = P(that) * P(this | that), over all impressions", None
    )
    joint: Annotated[typing.Literal["product", "direct"] | None, ChoiceKind(("product", "direct"))] = setting(
        "how a task that follows another is predicted: as the `product` of both, or `direct`, by a tower that stands "
        "for all of P(this); by default `product`",
        None,
    )
    where: Annotated[str | None, OptionalKind(ReferenceKind("task"))] = setting(
        "the task's sample space: it learns from, and is measured on, only rows where that task happened", None
    )
    weight: Annotated[float, RealKind(open=True)] = setting("weight of the task's loss", 1.0)


class Tasks(BlockModel):
    """The last level: its gates are the tasks, its experts are shared by them."""

    under: Annotated[str | None, ReferenceKind("level")] = setting("the level above; by default the last one", None)
    embed: Annotated[int | None, OptionalKind(IntegerKind(1, 4096))] = setting(
        "width of the task embedding; by default the model's `embed`", None
    )
    tower: Annotated[tuple[int, ...], ListKind(IntegerKind(1, 65_536))] = setting(
        "hidden widths of each task's tower", (64,)
    )
    tower_per: Annotated[typing.Literal["task", "leaf"], ChoiceKind(("task", "leaf"))] = setting(
        "what has a tower of its own: each `task`, or each task in each `leaf`, a path of the levels", "task"
    )
    tower_dropout: Annotated[float, ShareKind()] = setting("share of a tower's activations dropped in training", 0.0)
    budget: Annotated[int | None, OptionalKind(IntegerKind(1, 4096, unit="experts"))] = setting(
        "the most different experts a row may run for all its tasks together, in each layer", None
    )
    tasks: Annotated[tuple[Task, ...], BlockKind("task", many=True)] = setting("something to predict", ())
    experts: Annotated[ExpertsBlock, BlockKind("experts")] = setting("the experts shared by the tasks", ExpertsBlock())
