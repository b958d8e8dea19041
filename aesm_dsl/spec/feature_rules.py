"""Rules about features: what they refer to fits, and their arguments go together."""

from __future__ import annotations

from zoneinfo import available_timezones

from aesm_dsl.findings.diagnostic import Related, did_you_mean, quoted, suggest
from aesm_dsl.findings.known_names import KnownNames
from aesm_dsl.spec import form_rules
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
)
from aesm_dsl.spec.rule_context import RuleContext


def features_are_consistent(context: RuleContext) -> None:
    """Checks every feature."""
    groups = context.spec.features
    features = Features({name: feature for group in groups for name, feature in group.members.items()})
    for group in groups:
        for name, feature in group.members.items():
            path = f"features.{group.name}.{name}"
            if not context.spec.places.is_broken(path):
                _check_feature(context, path, name, feature, features)


class Features:
    """The features of a spec by name, and those of them that others may refer to."""

    def __init__(self, by_name: dict[str, FeatureDefinition]) -> None:
        self.by_name = by_name
        self.with_table = KnownNames(name for name, feature in by_name.items() if _has_table(feature))
        self.crossed = KnownNames(
            name
            for name, feature in by_name.items()
            if _has_table(feature) or isinstance(feature, DateFeature | SameFeature)
        )


def _check_feature(context: RuleContext, path: str, name: str, feature: FeatureDefinition, features: Features) -> None:
    if isinstance(feature, NumberFeature):
        form_rules.check_number_form(context, path, feature)
    elif isinstance(feature, ListFeature | SequenceFeature) and isinstance(feature.of, NumberFeature):
        form_rules.check_number_form(context, f"{path}.of", feature.of)
    match feature:
        case NumberFeature(encoding=encoding, quantiles=int()) if encoding is not None:
            words = "`encoding` and `quantiles`"
            help = "delete `quantiles`" if isinstance(encoding, Periodic) else "write `piecewise(bins: ...)`"
            context.report_conflict(words, f"{path}.encoding", f"{path}.quantiles", help)
        case NumberFeature(encoding=Piecewise(), scale=str()):
            words, help = "`encoding: piecewise` and `scale`", "delete `scale`: places among bins have none"
            context.report_conflict(words, f"{path}.encoding", f"{path}.scale", help)
        case NumberFeature(scale=scale, quantiles=quantiles) if scale is not None and quantiles is not None:
            words = "`scale` and `quantiles`"
            context.report_conflict(words, f"{path}.scale", f"{path}.quantiles", "delete one of them")
        case DateFeature():
            _check_date(context, path, feature)
        case CrossFeature():
            _check_cross(context, path, name, feature, features)
        case ListFeature(of=str(of)) | SequenceFeature(of=str(of)) | SameFeature(of=of):
            _check_shared_table(context, f"{path}.of", name, of, features)
        case ListFeature() | SequenceFeature():
            _check_values_of_list(context, path, name, feature)
    _check_training_only(context, path, name, feature, features)


def _check_training_only(
    context: RuleContext, path: str, name: str, feature: FeatureDefinition, features: Features
) -> None:
    """Reports a feature that is known in training only where what it is made of is not, or the other way round (E308).

    Only a cross may be known in training only though its parts are not: it needs their ids, not their tables.
    """
    of = getattr(feature, "of", ())
    parts = {f"{path}.of": of} if isinstance(of, str) else {f"{path}.of.{place}": part for place, part in enumerate(of)}
    for place, part in parts.items() if isinstance(of, str | tuple) else ():
        other = features.by_name.get(part)
        if other is None or other.training_only == feature.training_only:
            continue
        if other.training_only:
            context.findings.add(
                "E308",
                f"`{part}` is known in training only, but `{name}` is made of it",
                context.spec.places.of(place),
                label="not known when the model is asked",
                help=f"write `training_only: true` in `{name}` too, or make it of other features",
                second=_training_only_place(context, part),
            )
        elif not isinstance(feature, CrossFeature):
            context.findings.add(
                "E308",
                f"`{name}` is known in training only, and cannot share the table of `{part}`",
                context.spec.places.of(place),
                label="its table is the network's",
                help=f"give `{name}` a kind of its own",
                second=_training_only_place(context, name),
            )


def _training_only_place(context: RuleContext, name: str) -> Related | None:
    group = next(group.name for group in context.spec.features if name in group.members)
    return Related.at(context.span_of_key(f"features.{group}.{name}.training_only"), "in training only")


