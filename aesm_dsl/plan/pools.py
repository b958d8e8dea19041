"""`PoolPlan`: the features whose looked-up vectors one pool makes one vector of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aesm_dsl.plan.features import FeaturePlan


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """A list, a sequence, or several sequences that describe the same steps.

    The vectors of a step's values are concatenated, in the order of the plan, and the steps' vectors are pooled. Each
    feature's part of x is its part of the result.
    """

    members: tuple[FeaturePlan, ...]

    @property
    def name(self) -> str:
        """The name of the list, or of the sequence that the others stand with."""
        return self.members[0].steps or self.members[0].name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(feature.name for feature in self.members)

    @property
    def kind(self) -> str:
        """How vectors are combined: "mean", "sum", "max", "attention" or "transformer"."""
        return self.members[0].pool

    @property
    def slots(self) -> int:
        """The largest number of steps."""
        return self.members[0].slots

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of each feature's vectors."""
        return tuple(feature.width for feature in self.members)

    @property
    def width(self) -> int:
        """The width of a step's vector."""
        return sum(self.widths)

    @property
    def asked(self) -> tuple[bool, ...]:
        """For each unit of a step's vector, whether the row's own value of a feature has one like it: the query of
        attention, and a transformer's candidate."""
        return tuple(bool(feature.table) for feature in self.members for _ in range(feature.width))

    @property
    def places(self) -> int:
        """For a transformer, its places: the slots, and one for the candidate, if there is one."""
        return self.slots + any(self.asked)


def pools_of(features: Iterable[FeaturePlan]) -> tuple[PoolPlan, ...]:
    """Returns the pools of the features, in the order in which each has its first feature."""
    members: dict[str, list[FeaturePlan]] = {}
    for feature in features:
        if feature.pool:
            members.setdefault(feature.steps or feature.name, []).append(feature)
    return tuple(PoolPlan(tuple(together)) for together in members.values())
