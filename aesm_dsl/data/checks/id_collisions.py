"""`IdCollisions`: estimates how many values of a hashed feature share their embedding with another value (W535).

Memory: 4 MiB for each embedding table of ids.
"""

from __future__ import annotations

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import TRAINING, CheckedRows
from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.data.reading.linear_counter import LinearCounter
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import colliding_share

BITS = 22
"""The counter has 2^BITS cells."""
VOCABULARY = 1_000_000
"""Most values for which a vocabulary is advised."""
NOTABLE = 0.25
"""Share of the values that must collide."""


class IdCollisions:
    """A `TableCheck` that counts the values of every embedding table of ids in the training rows."""

    parts = TRAINING

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._locate = locate
        self._features = [feature for feature in plan.all_features if feature.kind == "id"]
        self._seen = {feature.table or feature.name: LinearCounter(BITS) for feature in self._features}

    def update(self, chunk: CheckedRows) -> None:
        for feature in self._features:
            column = chunk.rows.frame[feature.column]
            values = flatten(column, feature.separator)[0] if feature.take else column
            hashes, missing = hash64(values)
            self._seen[feature.table or feature.name].update(hashes[~missing])

    def report(self, findings: Findings) -> None:
        for feature in self._features:
            if not feature.table:
                self._report(feature, findings)

    def _report(self, feature: FeaturePlan, findings: Findings) -> None:
        count = self._seen[feature.name].count()
        buckets = feature.rows - 1
        share = colliding_share(count, buckets)
        if not 2 <= count <= VOCABULARY or share < NOTABLE:
            return
        more = 10 * count
        findings.add(
            "W535",
            f"about {share:.0%} of the {count:,} values of feature `{feature.name}` share one of its {buckets:,} "
            "buckets with another value",
            self._locate(f"features.{feature.group}.{feature.name}"),
            label="values in one bucket have one embedding",
            help=[
                f"`category(limit: {count}, min_count: 5)` gives every value an embedding of its own, but rare ones "
                "one together",
                f"with `buckets: {more}` {colliding_share(count, more):.0%} would share one",
            ],
        )
