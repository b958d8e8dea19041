"""The vocabulary of baselines: the other architectures that a spec compiles to, and their sizes."""

from __future__ import annotations

import typing
from typing import Annotated

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.kinds import AutoKind, ChoiceKind, IntegerKind, ListKind, SwitchKind

Architecture = typing.Literal[
    "aes",
    "shared_bottom",
    "mmoe",
    "ple",
    "star",
    "esmm",
    "single",
    "pepnet",
    "adatt",
    "aitm",
    "hinet",
    "m3oe",
    "cross_stitch",
]
ARCHITECTURES: tuple[Architecture, ...] = typing.get_args(Architecture)
LEAF_FEATURE: tuple[Architecture, ...] = ("shared_bottom", "mmoe", "ple", "adatt", "aitm", "cross_stitch")
"""The architectures that can have the leaf as a feature: what they share sees no leaf otherwise."""
OUTSIDE_MODELS = ("logistic", "lightgbm")
"""Models from outside that a comparison can have beside them: no spec becomes one."""


class BaselineBlock(BlockModel):
    """Sizes of the network if `architecture` is not `aes`. Activation, dropout and towers are those of `tasks`."""

    match: Annotated[typing.Literal["parameters", "flops"], ChoiceKind(("parameters", "flops"))] = setting(
        "the cost that automatic widths make equal to the AES model's: `parameters`, without embedding tables, or "
        "`flops` per row",
        "parameters",
    )
    hidden: Annotated[tuple[int, ...] | typing.Literal["auto"], AutoKind(ListKind(IntegerKind(1, 65_536), least=1))] = (
        setting(
            "widths of the layers below the towers (or of each expert); the last is the towers' input",
            "auto",
        )
    )
    experts: Annotated[int, IntegerKind(1, 4096)] = setting("number of experts in MMoE", 8)
    specific: Annotated[int, IntegerKind(1, 4096)] = setting(
        "experts of each task in each leaf in each layer of PLE, of each task in each layer of AdaTT, of each leaf "
        "and of each task in HiNet",
        1,
    )
    shared: Annotated[int, IntegerKind(1, 4096)] = setting(
        "experts shared by all leaves and tasks, in each layer of PLE and AdaTT, in both stages of HiNet, in M3oE", 4
    )
    repeat: Annotated[int, IntegerKind(1, 64)] = setting("number of expert layers in PLE and AdaTT", 2)
    auxiliary: Annotated[tuple[int, ...], ListKind(IntegerKind(1, 65_536))] = setting(
        "hidden widths of STAR's auxiliary network, and of every gate in PEPNet", (32,)
    )
    norm: Annotated[typing.Literal["layer", "none"], ChoiceKind(("layer", "none"))] = setting(
        "normalisation after each Linear below the towers; STAR normalises its input per leaf instead", "layer"
    )
    leaf_feature: Annotated[bool, SwitchKind()] = setting(
        "whether the leaf is one more feature, of width `embed`: in `shared_bottom`, `mmoe`, `ple`, `adatt`, `aitm` "
        "and `cross_stitch`",
        False,
    )
