"""What hashing costs, in words: how many values of an `id` share an embedding with another value."""

from __future__ import annotations

from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import colliding_share


def hashed_ids_text(plan: Plan) -> str:
    """Returns a line for each hashed feature; empty if the plan hashes nothing. No data is read for it."""
    features = [feature for feature in plan.all_features if feature.kind == "id" and not feature.table]
    if not features:
        return ""
    lines = ["Hashed ids, and how many of their values share an embedding with another:"]
    width = max(len(feature.name) for feature in features)
    for feature in features:
        buckets = feature.rows - 1
        shares = (f"{colliding_share(count, buckets):.0%} of {count:,}" for count in (max(buckets // 10, 1), buckets))
        lines.append(f"  {feature.name:<{width}}  {buckets:,} buckets: {', '.join(shares)} values")
    lines.append("  `category` keeps values apart wherever a vocabulary can hold them.")
    return "\n".join(lines)
