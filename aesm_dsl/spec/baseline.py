"""The words for baselines: the other architectures a spec compiles to, and what they are made of."""

from __future__ import annotations

import typing
from typing import Annotated

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.kinds import AutoKind, ChoiceKind, IntegerKind, ListKind

Architecture = typing.Literal["aes", "shared_bottom", "mmoe", "ple", "star", "esmm", "single"]
ARCHITECTURES: tuple[Architecture, ...] = typing.get_args(Architecture)


class BaselineBlock(BlockModel):
    """What holds when `architecture` is not `aes`. Activation, dropout and towers are those of the tasks."""

    match: Annotated[typing.Literal["parameters", "flops"], ChoiceKind(("parameters", "flops"))] = setting(
        "what automatic widths make equal to the AES model: `parameters` without embedding tables, or `flops` a row",
        "parameters",
    )
    hidden: Annotated[tuple[int, ...] | typing.Literal["auto"], AutoKind(ListKind(IntegerKind(1, 65_536), least=1))] = (
        setting(
            "widths of the layers below the towers, in MMoE and PLE of each expert; the last is the towers' input",
            "auto",
        )
    )
    experts: Annotated[int, IntegerKind(1, 4096)] = setting("experts of MMoE", 8)
    specific: Annotated[int, IntegerKind(1, 4096)] = setting(
        "experts that each task of each leaf has to itself, in each layer of PLE", 1
    )
    shared: Annotated[int, IntegerKind(1, 4096)] = setting(
        "experts that all leaves and tasks share, in each layer of PLE", 4
    )
    repeat: Annotated[int, IntegerKind(1, 64)] = setting("how many layers of experts PLE stacks", 2)
    auxiliary: Annotated[tuple[int, ...], ListKind(IntegerKind(1, 65_536))] = setting(
        "hidden widths of STAR's auxiliary network", (32,)
    )
    norm: Annotated[typing.Literal["layer", "none"], ChoiceKind(("layer", "none"))] = setting(
        "normalisation after each Linear below the towers; STAR normalises its input instead, leaf by leaf", "layer"
    )
