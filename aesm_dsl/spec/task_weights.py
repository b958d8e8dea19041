"""The vocabulary of how several tasks train one network: weights of their losses, combinations of their gradients."""

from __future__ import annotations

import typing
from typing import Annotated

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.kinds import RealKind


class Fixed(BlockModel):
    """Every task counts by its own `weight`."""

    call: typing.Literal["fixed"]


class Uncertainty(BlockModel):
    """Every task counts by a learnt factor, which comes to be the inverse of its loss."""

    call: typing.Literal["uncertainty"]


class GradNorm(BlockModel):
    """Learns factors that make the tasks' gradients alike in length, longer where a task learns slowly."""

    call: typing.Literal["gradnorm"]
    alpha: Annotated[float, RealKind()] = setting(
        "how much longer the gradient of a task that learns slowly is to be; 0 makes all alike", 1.5
    )
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate of the factors", 0.025)


class DWA(BlockModel):
    """Dynamic weight average: a task counts more if its loss fell less than others' from one epoch to the next."""

    call: typing.Literal["dwa"]
    temperature: Annotated[float, RealKind(open=True)] = setting(
        "the larger it is, the more alike are the factors", 2.0
    )


class FAMO(BlockModel):
    """Learns factors by which the logarithms of all losses fall at the same speed."""

    call: typing.Literal["famo"]
    rate: Annotated[float, RealKind(open=True)] = setting("learning rate of the factors' logits", 0.025)
    decay: Annotated[float, RealKind()] = setting("weight decay of the factors' logits", 0.001)


Combine = typing.Literal[
    "sum",
    "pcgrad",
    "gradvac",
    "upgrad",
    "dualproj",
    "config",
    "aligned_mtl",
    "mgda",
    "imtl_g",
    "fairgrad",
    "graddrop",
    "random",
]
COMBINE: tuple[Combine, ...] = typing.get_args(Combine)
