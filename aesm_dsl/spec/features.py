"""The words for features."""

from __future__ import annotations

import typing
from typing import Annotated

from pydantic import Field

from aesm_dsl.spec.block import Doc, Model, setting
from aesm_dsl.spec.kind import Call, Integer, Members, Name, Optional


class CategoryFeature(Model):
    """A vocabulary learnt from the training rows; rare and new values share one slot, missing ones have their own."""

    call: typing.Literal["category"]
    column: Annotated[str | None, Optional(Name("a column"))] = setting(
        "column of the table; by default the feature's name", None
    )
    embed: Annotated[int | None, Optional(Integer(1, 4096))] = setting(
        "width of the embedding; by default the model's `embed`", None
    )
    min_count: Annotated[int, Integer(1)] = setting("values seen less often in the training rows share one slot", 1)
    limit: Annotated[int, Integer(1, 100_000_000)] = setting("at most this many values, the most frequent ones", 10_000)


class IdFeature(Model):
    """A hash into a fixed number of buckets, exact for integers to 2^63 and for strings; missing values have a slot."""

    call: typing.Literal["id"]
    column: Annotated[str | None, Optional(Name("a column"))] = setting(
        "column of the table; by default the feature's name", None
    )
    embed: Annotated[int | None, Optional(Integer(1, 4096))] = setting(
        "width of the embedding; by default the model's `embed`", None
    )
    buckets: Annotated[int, Integer(1, 4_000_000_000)] = setting("how many hash buckets", 100_000)


class NumberFeature(Model):
    """A number cut into buckets of equal traffic, fitted on the training rows; missing values have their own slot."""

    call: typing.Literal["number"]
    column: Annotated[str | None, Optional(Name("a column"))] = setting(
        "column of the table; by default the feature's name", None
    )
    embed: Annotated[int | None, Optional(Integer(1, 4096))] = setting(
        "width of the embedding; by default the model's `embed`", None
    )
    quantiles: Annotated[int, Integer(2, 65_536)] = setting("how many buckets of equal traffic", 16)


FeatureDefinition = Annotated[CategoryFeature | IdFeature | NumberFeature, Field(discriminator="call")]


class FeatureGroup(Model):
    """Features that belong together: user, item, query, behaviour. Each line is `name = kind(...)`."""

    name: str
    title: str | None = None
    doc: Doc = ""
    members: Annotated[dict[str, FeatureDefinition], Members(Call((CategoryFeature, IdFeature, NumberFeature)))] = (
        setting("the features, by name", {})
    )
