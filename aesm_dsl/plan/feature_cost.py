"""`feature_cost` and `pool_cost`: what turns looked-up vectors and numbers into their parts of x.

Both return parameters and FLOPs per row.
"""

from __future__ import annotations

from aesm_dsl.plan.features import TRANSFORMER_HIDDEN, FeaturePlan
from aesm_dsl.plan.pools import PoolPlan


def feature_cost(feature: FeaturePlan) -> tuple[int, int]:
    """Returns the cost of a feature, without its table and its pool.

    A number has a slope and a start, or the frequencies and the Linear of its encoding, and a vector for missing
    values. Vectors from a file have vectors for the missing and the unknown key, and a projection.
    """
    width = feature.embed
    if feature.encoding is not None:
        size, periodic = feature.encoding.size, feature.encoding.kind == "periodic"
        inputs = 2 * size if periodic else size
        return periodic * size + (inputs + 2) * width, periodic * size + 2 * inputs * width
    if feature.values:
        return 3 * width, 2 * width
    if feature.kind == "vectors":
        projection = feature.given * width if feature.given != width else 0
        # A feature that uses the table of another one uses its vectors and projection too.
        return 2 * width + projection if not feature.table else 0, 2 * feature.slots * projection
    return 0, 0


def pool_cost(pool: PoolPlan) -> tuple[int, int]:
    """Returns the cost of a pool: a vector for no steps, and the parameters of attention or of a transformer block."""
    width, slots, asked = pool.width, pool.slots, sum(pool.asked)
    parameters, flops = width, 2 * slots * width
    if pool.kind == "transformer":
        hidden, places = TRANSFORMER_HIDDEN * width, pool.places
        # Two norms; the maps to queries, keys and values, and of their mixture; the layer with `hidden` units.
        parameters += places * width + 4 * width + 4 * width * (width + 1) + 2 * width * hidden + hidden + width
        parameters += width - asked if asked else 0
        matrices = 4 * width**2 + 2 * width * hidden
        flops = 2 * places * matrices + 4 * places**2 * width + 2 * places * width
    if pool.kind == "attention":
        parameters, flops = parameters + asked * width + slots, flops + 2 * asked * width + 2 * slots * width
    return parameters, flops
