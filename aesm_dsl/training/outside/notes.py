"""What models from outside do not read of a spec's features, or read in a way of their own, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aesm_dsl.findings.diagnostic import quoted
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.outside.boosted_trees import MOST_CATEGORIES

MOST_NAMED = 5
"""Features that a sentence names."""

WAYS = {
    "lightgbm": {
        "list": "of {names} it reads the first value (of a sequence the newest) and the number of values",
        "vectors": "of {names} it reads the numbers of the vector, and nothing that was learnt of it here",
        "many": f"of {{names}} the {MOST_CATEGORIES:,} most frequent ids are categories, all others are one together",
    },
    "logistic": {
        "list": "of {names} it reads which values there are, not their order",
        "vectors": "of {names} it reads the numbers of the vector, and nothing that was learnt of it here",
    },
}
"""Model -> how it reads features that a network reads otherwise."""


def notes(plan: Plan, model: str, rows: Mapping[str, int]) -> tuple[str, ...]:
    """Returns the sentences for a model; none if it reads every feature as it is.

    Args:
        plan: with the features.
        model: "logistic" or "lightgbm".
        rows: how many ids each feature has, as fitted.
    """
    return tuple(f"`{model}`: {sentence}" for sentence in _sentences(plan, model, rows))


def _sentences(plan: Plan, model: str, rows: Mapping[str, int]) -> Iterator[str]:
    features: dict[str, list[FeaturePlan]] = {"list": [], "vectors": [], "many": []}
    for feature in plan.features:
        if feature.kind == "vectors":
            features["vectors"].append(feature)
        elif feature.take:
            features["list"].append(feature)
        if feature.kind in ("category", "id", "cross") and rows[feature.name] > MOST_CATEGORIES:
            features["many"].append(feature)
    for kind, way in WAYS[model].items():
        if features[kind]:
            yield way.format(names=quoted((feature.name for feature in features[kind]), MOST_NAMED))
    if plan.training_features:
        names = quoted((feature.name for feature in plan.training_features), MOST_NAMED)
        yield f"it leaves out {names}, known in training only"
