"""The words for features."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import BlockModel, Doc, setting
from aesm_dsl.spec.kinds import (
    AutoKind,
    CallKind,
    ChoiceKind,
    EitherKind,
    IntegerKind,
    ListKind,
    MembersKind,
    NameKind,
    OptionalKind,
    ReferenceKind,
    TextKind,
)

_COLUMN = OptionalKind(NameKind("a column"))
_EMBED = OptionalKind(AutoKind(IntegerKind(1, 4096)))
_Embed = int | typing.Literal["auto"] | None


class CategoryFeature(BlockModel):
    """A vocabulary learnt from the training rows; rare and new values share one slot, missing ones have their own."""

    call: typing.Literal["category"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or by its rows; by default the model's `embed`", None
    )
    min_count: Annotated[int, IntegerKind(1)] = setting("values seen less often in the training rows share one slot", 1)
    limit: Annotated[int, IntegerKind(1, 100_000_000)] = setting(
        "at most this many values, the most frequent ones", 10_000
    )


class IdFeature(BlockModel):
    """A hash into a fixed number of buckets, exact for integers to 2^63 and for strings; missing values have a slot."""

    call: typing.Literal["id"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or by its rows; by default the model's `embed`", None
    )
    buckets: Annotated[int, IntegerKind(1, 4_000_000_000)] = setting("how many hash buckets", 100_000)


class NumberFeature(BlockModel):
    """A number cut into buckets of equal traffic, or, with `scale`, the number itself times a learnt vector, plus
    another. Both are fitted on the training rows; missing values have a vector of their own."""

    call: typing.Literal["number"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or by its rows; by default the model's `embed`", None
    )
    quantiles: Annotated[int | None, IntegerKind(2, 65_536)] = setting(
        "how many buckets of equal traffic; 16 where there is no `scale` either", None
    )
    scale: Annotated[typing.Literal["standard", "log", "none"] | None, ChoiceKind(("standard", "log", "none"))] = (
        setting(
            "the number itself: less its mean, in deviations, at most 10 of them (`standard`), the same of its logarithm "
            "sign(x) log(1 + |x|) (`log`), or as it is (`none`)",
            None,
        )
    )


PARTS = ("hour", "weekday", "day", "month")


class DateFeature(BlockModel):
    """Parts of a date or time, each with an embedding of its own, side by side. Taken are dates, datetimes, ISO text
    and seconds since 1970."""

    call: typing.Literal["date"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of each part's embedding, or by their rows; by default the model's `embed`", None
    )
    parts: Annotated[
        tuple[typing.Literal["hour", "weekday", "day", "month"], ...], ListKind(ChoiceKind(PARTS), 1, True)
    ] = setting("what is looked at; `day` is that of the month", ("hour", "weekday"))
    zone: Annotated[str | None, OptionalKind(TextKind('a time zone in quotes (such as `"Asia/Shanghai"`)'))] = setting(
        "where seconds, and times with an offset or a zone, are read; others are taken as they stand; by default UTC",
        None,
    )


class SameFeature(BlockModel):
    """One more value of what another feature has: by the same rules, and in the same embedding table."""

    call: typing.Literal["same"]
    of: Annotated[str, ReferenceKind("feature")] = setting("the feature whose rules and embedding table it uses")
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)


class CrossFeature(BlockModel):
    """What several features say together: a hash of the ids of all of them into a fixed number of buckets. Missing
    where one of them is."""

    call: typing.Literal["cross"]
    of: Annotated[tuple[str, ...], ListKind(ReferenceKind("feature"), 2)] = setting("the features")
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or by its rows; by default the model's `embed`", None
    )
    buckets: Annotated[int, IntegerKind(1, 4_000_000_000)] = setting("how many hash buckets", 100_000)


class VectorsFeature(BlockModel):
    """Vectors that were learnt elsewhere, by key: from a file with a column of keys and one of lists of numbers, or a
    `.npy` file whose rows are numbered from 0. The missing key has a trained vector, and so have all unknown ones."""

    call: typing.Literal["vectors"]
    file: Annotated[str, TextKind('a path in quotes (such as `"items.parquet"`)')] = setting(
        "the file, looked up like those of `data`"
    )
    column: Annotated[str | None, _COLUMN] = setting(
        "column of the table that holds the key; by default the feature's name", None
    )
    key: Annotated[str | None, _COLUMN] = setting("the file's column of keys; by default called like `column`", None)
    vector: Annotated[str | None, _COLUMN] = setting(
        "the file's column of vectors; by default the only one that holds lists", None
    )
    weights: Annotated[typing.Literal["frozen", "trained"], ChoiceKind(("frozen", "trained"))] = setting(
        "whether training moves the vectors too", "frozen"
    )
    embed: Annotated[_Embed, _EMBED] = setting(
        "width that a trained matrix turns the vectors to, unless theirs is the same; by default the model's `embed`",
        None,
    )


_OF = EitherKind((CallKind((IdFeature, CategoryFeature, NumberFeature)), ReferenceKind("feature")))
_Values = Annotated[IdFeature | CategoryFeature | NumberFeature, Field(discriminator="call")] | str
_SEPARATOR = OptionalKind(TextKind('text in quotes (such as `"|"`)'))


class ListFeature(BlockModel):
    """Several values, pooled into one vector: a column of lists, or of text with a `separator`. Missing values are
    left out; an empty list has a vector of its own. Numbers are pooled by their buckets."""

    call: typing.Literal["list"]
    of: Annotated[_Values, _OF] = setting("what its values are, or a feature whose embedding table they share")
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    pool: Annotated[typing.Literal["mean", "sum", "max"], ChoiceKind(("mean", "sum", "max"))] = setting(
        "how the vectors of its values become one", "mean"
    )
    most: Annotated[int, IntegerKind(1, 10_000)] = setting("how many values are looked at, from the first on", 20)
    separator: Annotated[str | None, _SEPARATOR] = setting("what separates the values of a column of text", None)


class SequenceFeature(BlockModel):
    """What happened, oldest first, pooled into one vector: a column of lists, or of text with a `separator`. Missing
    values are left out; an empty sequence has a vector of its own."""

    call: typing.Literal["sequence"]
    of: Annotated[_Values, _OF] = setting("what its values are, or a feature whose embedding table they share")
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    pool: Annotated[
        typing.Literal["mean", "sum", "max", "attention"], ChoiceKind(("mean", "sum", "max", "attention"))
    ] = setting(
        "how the vectors of its values become one; `attention` asks with the row's own value of the feature `of`",
        "mean",
    )
    last: Annotated[int, IntegerKind(1, 10_000)] = setting("how many values are looked at, the last ones", 20)
    separator: Annotated[str | None, _SEPARATOR] = setting("what separates the values of a column of text", None)


KINDS: tuple[type[BlockModel], ...] = (
    CategoryFeature,
    IdFeature,
    NumberFeature,
    DateFeature,
    ListFeature,
    SequenceFeature,
    SameFeature,
    CrossFeature,
    VectorsFeature,
)
"""The calls that make a feature."""

FeatureDefinition = Annotated[
    CategoryFeature
    | IdFeature
    | NumberFeature
    | DateFeature
    | ListFeature
    | SequenceFeature
    | SameFeature
    | CrossFeature
    | VectorsFeature,
    Field(discriminator="call"),
]


def column_of(name: str, feature: FeatureDefinition) -> str:
    """The column that a feature reads; empty where it is made of others."""
    return "" if isinstance(feature, CrossFeature) else feature.column or name


class FeatureGroup(BlockModel):
    """Features that belong together: user, item, query, behaviour. Each line is `name = kind(...)`."""

    name: str
    title: str | None = None
    doc: Doc = ""
    members: Annotated[dict[str, FeatureDefinition], MembersKind(CallKind(KINDS))] = setting(
        "the features, by name", {}
    )
