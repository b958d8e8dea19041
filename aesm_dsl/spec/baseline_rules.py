"""What must hold between `baseline` and the rest of a model."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import quoted
from aesm_dsl.spec.baseline import LEAF_FEATURE
from aesm_dsl.spec.rule_context import RuleContext


def leaf_feature_has_effect(context: RuleContext) -> None:
    """`leaf_feature` is asked of an architecture that takes it, for a hierarchy with levels."""
    spec, places = context.spec, context.spec.places
    if spec.baseline is None or not spec.baseline.leaf_feature or spec.architecture == "aes":
        return
    if spec.architecture not in LEAF_FEATURE:
        message = f"`{spec.architecture}` does not take the leaf as a feature"
        label, help = "has no effect", f"delete it, or take one of {quoted(LEAF_FEATURE)}"
    elif not spec.levels and not context.lost:
        message, label = "without levels there is one leaf, which is the same feature in every row", "has no effect"
        help = "delete it, or write `level NAME { node ... }`"
    else:
        return
    context.findings.add("W112", message, places.of("baseline.leaf_feature"), label=label, help=help)
