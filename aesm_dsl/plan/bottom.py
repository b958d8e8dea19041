"""`BottomPlan`: what lies between the features' vectors and the experts, as plain numbers; and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aesm_dsl.plan.features import FeaturePlan

GATES = ("", "scenario", "senet")


@dataclass(frozen=True, slots=True)
class BottomPlan:
    """A gate on the features' vectors."""

    gate: str = ""
    """"scenario": each of their numbers is weighted by the row's nodes; "senet": each field by all fields; or ""."""
    hidden: int = 0
    """For a scenario gate, the width of its hidden layer."""
    reduction: int = 0
    """For a gate of fields, their number divided by the width of its hidden layer."""

    def gate_widths(self, features: Sequence[FeaturePlan], context: int) -> tuple[int, ...]:
        """Returns the widths of the gate's two Linears: input, hidden, output; empty without a gate.

        Args:
            features: the features of the plan.
            context: C, the width of the node embeddings of all levels together.
        """
        if self.gate == "scenario":
            width = sum(feature.width for feature in features)
            return context + width, self.hidden, width
        if self.gate == "senet":
            fields = len(field_widths(features))
            return fields, max(1, fields // self.reduction), fields
        return ()

    def cost(self, features: Sequence[FeaturePlan], context: int) -> tuple[int, int]:
        """Returns parameters, without those of node embeddings, and FLOPs per row; arguments as in `gate_widths`."""
        steps = list(pairwise(self.gate_widths(features, context)))
        parameters = sum((before + 1) * after for before, after in steps)
        return parameters, sum(2 * before * after for before, after in steps)


def field_widths(features: Sequence[FeaturePlan]) -> tuple[int, ...]:
    """Returns the widths of the fields of x, in order: each feature is a field, and each part of a date."""
    return tuple(
        feature.embed for feature in features for _ in range(1 if feature.pool or not feature.slots else feature.slots)
    )
