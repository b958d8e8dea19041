"""The vocabulary of levels, their nodes and experts."""

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
    """The experts of one level and how they are selected. In the model itself: the defaults of all levels."""

    count: Annotated[int | AutoWord, AutoKind(IntegerKind(1, 4096))] = setting(
        "number of experts in each layer", "auto"
    )
    hidden: Annotated[tuple[int, ...] | AutoWord, AutoKind(ListKind(IntegerKind(1, 65_536), least=1))] = setting(
        "widths of the layers of an expert; the last is its output", "auto"
    )
    specific: Annotated[int | AutoWord, AutoKind(IntegerKind(1, 4096))] = setting(
        "experts selected for a row as the most specific to its node (K_sp)", "auto"
    )
    shared: Annotated[int | AutoWord, AutoKind(IntegerKind(0, 4096))] = setting(
        "experts selected for a row as the most shared by all nodes (K_sh)", "auto"
    )
    repeat: Annotated[int, IntegerKind(1, 64)] = setting("number of AES layers in the level", 2)
    norm: Annotated[typing.Literal["layer", "batch", "none"], ChoiceKind(("layer", "batch", "none"))] = setting(
        "normalisation after each Linear of an expert; the statistics of `batch` are those of the rows that run the "
        "expert, whose nodes change with the selection",
        "layer",
    )
    mixture_norm: Annotated[typing.Literal["layer", "none"], ChoiceKind(("layer", "none"))] = setting(
        "normalisation of the mixture; the paper has `none`", "layer"
    )
    activation: Annotated[typing.Literal["silu", "relu"], ChoiceKind(("silu", "relu"))] = setting(
        "activation inside experts and towers", "silu"
    )
    dropout: Annotated[float, ShareKind()] = setting("dropout rate of the experts' activations in training", 0.0)
    residual: Annotated[typing.Literal["none", "add"], ChoiceKind(("none", "add"))] = setting(
        "`add` adds the input of a layer to its output if both have the same width; the paper has `none`", "add"
    )
    temperature: Annotated[float, RealKind(0, 1000, open=True)] = setting(
        "divides the gate logits before the softmax over the selected experts: values above 1 make the mixture more "
        "even, below 1 sharper",
        1.0,
    )
    compare: Annotated[typing.Literal["level", "siblings"], ChoiceKind(("level", "siblings"))] = setting(
        "the nodes over which an expert is compared: all of the level, or those under the row's own parent", "level"
    )
    execution: Annotated[typing.Literal["auto", "dense", "loop", "grouped"], ChoiceKind(EXECUTIONS)] = setting(
        "how experts run; the result is the same: `dense` all of them on all rows, `loop` each on the rows that "
        "selected it, `grouped` the same in one bfloat16 product on a GPU; `auto` takes the cheapest for device and "
        "batch",
        "auto",
    )


class Node(BlockModel):
    """One value of the level's column, such as an entry or a card. It has one gate, under all its parents."""

    name: str
    title: str | None = None
    doc: Doc = ""
    value: Annotated[
        tuple[str | int | float, ...] | None,
        OptionalKind(ListKind(LiteralKind('a value of the column (such as `"search"`)'), 1, True)),
    ] = setting("the value or values of the level's column that mean this node; by default its name", None)
    under: Annotated[tuple[str, ...] | None, ListKind(ReferenceKind("node"), 1, True)] = setting(
        "the nodes of the level above under which it lies; by default all of them", None
    )


class Refused(BlockModel):
    """A row whose node is missing or not declared is an error, which shows its value."""

    call: typing.Literal["error"]


class RunsShared(BlockModel):
    """A row whose node is missing or not declared runs only on the shared experts."""

    call: typing.Literal["shared"]
    hide: Annotated[float, ShareKind()] = setting(
        "share of training rows whose node is hidden, so that the network learns to predict such rows", 0.02
    )


class Level(BlockModel):
    """One level of the hierarchy: a stack of AES layers whose gates are the nodes."""

    name: str
    title: str | None = None
    doc: Doc = ""
    under: Annotated[str | None, ReferenceKind("level")] = setting("the level above; the first level has none", None)
    column: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting(
        "column of each row's node; by default the level's name", None
    )
    embed: Annotated[int | None, OptionalKind(IntegerKind(1, 4096))] = setting(
        "width of the node embedding; by default the model's `embed`", None
    )
    unknown: Annotated[Refused | RunsShared, CallKind((Refused, RunsShared)), Field(discriminator="call")] = setting(
        "how a row whose node is missing or not declared is treated: as an `error`, or it runs on the `shared` experts",
        Refused(call="error"),
    )
    nodes: Annotated[tuple[Node, ...], BlockKind("node", many=True)] = setting("a node of the level", ())
    experts: Annotated[ExpertsBlock, BlockKind("experts")] = setting("the level's experts", ExpertsBlock())
