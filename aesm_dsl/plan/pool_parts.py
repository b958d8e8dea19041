"""`pool_parts`: the parts of a network's state that belong to one pool."""

from __future__ import annotations

from collections.abc import Iterator

from aesm_dsl.plan.features import TRANSFORMER_HIDDEN, FeaturePlan
from aesm_dsl.plan.parts import Axis, Part
from aesm_dsl.plan.pools import PoolPlan


def pool_parts(pool: PoolPlan, state: str) -> Iterator[Part]:
    """Yields the parts; `state` is where the pool stands in the network's state."""
    owner, width = f"feature {pool.name}", _units(pool.members)
    asked = [feature for feature in pool.members if feature.table]
    yield Part(f"{owner}, empty", owner, f"{state}.empty", (width,))
    if pool.kind == "attention":
        yield Part(f"{owner}, turn", owner, f"{state}.turn", (_units(asked), width))
        yield Part(f"{owner}, age", owner, f"{state}.age", (Axis("places", {"place": pool.slots}),))
    if pool.kind != "transformer":
        return
    if 0 < len(asked) < len(pool.members):
        others = [feature for feature in pool.members if not feature.table]
        yield Part(f"{owner}, candidate", owner, f"{state}.candidate", (_units(others),))
    inner, hidden = Axis("units", {"unit": pool.width}), Axis("units", {"unit": TRANSFORMER_HIDDEN * pool.width})
    places = Axis("places", ({"candidate": 1} if asked else {}) | {"place": pool.slots})
    mix = Axis("units", dict.fromkeys(("query", "key", "value"), pool.width))
    yield Part(f"{owner}, places", owner, f"{state}.place_PW", (places, width))
    for norm in ("norm", "second_norm"):
        for kind in ("weight", "bias"):
            yield Part(f"{owner}, {norm} {kind}", owner, f"{state}.{norm}.{kind}", (width,))
    for name, after, before in (
        ("mix", mix, width),
        ("mixed", width, inner),
        ("up", hidden, width),
        ("down", width, hidden),
    ):
        yield Part(f"{owner}, {name} weight", owner, f"{state}.{name}.weight", (after, before))
        yield Part(f"{owner}, {name} bias", owner, f"{state}.{name}.bias", (after,))


def _units(features: list[FeaturePlan] | tuple[FeaturePlan, ...]) -> Axis:
    """The units of a step's vector that come from these features."""
    return Axis("units", {f"feature {feature.name}": feature.width for feature in features})
