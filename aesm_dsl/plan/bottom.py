"""`BottomPlan`: what lies between the features' vectors and the experts, as plain numbers; and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from aesm_dsl.plan.features import FeaturePlan

GATES = ("", "scenario", "senet")
INTERACTIONS = ("", "dcn_v2", "fm")


@dataclass(frozen=True, slots=True)
class BottomPlan:
    """A gate on the features' vectors, and products of them."""

    gate: str = ""
    """"scenario": each of their numbers is weighted by the row's nodes; "senet": each field by all fields; or ""."""
    hidden: int = 0
    """For a scenario gate, the width of its hidden layer."""
    reduction: int = 0
    """For a gate of fields, their number divided by the width of its hidden layer."""
    interaction: str = ""
    """"dcn_v2": cross layers in place of x; "fm": the second-order term of a factorisation machine beside x; or ""."""
    layers: int = 0
    """The number of cross layers."""
    rank: int = 0
    """The rank of the matrix of each cross layer."""
    factors: int = 0
    """K, the width of the vectors that a factorisation machine multiplies."""

    @property
    def added(self) -> int:
        """How much wider the bottom makes x."""
        return self.factors if self.interaction == "fm" else 0

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
        flops = sum(2 * before * after for before, after in steps)
        fields = field_widths(features)
        if self.interaction == "dcn_v2":
            matrices = self.layers * 2 * sum(fields) * self.rank
            parameters, flops = parameters + matrices + self.layers * sum(fields), flops + 2 * matrices
        if self.interaction == "fm":
            matrices = sum(width * self.factors for width in fields if width != self.factors)
            # A sum of the vectors, their squares, and the sum of these.
            parameters, flops = parameters + matrices, flops + 2 * matrices + 3 * len(fields) * self.factors
        return parameters, flops


def field_widths(features: Sequence[FeaturePlan]) -> tuple[int, ...]:
    """Returns the widths of the fields of x, in order: each feature is a field, and each part of a date."""
    return tuple(
        feature.embed for feature in features for _ in range(1 if feature.pool or not feature.slots else feature.slots)
    )
