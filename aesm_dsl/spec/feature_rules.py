"""Rules about features: what they refer to can be referred to, and what each says of itself goes together."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import available_timezones

from aesm_dsl.findings.diagnostic import Findings, Related, did_you_mean, quoted, suggest
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
)
from aesm_dsl.spec.model import Spec


def rules(spec: Spec, lost: set[str], findings: Findings) -> None:
    """All of them, feature by feature."""
    known = {name: feature for group in spec.features for name, feature in group.members.items()}
    for path, name, feature in _all(spec):
        if spec.places.is_broken(path):
            continue
        match feature:
            case NumberFeature(scale=scale, quantiles=quantiles) if scale is not None and quantiles is not None:
                _together(spec, findings, f"{path}.scale", f"{path}.quantiles", "`scale` and `quantiles`")
            case DateFeature():
                _date(spec, findings, path, feature)
            case CrossFeature():
                _cross(spec, lost, findings, path, name, feature, known)
            case ListFeature(of=str(of)) | SequenceFeature(of=str(of)) | SameFeature(of=of):
                _shared(spec, lost, findings, f"{path}.of", name, of, known)
            case ListFeature(of=of) | SequenceFeature(of=of):
                if not isinstance(of, str) and of.column is not None:
                    findings.add(
                        "E308",
                        f"the values of `{name}` have no column of their own",
                        spec.places.keys.get(f"{path}.of.column"),
                        label="not needed",
                        help=f"write `column` beside `of`: `{feature.call}(of: {of.call}(...), column: {of.column})`",
                    )
                if isinstance(of, NumberFeature) and of.scale is not None:
                    findings.add(
                        "E308",
                        f"the numbers of `{name}` have no `scale`",
                        spec.places.keys.get(f"{path}.of.scale") or spec.places.of(f"{path}.of"),
                        label="not pooled as they are",
                        help=[
                            f"write `{feature.call}(of: number(quantiles: ...))`: a vector for every bucket is pooled",
                            "for lists of one length write each number to a column of its own, a `number(scale: ...)`",
                        ],
                    )
                if feature.pool == "attention":
                    findings.add(
                        "E308",
                        f"attention over `{name}` has nothing to ask with",
                        spec.places.of(f"{path}.pool"),
                        label="it asks with the row's own value of a feature",
                        help="write `of: FEATURE`, the name of a feature, or another `pool`",
                        second=Related.at(spec.places.of(f"{path}.of"), "this is no feature"),
                    )


def _all(spec: Spec) -> Iterator[tuple[str, str, FeatureDefinition]]:
    for group in spec.features:
        for name, feature in group.members.items():
            yield f"features.{group.name}.{name}", name, feature


def _shared(
    spec: Spec, lost: set[str], findings: Findings, path: str, name: str, of: str, known: dict[str, FeatureDefinition]
) -> None:
    """E203 for a feature that is not declared, E219 for one without a table of its own that others could share."""
    fitting = [one for one, feature in known.items() if _has_table(feature)]
    if of not in known:
        are = f"features with a table to share are {quoted(fitting)}" if fitting else "no feature has a table to share"
        own = f"write `{of}()` for values with a table of their own" if of in ("id", "category") else ""
        _unknown(spec, lost, findings, path, of, fitting, [own, are])
    elif of not in fitting:
        findings.add(
            "E219",
            f"`{name}` cannot share the table of `{of}`",
            spec.places.of(path),
            label=f"`{of}` is a {_called(known[of])}",
            help=f"features with a table to share are {quoted(fitting)}"
            if fitting
            else "a `category`, an `id`, `vectors` and a `number` in buckets have a table to share",
        )


def _called(feature: FeatureDefinition) -> str:
    scaled = isinstance(feature, NumberFeature) and feature.scale is not None
    return f"`{feature.call}`" + (" with a `scale`" if scaled else "")


def _has_table(feature: FeatureDefinition) -> bool:
    return isinstance(feature, CategoryFeature | IdFeature | VectorsFeature) or (
        isinstance(feature, NumberFeature) and feature.scale is None
    )


def _unknown(
    spec: Spec, lost: set[str], findings: Findings, path: str, of: str, fitting: list[str], helps: list[str]
) -> None:
    """E203 for a feature that is not declared, unless it may have been lost."""
    if of in lost or spec.places.broken:
        return
    place = spec.places.of(path)
    guess = suggest(of, fitting, place) if place is not None else did_you_mean(of, fitting)
    findings.add("E203", f"no feature called `{of}`", place, label="not declared", help=[guess, *helps])


def _cross(
    spec: Spec,
    lost: set[str],
    findings: Findings,
    path: str,
    name: str,
    feature: CrossFeature,
    known: dict[str, FeatureDefinition],
) -> None:
    """E203 for a part that is not declared, E220 for one that is not one of a few ids, E308 for one given twice."""
    fitting = [one for one, other in known.items() if _has_table(other) or isinstance(other, DateFeature | SameFeature)]
    are = f"features that can be crossed are {quoted(fitting)}" if fitting else "no feature can be crossed"
    for position, of in enumerate(feature.of):
        part = f"{path}.of.{position}"
        if of not in known:
            _unknown(spec, lost, findings, part, of, fitting, [are])
        elif of in feature.of[:position]:
            _twice(spec, findings, part, f"the feature `{of}`")
        elif of not in fitting:
            number = isinstance(known[of], NumberFeature)
            findings.add(
                "E220",
                f"`{name}` cannot be made of `{of}`",
                spec.places.of(part),
                label=f"`{of}` is a {_called(known[of])}",
                help=[f"write `quantiles` in place of `scale` in `{of}`" if number else "", are],
            )


def _twice(spec: Spec, findings: Findings, path: str, what: str) -> None:
    findings.add("E308", f"{what} is given twice", spec.places.of(path), label="again", help="delete one of them")


def _date(spec: Spec, findings: Findings, path: str, feature: DateFeature) -> None:
    """E306 for an unknown time zone, E308 for a part that is given twice."""
    for position, part in enumerate(feature.parts):
        if part in feature.parts[:position]:
            _twice(spec, findings, f"{path}.parts.{position}", f"the part `{part}`")
    zones = available_timezones()
    # Without a list of time zones on this machine none can be called unknown.
    if feature.zone is not None and zones and feature.zone not in zones:
        findings.add(
            "E306",
            f"no time zone is called `{feature.zone}`",
            spec.places.of(f"{path}.zone"),
            label="not known",
            help=did_you_mean(feature.zone, zones) or 'for example `"Asia/Shanghai"` or `"UTC"`',
        )


def _together(spec: Spec, findings: Findings, first: str, other: str, words: str) -> None:
    """E308 for two arguments of which a feature takes one."""
    findings.add(
        "E308",
        f"{words} do not go together",
        spec.places.keys.get(other) or spec.places.of(other),
        label="this one",
        help="delete one of them",
        second=Related.at(spec.places.keys.get(first) or spec.places.of(first), "and this one"),
    )
