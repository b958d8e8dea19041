"""The words for where the rows are."""

from __future__ import annotations

import typing
from typing import Annotated

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.kinds import CallKind, EitherKind, ListKind, LiteralKind, NameKind, OptionalKind, ShareKind, TextKind


class Split(BlockModel):
    """Rows taken out of the training table: the `last` share by a column, all `from` a value, all that `equals` one,
    or a `random` share."""

    call: typing.Literal["split"]
    by: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting("the column that decides", None)
    last: Annotated[float | None, OptionalKind(ShareKind(open=True))] = setting(
        "the rows with the largest values of `by`, this share", None
    )
    start: Annotated[
        str | int | float | None, OptionalKind(LiteralKind('a value of the column (such as `"2024-01-31"`)'))
    ] = setting("the rows whose `by` is at least this", None, alias="from")
    equals: Annotated[
        str | int | float | None, OptionalKind(LiteralKind('a value of the column (such as `"test"`)'))
    ] = setting("the rows whose `by` is this", None)
    random: Annotated[float | None, OptionalKind(ShareKind(open=True))] = setting(
        "this share of the rows, drawn with the seed", None
    )


_FILES = ListKind(TextKind('a file, folder, glob or URL in quotes (such as `"data/train/*.parquet"`)'), 1, True)


class Data(BlockModel):
    """Where the rows are: parquet, Arrow or csv files, here or at a URL such as `s3://`. A relative path is looked up
    beside the spec, then in the working folder, then in the folder `AESM_DATA` names."""

    train: Annotated[tuple[str, ...], _FILES] = setting("the rows that are learnt from")
    valid: Annotated[tuple[str, ...] | Split | None, OptionalKind(EitherKind((CallKind((Split,)), _FILES)))] = setting(
        "the rows that training is watched on: files, or a split of the training rows", None
    )
    test: Annotated[tuple[str, ...] | Split | None, OptionalKind(EitherKind((CallKind((Split,)), _FILES)))] = setting(
        "the rows that the result is measured on: files, or a split of the training rows", None
    )
    weight: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting(
        "column of row weights; by default all count 1", None
    )
    user: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting(
        "column that says whose row it is: what is measured within users, and who is seen in several scenarios", None
    )
    statistics: Annotated[tuple[str, ...] | None, OptionalKind(_FILES)] = setting(
        "what vocabularies, quantiles and means are made of, counted by a job of your own instead of here",
        None,
    )
    cache: Annotated[str | None, OptionalKind(TextKind("a folder in quotes"))] = setting(
        "folder that encoded tables are kept in from one run to the next, beside the spec if relative; by default the "
        "user's own for caches",
        None,
    )
