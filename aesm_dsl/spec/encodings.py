"""How a number itself becomes a vector, and how the time of a step becomes ids."""

from __future__ import annotations

import typing
from typing import Annotated

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.kinds import AutoKind, IntegerKind, NameKind, OptionalKind, RealKind, TextKind


class Piecewise(BlockModel):
    """Piecewise linear encoding: the number's place among bins with equally many training rows each, as how much of
    every bin lies below it. Numbers beyond those of the training rows count as the least or greatest of them."""

    call: typing.Literal["piecewise"]
    bins: Annotated[int, IntegerKind(1, 1024)] = setting("number of bins", 16)


class Periodic(BlockModel):
    """Sines and cosines of the scaled number, with learnt frequencies, then a ReLU of a linear map."""

    call: typing.Literal["periodic"]
    frequencies: Annotated[int, IntegerKind(1, 1024)] = setting("number of frequencies", 16)
    sigma: Annotated[float, RealKind(open=True)] = setting("standard deviation of the frequencies at the start", 0.1)


class Elapsed(BlockModel):
    """The time from each value, a date or time, to the row's own time, in buckets: less than a second, then each
    twice as long as the one before. Without `until` the values are the seconds that have passed."""

    call: typing.Literal["elapsed"]
    until: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting("column of the row's own time", None)
    format: Annotated[str | None, OptionalKind(TextKind('a format in quotes (such as `"%d/%m/%Y"`)'))] = setting(
        "how both times are written, in the signs of `strptime`", None
    )
    embed: Annotated[int | typing.Literal["auto"] | None, OptionalKind(AutoKind(IntegerKind(1, 4096)))] = setting(
        "width of the embedding, or `auto` by the rows of its table; by default the model's `embed`", None
    )
