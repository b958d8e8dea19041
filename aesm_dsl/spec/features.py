"""The vocabulary of features."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block_model import BlockModel, Doc, setting
from aesm_dsl.spec.encodings import Elapsed, Periodic, Piecewise
from aesm_dsl.spec.feature_rows import ONLY, TRAINING_ONLY, Only, TrainingOnly
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
from aesm_dsl.spec.number_form import DECIMAL, PERCENT, STRIP, THOUSANDS, Sign, Signs, Switch

_COLUMN = OptionalKind(NameKind("a column"))
_EMBED = OptionalKind(AutoKind(IntegerKind(1, 4096)))
_Embed = int | typing.Literal["auto"] | None


class CategoryFeature(BlockModel):
    """A vocabulary of the training rows' values. Rare and out-of-vocabulary values share an embedding, missing values
    have one of their own."""

    call: typing.Literal["category"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or `auto` by the rows of its table; by default the model's `embed`", None
    )
    min_count: Annotated[int, IntegerKind(1)] = setting(
        "values that occur in fewer training rows count as out-of-vocabulary; row weights do not count here", 1
    )
    limit: Annotated[int, IntegerKind(1, 100_000_000)] = setting(
        "largest number of values in the vocabulary; the most frequent ones are taken", 10_000
    )
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


class IdFeature(BlockModel):
    """A hash of the value into a fixed number of buckets, exact for integers up to 2^63 and for strings. Missing values
    have an embedding of their own."""

    call: typing.Literal["id"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or `auto` by the rows of its table; by default the model's `embed`", None
    )
    buckets: Annotated[int, IntegerKind(1, 4_000_000_000)] = setting("number of hash buckets", 100_000)
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


class NumberFeature(BlockModel):
    """A number, cut into buckets with equally many training rows, each with an embedding. With `scale`, it is the
    scaled number times a learnt vector, plus another one; with `encoding`, a learnt function of it. Missing values have
    a vector of their own."""

    call: typing.Literal["number"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or `auto` by the rows of its table; by default the model's `embed`", None
    )
    quantiles: Annotated[int | None, IntegerKind(2, 65_536)] = setting(
        "number of buckets, with equally many training rows each; by default 16, if there is no `scale`", None
    )
    scale: Annotated[typing.Literal["standard", "log", "none"] | None, ChoiceKind(("standard", "log", "none"))] = (
        setting(
            "use the number itself: `standard` subtracts its mean, divides by its standard deviation and clips the "
            "result to -10...10; `log` does the same with sign(x) log(1 + |x|); `none` leaves it as it is",
            None,
        )
    )
    encoding: Annotated[
        Annotated[Piecewise | Periodic, Field(discriminator="call")] | None,
        OptionalKind(CallKind((Piecewise, Periodic))),
    ] = setting(
        "encode the number itself: by its place among bins (`piecewise`), or by sines and cosines (`periodic`), of "
        "`scale: standard` if no other is written",
        None,
    )
    decimal: Sign = DECIMAL
    thousands: Sign = THOUSANDS
    strip: Signs = STRIP
    percent: Switch = PERCENT
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


FORMAT = TextKind('a format in quotes (such as `"%d/%m/%Y"`)')
PARTS = ("hour", "weekday", "day", "month")


class DateFeature(BlockModel):
    """Parts of a date or time, each with an embedding of its own; the embeddings are concatenated. The column holds
    dates, datetimes, ISO text, seconds since 1970, or eight digits: `20241021`, or `24102109` with the hour. For other
    text, `format` says how dates are written."""

    call: typing.Literal["date"]
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of each part's embedding, or `auto` by the rows of the table; by default the model's `embed`", None
    )
    parts: Annotated[
        tuple[typing.Literal["hour", "weekday", "day", "month"], ...], ListKind(ChoiceKind(PARTS), 1, True)
    ] = setting("the parts that are used; `day` is the day of the month", ("hour", "weekday"))
    zone: Annotated[str | None, OptionalKind(TextKind('a time zone in quotes (such as `"Asia/Shanghai"`)'))] = setting(
        "time zone into which seconds, and times with an offset or a zone, are converted; other times are taken as "
        "they are; by default UTC",
        None,
    )
    format: Annotated[str | None, OptionalKind(FORMAT)] = setting(
        "how dates are written, in the signs of `strptime`", None
    )
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


class SameFeature(BlockModel):
    """Another column of the same kind of values as another feature, with the same encoding and embedding table."""

    call: typing.Literal["same"]
    of: Annotated[str, ReferenceKind("feature")] = setting("the feature whose encoding and embedding table it uses")
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


class CrossFeature(BlockModel):
    """The combination of several features: a hash of all their ids into a fixed number of buckets. It is missing if one
    of them is."""

    call: typing.Literal["cross"]
    of: Annotated[tuple[str, ...], ListKind(ReferenceKind("feature"), 2)] = setting("the features that are combined")
    embed: Annotated[_Embed, _EMBED] = setting(
        "width of the embedding, or `auto` by the rows of its table; by default the model's `embed`", None
    )
    buckets: Annotated[int, IntegerKind(1, 4_000_000_000)] = setting("number of hash buckets", 100_000)
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


class VectorsFeature(BlockModel):
    """Pretrained vectors, looked up by key. The file has a column of keys and a column of lists of numbers, or is a
    `.npy` file whose row number, from 0, is the key. Missing keys share a trained vector, and so do keys not in the
    file."""

    call: typing.Literal["vectors"]
    file: Annotated[str, TextKind('a path in quotes (such as `"items.parquet"`)')] = setting(
        "the file; its path is looked up like those of `data`"
    )
    column: Annotated[str | None, _COLUMN] = setting("column of keys in the table; by default the feature's name", None)
    key: Annotated[str | None, _COLUMN] = setting(
        "column of keys in the file; by default the same name as `column`", None
    )
    vector: Annotated[str | None, _COLUMN] = setting(
        "column of vectors in the file; by default its only column of lists", None
    )
    weights: Annotated[typing.Literal["frozen", "trained"], ChoiceKind(("frozen", "trained"))] = setting(
        "whether training leaves the vectors unchanged (`frozen`) or changes them (`trained`)", "frozen"
    )
    embed: Annotated[_Embed, _EMBED] = setting(
        "width to which a trained matrix projects the vectors, if theirs is another; by default the model's `embed`",
        None,
    )
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


_OF = EitherKind((CallKind((IdFeature, CategoryFeature, NumberFeature)), ReferenceKind("feature")))
_Values = Annotated[IdFeature | CategoryFeature | NumberFeature, Field(discriminator="call")] | str
_SEPARATOR = OptionalKind(TextKind('text in quotes (such as `"|"`)'))


class ListFeature(BlockModel):
    """Several values, whose embeddings are pooled: a column of lists, or of text with a `separator`. Missing values are
    left out; an empty list has a vector of its own. Numbers are pooled by their buckets."""

    call: typing.Literal["list"]
    of: Annotated[_Values, _OF] = setting(
        "the kind of its values, or a feature whose encoding and embedding table they use"
    )
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    pool: Annotated[typing.Literal["mean", "sum", "max"], ChoiceKind(("mean", "sum", "max"))] = setting(
        "how the embeddings of its values are pooled", "mean"
    )
    most: Annotated[int, IntegerKind(1, 10_000)] = setting("largest number of values that are used, the first ones", 20)
    separator: Annotated[str | None, _SEPARATOR] = setting("separator of the values in a column of text", None)
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


class SequenceFeature(BlockModel):
    """A history, oldest first, whose embeddings are pooled: a column of lists, or of text with a `separator`. Missing
    values are left out; an empty history has a vector of its own. Several sequences can describe the same steps."""

    call: typing.Literal["sequence"]
    of: Annotated[
        Annotated[IdFeature | CategoryFeature | NumberFeature | Elapsed, Field(discriminator="call")] | str,
        EitherKind((CallKind((IdFeature, CategoryFeature, NumberFeature, Elapsed)), ReferenceKind("feature"))),
    ] = setting(
        "the kind of its values, or a feature whose encoding and embedding table they use; `elapsed` is the time from "
        "each value to the row's own"
    )
    lead: Annotated[str | None, OptionalKind(ReferenceKind("feature"))] = setting(
        "another sequence with as many values in every row: those at one place make a step, whose vectors are "
        "concatenated and pooled together, by the `pool` and `last` of that sequence",
        None,
        "with",
    )
    column: Annotated[str | None, _COLUMN] = setting("column of the table; by default the feature's name", None)
    pool: Annotated[
        typing.Literal["mean", "sum", "max", "attention", "transformer"],
        ChoiceKind(("mean", "sum", "max", "attention", "transformer")),
    ] = setting(
        "how the embeddings of its values are pooled; for `attention` the query is the row's value of the feature "
        "`of`, times a learnt matrix; `transformer` is the mean of what a transformer block makes of them, and of the "
        "row's value of the feature `of`, if `of` is one",
        "mean",
    )
    last: Annotated[int, IntegerKind(1, 10_000)] = setting("largest number of values that are used, the last ones", 20)
    separator: Annotated[str | None, _SEPARATOR] = setting("separator of the values in a column of text", None)
    only: Only = ONLY
    training_only: TrainingOnly = TRAINING_ONLY


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
"""The calls that define a feature."""

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


def only_of(group: FeatureGroup, feature: FeatureDefinition) -> tuple[str, ...]:
    """Returns the nodes whose rows have a feature, as written; empty if all rows have it."""
    return (feature.only if feature.only is not None else group.only) or ()


def column_of(name: str, feature: FeatureDefinition) -> str:
    """Returns the column that a feature reads; empty for a cross."""
    return "" if isinstance(feature, CrossFeature) else feature.column or name


def columns_of(name: str, feature: FeatureDefinition) -> list[str]:
    """Returns all columns that a feature reads: of a sequence with times, that of the row's own time too."""
    until = feature.of.until if isinstance(feature, SequenceFeature) and isinstance(feature.of, Elapsed) else None
    return [column for column in (column_of(name, feature), until) if column]


class FeatureGroup(BlockModel):
    """Features that belong together: user, item, query, behaviour. Each line is `name = kind(...)`."""

    name: str
    title: str | None = None
    doc: Doc = ""
    only: Only = setting(
        "the nodes whose rows have the features of the group, of any level; by default all rows have them; a feature's "
        "own `only` takes its place",
        None,
    )
    members: Annotated[dict[str, FeatureDefinition], MembersKind(CallKind(KINDS))] = setting(
        "the features, by name", {}
    )
