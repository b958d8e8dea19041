"""The words for levels, their nodes and experts."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import BlockModel, Doc, setting
from aesm_dsl.spec.kinds import (
    AutoKind,
    BlockKind,
    CallKind,
    ChoiceKind,
    IntegerKind,
    ListKind,
    LiteralKind,
    NameKind,
    OptionalKind,
    RealKind,
    ReferenceKind,
    ShareKind,
)

AutoWord = typing.Literal["auto"]

EXECUTIONS = ("auto", "dense", "loop", "grouped")


class ExpertsBlock(BlockModel):
    """The experts of one level and how they are chosen. At the model's level: the defaults of all levels."""

    count: Annotated[int | AutoWord, AutoKind(IntegerKind(1, 4096))] = setting(
        "how many experts each layer has", "auto"
    )
    hidden: Annotated[tuple[int, ...] | AutoWord, AutoKind(ListKind(IntegerKind(1, 65_536), least=1))] = setting(
        "widths of an expert's layers; the last is its output", "auto"
    )
    specific: Annotated[int | AutoWord, AutoKind(IntegerKind(1, 4096))] = setting(
        "experts a row picks that are most specific to its node (K_sp)", "auto"
    )
    shared: Annotated[int | AutoWord, AutoKind(IntegerKind(0, 4096))] = setting(
        "experts a row picks that are most shared by all nodes (K_sh)", "auto"
    )
    repeat: Annotated[int, IntegerKind(1, 64)] = setting("how many AES layers are stacked in the level", 2)
    norm: Annotated[typing.Literal["layer", "batch", "none"], ChoiceKind(("layer", "batch", "none"))] = setting(
        "normalisation inside the experts, after each Linear; `batch` averages over the rows that run the expert, "
        "a mix of nodes that changes as the selection does",
        "layer",
    )
    mixture_norm: Annotated[typing.Literal["layer", "none"], ChoiceKind(("layer", "none"))] = setting(
        "normalisation of the mixture; `none` is the paper's", "layer"
    )
    activation: Annotated[typing.Literal["silu", "relu"], ChoiceKind(("silu", "relu"))] = setting(
        "activation inside experts and towers", "silu"
    )
    dropout: Annotated[float, ShareKind()] = setting("share of an expert's activations dropped in training", 0.0)
    residual: Annotated[typing.Literal["none", "add"], ChoiceKind(("none", "add"))] = setting(
        "`add` adds a layer's input to its output wherever both have the same width; `none` is the paper's", "add"
    )
    temperature: Annotated[float, RealKind(0, 1000, open=True)] = setting(
        "divides the gates before the softmax over the selected experts: above 1 evens the mixture out, below 1 "
        "sharpens it",
        1.0,
    )
    compare: Annotated[typing.Literal["level", "siblings"], ChoiceKind(("level", "siblings"))] = setting(
        "nodes an expert is compared over: all of the level, or those that lie under the row's own parent", "level"
    )
    execution: Annotated[typing.Literal["auto", "dense", "loop", "grouped"], ChoiceKind(EXECUTIONS)] = setting(
        "how experts run, with one result: `dense` all of them on all rows, `loop` each on the rows that selected it, "
        "`grouped` likewise in one bfloat16 product of the GPU; `auto` takes what costs least for the device and batch",
        "auto",
    )


class Node(BlockModel):
    """One value of a level: an entry, a card. Its name is one gate column wherever it occurs."""

    name: str
    title: str | None = None
    doc: Doc = ""
    value: Annotated[
        tuple[str | int | float, ...] | None,
        OptionalKind(ListKind(LiteralKind('a value of the column (such as `"search"`)'), 1, True)),
    ] = setting("value or values of the level's column that mean this node; by default its name", None)
    under: Annotated[tuple[str, ...] | None, ListKind(ReferenceKind("node"), 1, True)] = setting(
        "nodes of the level above it lies under; by default all of them", None
    )


class Refused(BlockModel):
    """A row whose node is missing or not declared is an error, told by its value."""

    call: typing.Literal["error"]


class RunsShared(BlockModel):
    """A row whose node is missing or not declared runs on the shared experts alone."""

    call: typing.Literal["shared"]
    hide: Annotated[float, ShareKind()] = setting(
        "share of training rows whose node is hidden, so that this way is learnt", 0.02
    )


class Level(BlockModel):
    """One level of the hierarchy: one stack of AES layers whose gates are the nodes."""

    name: str
    title: str | None = None
    doc: Doc = ""
    under: Annotated[str | None, ReferenceKind("level")] = setting("the level above; the first level has none", None)
    column: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting(
        "column that holds each row's node; by default the level's name", None
    )
    embed: Annotated[int | None, OptionalKind(IntegerKind(1, 4096))] = setting(
        "width of the node embedding; by default the model's `embed`", None
    )
    unknown: Annotated[Refused | RunsShared, CallKind((Refused, RunsShared)), Field(discriminator="call")] = setting(
        "what becomes of a row whose node is missing or not declared: an `error`, or it runs on `shared` experts",
        Refused(call="error"),
    )
    nodes: Annotated[tuple[Node, ...], BlockKind("node", many=True)] = setting("a node of the level", ())
    experts: Annotated[ExpertsBlock, BlockKind("experts")] = setting("the level's experts", ExpertsBlock())
