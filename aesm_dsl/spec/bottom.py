"""The vocabulary of the bottom: what happens to the features' vectors below the experts, in every architecture."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.kinds import CallKind, IntegerKind, OptionalKind


class Scenario(BlockModel):
    """Every number of the features' vectors is multiplied by a factor from 0 to 2, which the row's nodes decide: the
    gate of EPNet, which sees the embeddings of the nodes, and the features' vectors without a gradient to them."""

    call: typing.Literal["scenario"]
    hidden: Annotated[int, IntegerKind(1, 65_536)] = setting("width of the gate's hidden layer", 64)


class SENet(BlockModel):
    """Every feature's vector is multiplied by a factor from 0 to 2, which the means of all features' vectors decide: a
    squeeze-and-excitation network over the features."""

    call: typing.Literal["senet"]
    reduction: Annotated[int, IntegerKind(1, 65_536)] = setting(
        "the gate's hidden layer has the number of features divided by this", 3
    )


class DCNv2(BlockModel):
    """Cross layers of low rank, one above the other, whose result takes the place of the features' vectors. Each adds
    to what it gets its product with these vectors: after n layers there are products of up to n + 1 numbers."""

    call: typing.Literal["dcn_v2"]
    layers: Annotated[int, IntegerKind(1, 64)] = setting("number of cross layers", 2)
    rank: Annotated[int, IntegerKind(1, 65_536)] = setting("rank of each layer's matrix", 32)


class FM(BlockModel):
    """The second-order term of a factorisation machine: the products of every two features' vectors, number by number,
    summed over all pairs, stand beside the features' vectors."""

    call: typing.Literal["fm"]
    width: Annotated[int, IntegerKind(1, 4096)] = setting(
        "width of the vectors that are multiplied; a feature's vector of another width is mapped to it by a learnt "
        "matrix",
        16,
    )


class BottomBlock(BlockModel):
    """What happens to the features' vectors below the experts, or below the bottoms and experts of a baseline."""

    gate: Annotated[
        Annotated[Scenario | SENet, Field(discriminator="call")] | None, OptionalKind(CallKind((Scenario, SENet)))
    ] = setting("what weights the features' vectors: the row's nodes (`scenario`), or the features (`senet`)", None)
    interaction: Annotated[
        Annotated[DCNv2 | FM, Field(discriminator="call")] | None, OptionalKind(CallKind((DCNv2, FM)))
    ] = setting(
        "products of features, after the gate: cross layers (`dcn_v2`), or a factorisation machine (`fm`)", None
    )
