"""Rules about features: what they refer to can be referred to, and what each says of itself goes together."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import available_timezones

from aesm_dsl.diagnostic import Findings, Related, did_you_mean, quoted, suggest
from aesm_dsl.spec.features import (
    CategoryFeature,
    DateFeature,
    FeatureDefinition,
    IdFeature,
    ListFeature,
    NumberFeature,
    SequenceFeature,
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
            case ListFeature(of=str(of)) | SequenceFeature(of=str(of)):
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
    place = spec.places.of(path)
    fitting = [one for one, feature in known.items() if isinstance(feature, CategoryFeature | IdFeature)]
    if of not in known:
        if of in lost or spec.places.broken:
            return
        nothing = "no feature is a `category` or an `id`"
        helps = [
            suggest(of, fitting, place) if place is not None else did_you_mean(of, fitting),
            f"features with a table to share are {quoted(fitting)}" if fitting else nothing,
        ]
        if of in ("id", "category"):
            helps.insert(0, f"write `{of}()` for values with a table of their own")
        findings.add("E203", f"no feature called `{of}`", place, label="not declared", help=helps)
    elif of not in fitting:
        findings.add(
            "E219",
            f"`{name}` cannot share the table of `{of}`",
            place,
            label=f"`{of}` is a `{known[of].call}`",
            help=f"features with a table to share are {quoted(fitting)}"
            if fitting
            else "write `of: id(...)`, values with a table of their own",
        )


def _date(spec: Spec, findings: Findings, path: str, feature: DateFeature) -> None:
    """E306 for an unknown time zone, E308 for a part that is given twice."""
    for position, part in enumerate(feature.parts):
        if part in feature.parts[:position]:
            findings.add(
                "E308",
                f"the part `{part}` is given twice",
                spec.places.of(f"{path}.parts.{position}"),
                label="again",
                help="delete one of them",
            )
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
