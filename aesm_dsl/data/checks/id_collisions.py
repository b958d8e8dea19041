"""`IdCollisions`: estimates how many values of a hashed feature share their embedding with another value (W535).

Values are counted by linear counting (Whang, Vander-Zanden, Taylor, "A linear-time probabilistic counting algorithm for
database applications", TODS 1990): the share of cells of a table that no value's hash falls into says how many values
there are. Memory: 4 MiB for each embedding table of ids.
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import colliding_share

BITS = 22
"""The counting table has 2^BITS cells."""
VOCABULARY = 1_000_000
"""Most values for which a vocabulary is advised."""
NOTABLE = 0.25
"""Share of the values that must collide."""


class IdCollisions:
    """A `TableCheck` that counts the values of every embedding table of ids in the training rows."""

    def __init__(self, plan: Plan, locate: Locate) -> None:
        self._locate = locate
        self._features = [feature for feature in plan.features if feature.kind == "id"]
        self._seen = {feature.table or feature.name: np.zeros(2**BITS, dtype=np.bool_) for feature in self._features}

    def update(self, chunk: CheckedRows) -> None:
        if chunk.part != "train":
            return
        for feature in self._features:
            column = chunk.rows.frame[feature.column]
            values = flatten(column, feature.separator)[0] if feature.take else column
            hashes, missing = hash64(values)
            self._seen[feature.table or feature.name][(hashes[~missing] >> np.uint64(64 - BITS)).astype(np.int64)] = (
                True
            )

    def report(self, findings: Findings) -> None:
        for feature in self._features:
            if not feature.table:
                self._report(feature, findings)

    def _report(self, feature: FeaturePlan, findings: Findings) -> None:
        empty = 1 - float(self._seen[feature.name].mean())
        count = round(-(2**BITS) * np.log(max(empty, 2.0**-BITS)))
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
