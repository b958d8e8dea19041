"""The features of a resolved spec -> `FeaturePlan`s: every row, width and slot as plain numbers."""

from __future__ import annotations

from dataclasses import replace

from aesm_dsl.feature_plan import FeaturePlan
from aesm_dsl.spec.features import (
    CategoryFeature,
    CrossFeature,
    DateFeature,
    FeatureDefinition,
    IdFeature,
    ListFeature,
    NumberFeature,
    SameFeature,
    SequenceFeature,
    VectorsFeature,
    column_of,
)
from aesm_dsl.spec.model import Spec

QUANTILES = 16
"""Buckets of a number that says nothing else."""
PART_ROWS = {"hour": 25, "weekday": 8, "day": 32, "month": 13}
"""Rows of the embedding table that a part of a date has, one of them for the missing one."""


def feature_plans(spec: Spec) -> tuple[FeaturePlan, ...]:
    """The plans of all features, in the order of the spec."""
    known = {name: feature for group in spec.features for name, feature in group.members.items()}
    return tuple(
        _plan(spec, group.name, name, feature, known)
        for group in spec.features
        for name, feature in group.members.items()
    )


def _plan(
    spec: Spec, group: str, name: str, feature: FeatureDefinition, known: dict[str, FeatureDefinition]
) -> FeaturePlan:
    column = column_of(name, feature)
    match feature:
        case SameFeature(of=of):
            return replace(_plan(spec, group, of, known[of], known), name=name, column=column, table=of)
        case ListFeature(of=of) | SequenceFeature(of=of):
            one = of if not isinstance(of, str) else known[of]
            values = _plan(spec, group, name, one, known)
            return FeaturePlan(
                name=name,
                column=column,
                group=group,
                kind=values.kind,
                rows=values.rows,
                width=values.width,
                min_count=values.min_count,
                table=of if isinstance(of, str) else "",
                separator=feature.separator or "",
                pool=feature.pool,
                take="first" if isinstance(feature, ListFeature) else "last",
                slots=feature.most if isinstance(feature, ListFeature) else feature.last,
            )
    width = feature.embed or spec.embed
    match feature:
        case VectorsFeature(file=file, weights=weights):
            key, vector = feature.key or column, feature.vector or ""
            trained = weights == "trained"
            return FeaturePlan(
                name, column, group, "vectors", 2, width, file=file, key=key, vector=vector, trained=trained
            )
        case CrossFeature(of=crossed, buckets=buckets):
            return FeaturePlan(name, column, group, "cross", buckets + 1, width, crossed=crossed)
        case CategoryFeature(limit=limit, min_count=count):
            return FeaturePlan(name, column, group, "category", limit + 2, width, count)
        case IdFeature(buckets=buckets):
            return FeaturePlan(name, column, group, "id", buckets + 1, width)
        case NumberFeature(scale=None, quantiles=quantiles):
            return FeaturePlan(name, column, group, "number", (quantiles or QUANTILES) + 1, width)
        case NumberFeature(scale=scale):
            return FeaturePlan(name, column, group, "value", 0, width, slots=0, values=1, scale=scale or "")
        case DateFeature(parts=parts):
            rows, zone = sum(PART_ROWS[part] for part in parts), feature.zone or ""
            return FeaturePlan(
                name, column, group, "date", rows, width * len(parts), slots=len(parts), parts=parts, zone=zone
            )
