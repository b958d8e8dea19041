"""Compiles the features of a resolved spec to `FeaturePlan`s: every row, width and slot as plain numbers."""

from __future__ import annotations

from dataclasses import replace

from aesm_dsl.plan.features import ELAPSED_ROWS, FeaturePlan, NumberEncoding, auto_width
from aesm_dsl.plan.number_form import NumberForm
from aesm_dsl.spec.encodings import Elapsed, Periodic, Piecewise
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
    only_of,
)
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.tasks import Above

ASSUMED_VECTORS = 1_000_000
"""Rows that a file of vectors is assumed to have before it is read, if its width is automatic."""
DEFAULT_QUANTILES = 16
"""Buckets of a number without `quantiles` and `scale`."""
PART_ROWS = {"hour": 25, "weekday": 8, "day": 32, "month": 13}
"""Rows of the embedding table for each part of a date; one of them is for a missing date."""


def feature_plans(spec: Spec, *, training_only: bool = False) -> tuple[FeaturePlan, ...]:
    """Returns the plans of all features that are known when rows are scored, or of those `training_only`, in order."""
    features = {name: feature for group in spec.features for name, feature in group.members.items()}
    nodes = _nodes(spec)
    return tuple(
        replace(_plan(spec, group.name, name, feature, features), only=_only(nodes, only_of(group, feature)))
        for group in spec.features
        for name, feature in group.members.items()
        if feature.training_only == training_only
    )


def _nodes(spec: Spec) -> dict[str, list[tuple[str, str]]]:
    """The nodes that a name, alone or after its level's, may mean, each with its level."""
    nodes: dict[str, list[tuple[str, str]]] = {}
    for level in spec.levels:
        for node in level.nodes:
            for name in (node.name, f"{level.name}.{node.name}"):
                nodes.setdefault(name, []).append((level.name, node.name))
    return nodes


def _only(nodes: dict[str, list[tuple[str, str]]], names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The nodes with these names, with their levels."""
    return tuple(dict.fromkeys(one for name in names for one in nodes.get(name, ())))


def _plan(
    spec: Spec, group: str, name: str, feature: FeatureDefinition, features: dict[str, FeatureDefinition]
) -> FeaturePlan:
    column = column_of(name, feature)
    match feature:
        case SameFeature(of=of):
            return replace(_plan(spec, group, of, features[of], features), name=name, column=column, table=of)
        case ListFeature() | SequenceFeature():
            values = _values(spec, group, name, feature.of, features)
            lead = features[feature.lead] if isinstance(feature, SequenceFeature) and feature.lead else feature
            assert isinstance(lead, ListFeature | SequenceFeature)
            return FeaturePlan(
                name=name,
                column=column,
                group=group,
                kind=values.kind,
                rows=values.rows,
                width=values.width,
                min_count=values.min_count,
                auto=values.auto,
                table=feature.of if isinstance(feature.of, str) else "",
                separator=feature.separator or "",
                form=values.form,
                pool=lead.pool,
                take="first" if isinstance(feature, ListFeature) else "last",
                slots=lead.most if isinstance(lead, ListFeature) else lead.last,
                format=values.format,
                until=values.until,
                steps=(feature.lead or "") if isinstance(feature, SequenceFeature) else "",
            )
    embed = feature.embed or spec.embed

    def width_for(rows: int) -> int:
        return auto_width(rows) if embed == "auto" else embed

    match feature:
        case VectorsFeature(file=file, weights=weights):
            return FeaturePlan(
                name,
                column,
                group,
                "vectors",
                2,
                width_for(ASSUMED_VECTORS),
                file=file,
                key=feature.key or column,
                vector=feature.vector or "",
                trained=weights == "trained",
                auto=embed == "auto",
            )
        case CrossFeature(of=crossed, buckets=buckets):
            return FeaturePlan(name, column, group, "cross", buckets + 1, width_for(buckets + 1), crossed=crossed)
        case CategoryFeature(limit=limit, min_count=count):
            auto = embed == "auto"
            return FeaturePlan(name, column, group, "category", limit + 2, width_for(limit + 2), count, auto=auto)
        case IdFeature(buckets=buckets):
            return FeaturePlan(name, column, group, "id", buckets + 1, width_for(buckets + 1))
        case NumberFeature(encoding=encoding) if encoding is not None:
            coded = _number_encoding(encoding)
            scale = "piecewise" if coded.kind == "piecewise" else feature.scale or "standard"
            form, width = number_form(feature), width_for(0)
            return FeaturePlan(
                name, column, group, "value", 0, width, slots=0, values=1, scale=scale, form=form, encoding=coded
            )
        case NumberFeature(scale=None, quantiles=quantiles):
            rows = (quantiles or DEFAULT_QUANTILES) + 1
            return FeaturePlan(name, column, group, "number", rows, width_for(rows), form=number_form(feature))
        case NumberFeature(scale=scale):
            form, width = number_form(feature), width_for(0)
            return FeaturePlan(name, column, group, "value", 0, width, slots=0, values=1, scale=scale or "", form=form)
        case DateFeature(parts=parts):
            rows_of_parts, zone = [PART_ROWS[part] for part in parts], feature.zone or ""
            rows, width = sum(rows_of_parts), width_for(max(rows_of_parts)) * len(parts)
            slots, written = len(parts), feature.format or ""
            return FeaturePlan(
                name, column, group, "date", rows, width, slots=slots, parts=parts, zone=zone, format=written
            )


def _values(
    spec: Spec, group: str, name: str, of: FeatureDefinition | Elapsed | str, features: dict[str, FeatureDefinition]
) -> FeaturePlan:
    """The plan of the values of a list, without what makes them one."""
    if isinstance(of, Elapsed):
        return _elapsed(spec, group, name, of)
    return _plan(spec, group, name, features[of] if isinstance(of, str) else of, features)


def _elapsed(spec: Spec, group: str, name: str, elapsed: Elapsed) -> FeaturePlan:
    """The values of a sequence of times."""
    embed = elapsed.embed or spec.embed
    width = auto_width(ELAPSED_ROWS) if embed == "auto" else embed
    written, until = elapsed.format or "", elapsed.until or ""
    return FeaturePlan(name, name, group, "elapsed", ELAPSED_ROWS, width, format=written, until=until)


def _number_encoding(encoding: Piecewise | Periodic) -> NumberEncoding:
    match encoding:
        case Piecewise(bins=bins):
            return NumberEncoding("piecewise", bins)
        case Periodic(frequencies=frequencies, sigma=sigma):
            return NumberEncoding("periodic", frequencies, sigma)


def number_form(arguments: NumberFeature | Above) -> NumberForm | None:
    """Returns how numbers are written in the column; None if nothing is said about it."""
    form = NumberForm(arguments.decimal or ".", arguments.thousands or "", arguments.strip or "", arguments.percent)
    return None if form == NumberForm() else form