def _check_values_of_list(context: RuleContext, path: str, name: str, feature: ListFeature | SequenceFeature) -> None:
    """Reports arguments that the values of a list or sequence cannot have (E308)."""
    values, places, findings = feature.of, context.spec.places, context.findings
    if isinstance(values, str | Elapsed):
        return
    if values.column is not None:
        call = f"{feature.call}(of: {values.call}(...), column: {values.column})"
        findings.add(
            "E308",
            f"the values of `{name}` have no column of their own",
            places.keys.get(f"{path}.of.column"),
            label="not needed",
            help=f"write `column` beside `of`: `{call}`",
        )
    if values.training_only:
        call = f"{feature.call}(of: {values.call}(...), training_only: true)"
        findings.add(
            "E308",
            f"the values of `{name}` are known wherever `{name}` is",
            places.keys.get(f"{path}.of.training_only"),
            label="not needed",
            help=f"write `training_only` beside `of`: `{call}`",
        )
    if word := _word_for_itself(values):
        findings.add(
            "E308",
            f"the numbers of `{name}` have no `{word}`",
            places.keys.get(f"{path}.of.{word}") or places.of(f"{path}.of"),
            label="not pooled as they are",
            help=[
                f"write `{feature.call}(of: number(quantiles: ...))`: a vector for every bucket is pooled",
                "for lists of one length write each number to a column of its own, a `number(scale: ...)`",
            ],
        )


def _check_shared_table(context: RuleContext, path: str, name: str, of: str, features: Features) -> None:
    """Reports a feature that is not declared (E203), or that has no table to share (E219)."""
    fitting = features.with_table
    if of not in features.by_name:
        known = (
            f"features with a table to share are {quoted(fitting)}" if fitting else "no feature has a table to share"
        )
        kinds = ("id", "category", *(("elapsed",) if isinstance(features.by_name[name], SequenceFeature) else ()))
        call = f"write `{of}()` for values with a table of their own" if of in kinds else ""
        _report_undeclared(context, path, of, fitting, [call, known])
    elif of not in fitting:
        context.findings.add(
            "E219",
            f"`{name}` cannot share the table of `{of}`",
            context.spec.places.of(path),
            label=f"`{of}` is a {_describe(features.by_name[of])}",
            help=f"features with a table to share are {quoted(fitting)}"
            if fitting
            else "a `category`, an `id`, `vectors` and a `number` in buckets have a table to share",
        )


def _describe(feature: FeatureDefinition) -> str:
    word = _word_for_itself(feature)
    return f"`{feature.call}`" + (f" with {'an' if word == 'encoding' else 'a'} `{word}`" if word else "")


def _word_for_itself(feature: FeatureDefinition) -> str:
    """The argument that says that a number itself is used, not its bucket; "" if none does."""
    if isinstance(feature, NumberFeature):
        return "encoding" if feature.encoding is not None else "scale" if feature.scale is not None else ""
    return ""


def _has_table(feature: FeatureDefinition) -> bool:
    """Whether other features can share its embedding table."""
    return isinstance(feature, CategoryFeature | IdFeature | VectorsFeature) or (
        isinstance(feature, NumberFeature) and not _word_for_itself(feature)
    )


def _report_undeclared(context: RuleContext, path: str, of: str, fitting: KnownNames, help: list[str]) -> None:
    """Reports a feature that is not declared (E203), unless it may be in text that could not be read."""
    if of in context.lost or context.spec.places.broken:
        return
    span = context.spec.places.of(path)
    guess = suggest(of, fitting, span) if span is not None else did_you_mean(of, fitting)
    context.findings.add("E203", f"no feature called `{of}`", span, label="not declared", help=[guess, *help])


def _check_cross(context: RuleContext, path: str, name: str, feature: CrossFeature, features: Features) -> None:
    """Reports parts that are not declared (E203), cannot be crossed (E220) or are given twice (E308)."""
    fitting, seen = features.crossed, set[str]()
    known = f"features that can be crossed are {quoted(fitting)}" if fitting else "no feature can be crossed"
    for position, of in enumerate(feature.of):
        part, again = f"{path}.of.{position}", of in seen
        seen.add(of)
        if of not in features.by_name:
            _report_undeclared(context, part, of, fitting, [known])
        elif again:
            _report_given_twice(context, part, f"the feature `{of}`")
        elif of not in fitting:
            word = _word_for_itself(features.by_name[of])
            context.findings.add(
                "E220",
                f"`{name}` cannot be made of `{of}`",
                context.spec.places.of(part),
                label=f"`{of}` is a {_describe(features.by_name[of])}",
                help=[f"write `quantiles` in place of `{word}` in `{of}`" if word else "", known],
            )


def _report_given_twice(context: RuleContext, path: str, subject: str) -> None:
    context.findings.add(
        "E308",
        f"{subject} is given twice",
        context.spec.places.of(path),
        label="again",
        help="delete one of them",
    )


def _check_date(context: RuleContext, path: str, feature: DateFeature) -> None:
    """Reports an unknown time zone or format (E306), and parts that are given twice (E308)."""
    form_rules.check_date_format(context, f"{path}.format", feature.format)
    seen = set[str]()
    for position, part in enumerate(feature.parts):
        if part in seen:
            _report_given_twice(context, f"{path}.parts.{position}", f"the part `{part}`")
        seen.add(part)
    zones = available_timezones()
    # On a machine without a time zone database, no zone can be called unknown.
    if feature.zone is not None and zones and feature.zone not in zones:
        context.findings.add(
            "E306",
            f"no time zone is called `{feature.zone}`",
            context.spec.places.of(f"{path}.zone"),
            label="not known",
            help=did_you_mean(feature.zone, zones) or 'for example `"Asia/Shanghai"` or `"UTC"`',
        )
