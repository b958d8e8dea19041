"""The vocabulary of the `data` block: where the rows are."""

from __future__ import annotations

import typing
from typing import Annotated

from aesm_dsl.spec.block_model import BlockModel, setting
from aesm_dsl.spec.features import FORMAT
from aesm_dsl.spec.kinds import (
    CallKind,
    EitherKind,
    IntegerKind,
    ListKind,
    LiteralKind,
    NameKind,
    OptionalKind,
    ShareKind,
    TextKind,
)


class Split(BlockModel):
    """Rows that are taken out of the training rows. They are the `last` share by a column, all `from` a value on, all
    whose column `equals` a value, or a `random` share."""

    call: typing.Literal["split"]
    by: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting("the column by which rows are chosen", None)
    last: Annotated[float | None, OptionalKind(ShareKind(open=True))] = setting(
        "this share of the rows, those with the largest values of `by`", None
    )
    start: Annotated[
        str | int | float | None, OptionalKind(LiteralKind('a value of the column (such as `"2024-01-31"`)'))
    ] = setting("the rows whose `by` is at least this value", None, alias="from")
    equals: Annotated[
        str | int | float | None, OptionalKind(LiteralKind('a value of the column (such as `"test"`)'))
    ] = setting("the rows whose `by` is this value", None)
    format: Annotated[str | None, OptionalKind(FORMAT)] = setting(
        "for `last` and `from`: how the dates in `by` are written, in the signs of `strptime`", None
    )
    random: Annotated[float | None, OptionalKind(ShareKind(open=True))] = setting(
        "this share of the rows, drawn at random with the seed", None
    )
    seed: Annotated[int | None, OptionalKind(IntegerKind(0, 2**32 - 1))] = setting(
        "for `random`: the seed of the draw; by default that of `train`", None
    )


class Csv(BlockModel):
    """How csv files are written. Every file is read so whose contents are neither parquet nor Arrow."""

    call: typing.Literal["csv"]
    separator: Annotated[str | None, OptionalKind(TextKind('a character in quotes (such as `";"`)'))] = setting(
        "the character between cells; by default a tab in files called .tsv, a comma in others", None
    )
    encoding: Annotated[str, TextKind('the name of an encoding in quotes (such as `"gbk"`)')] = setting(
        "the encoding of the text", "utf-8"
    )
    quote: Annotated[str | None, OptionalKind(TextKind("a character in quotes"))] = setting(
        "the character around cells; `none` if quotes are part of the cells", '"'
    )
    escape: Annotated[str | None, OptionalKind(TextKind(r'a character in quotes (such as `"\\"`)'))] = setting(
        "the character before a quote within a quoted cell, as Spark writes it; by default such a quote is doubled",
        None,
    )
    null: Annotated[tuple[str, ...], ListKind(TextKind(r'a text in quotes (such as `"\\N"`)'), 0, True)] = setting(
        "texts that are missing values; the empty text always is one", ()
    )


_FILES = ListKind(TextKind('a file, folder, glob or URL in quotes (such as `"data/train/*.parquet"`)'), 1, True)


class Data(BlockModel):
    """The tables: parquet, Arrow or csv files, local or at a URL such as `s3://`. A relative path is looked up in the
    folder of the spec, then in the working folder, then in the folder that `AESM_DATA` names."""

    train: Annotated[tuple[str, ...], _FILES] = setting("the training rows")
    valid: Annotated[tuple[str, ...] | Split | None, OptionalKind(EitherKind((CallKind((Split,)), _FILES)))] = setting(
        "the validation rows: files, or a split of the training rows that the test split left", None
    )
    test: Annotated[tuple[str, ...] | Split | None, OptionalKind(EitherKind((CallKind((Split,)), _FILES)))] = setting(
        "the test rows: files, or a split of the training rows", None
    )
    weight: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting(
        "column of row weights; by default every row has weight 1", None
    )
    user: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting(
        "column of user ids, for metrics within users and for users who occur in several scenarios", None
    )
    query: Annotated[str | None, OptionalKind(NameKind("a column"))] = setting(
        "column of the query (request, session) for which rows were shown together, for NDCG and other metrics within "
        "queries; a random split keeps the rows of a query together",
        None,
    )
    top: Annotated[int, IntegerKind(1, 1000)] = setting(
        "how many of a query's first rows NDCG and the hit rate look at", 10
    )
    statistics: Annotated[tuple[str, ...] | None, OptionalKind(_FILES)] = setting(
        "files of statistics, computed by a job of your own, from which vocabularies, quantiles and means are made",
        None,
    )
    format: Annotated[Csv, CallKind((Csv,))] = setting(
        "how csv files are written, those that a run of this spec reads later too", Csv(call="csv")
    )
    cache: Annotated[str | None, OptionalKind(TextKind("a folder in quotes"))] = setting(
        "cache folder of encoded tables; a relative path counts from the folder of the spec; by default the user's "
        "own cache folder",
        None,
    )
