"""The words for tasks."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import Doc, Model, setting
from aesm_dsl.spec.kinds import (
    Call,
    Child,
    Choice,
    Either,
    Integer,
    Literal,
    Many,
    Name,
    Optional,
    Real,
    Reference,
    Share,
)
from aesm_dsl.spec.levels import Experts


class Above(Model):
    """1 where the column's value is greater than `value`."""

    call: typing.Literal["above"]
    column: Annotated[str, Name("a column")] = setting("column that is compared")
    value: Annotated[float, Real(least=float("-inf"))] = setting("the label is 1 above it")


class Equals(Model):
    """1 where the column's value is `value`."""

    call: typing.Literal["equals"]
    column: Annotated[str, Name("a column")] = setting("column that is compared")
    value: Annotated[str | int | float, Literal('a value of the column (such as `"yes"`)')] = setting(
        "the label is 1 where the column holds it"
    )


Comparison = Annotated[Above | Equals, Field(discriminator="call")]


class Task(Model):
    """One thing to predict, 0 or 1 per row. A missing label is not a negative."""

    name: str
    title: str | None = None
    doc: Doc = ""
    label: Annotated[str | Comparison | None, Optional(Either((Call((Above, Equals)), Name("a column"))))] = setting(
        "column of the label, or a comparison on one; by default the task's name", None
    )
    after: Annotated[str | None, Optional(Reference("task"))] = setting(
        "the task that must happen first: P(this) = P(that) * P(this | that), over all impressions", None
    )
    joint: Annotated[typing.Literal["product", "direct"] | None, Choice(("product", "direct"))] = setting(
        "how a task that follows another is predicted: as the `product` of both, or `direct`, by a tower that stands "
        "for all of P(this); by default `product`",
        None,
    )
    where: Annotated[str | None, Optional(Reference("task"))] = setting(
        "the task's sample space: it learns from, and is measured on, only rows where that task happened", None
    )
    weight: Annotated[float, Real(open=True)] = setting("weight of the task's loss", 1.0)


class Tasks(Model):
    """The last level: its gates are the tasks, its experts are shared by them."""

    under: Annotated[str | None, Reference("level")] = setting("the level above; by default the last one", None)
    embed: Annotated[int | None, Optional(Integer(1, 4096))] = setting(
        "width of the task embedding; by default the model's `embed`", None
    )
    tower: Annotated[tuple[int, ...], Many(Integer(1, 65_536))] = setting("hidden widths of each task's tower", (64,))
    tower_per: Annotated[typing.Literal["task", "leaf"], Choice(("task", "leaf"))] = setting(
        "what has a tower of its own: each `task`, or each task in each `leaf`, a path of the levels", "task"
    )
    tower_dropout: Annotated[float, Share()] = setting("share of a tower's activations dropped in training", 0.0)
    budget: Annotated[int | None, Optional(Integer(1, 4096, unit="experts"))] = setting(
        "the most different experts a row may run for all its tasks together, in each layer", None
    )
    tasks: Annotated[tuple[Task, ...], Child("task", many=True)] = setting("something to predict", ())
    experts: Annotated[Experts, Child("experts")] = setting("the experts shared by the tasks", Experts())
