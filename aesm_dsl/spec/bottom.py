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


class BottomBlock(BlockModel):
    """What happens to the features' vectors below the experts, or below the bottoms and experts of a baseline."""

    gate: Annotated[
        Annotated[Scenario | SENet, Field(discriminator="call")] | None, OptionalKind(CallKind((Scenario, SENet)))
    ] = setting("what weights the features' vectors: the row's nodes (`scenario`), or the features (`senet`)", None)
