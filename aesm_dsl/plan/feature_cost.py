"""`feature_cost`: what turns the looked-up vectors or the number of one feature into its part of x."""

from __future__ import annotations

from aesm_dsl.plan.features import TRANSFORMER_HIDDEN, FeaturePlan


def feature_cost(feature: FeaturePlan) -> tuple[int, int]:
    """Returns parameters and FLOPs per row of a feature, without its table.

    A number has a slope and a start, or the frequencies and the Linear of its encoding, and a vector for missing
    values. A list has a vector for the empty list, and the parameters of attention. Vectors from a file have vectors
    for the missing and the unknown key, and a projection.
    """
    width, slots = feature.embed, feature.slots
    if feature.encoding is not None:
        size, periodic = feature.encoding.size, feature.encoding.kind == "periodic"
        inputs = 2 * size if periodic else size
        return periodic * size + (inputs + 2) * width, periodic * size + 2 * inputs * width
    if feature.values:
        return 3 * width, 2 * width
    parameters = flops = 0
    if feature.pool:
        parameters, flops = width, 2 * slots * width
    if feature.pool == "transformer":
        hidden, places = TRANSFORMER_HIDDEN * width, feature.places
        # Two norms; the maps to queries, keys and values, and of their mixture; the layer with `hidden` units.
        parameters += places * width + 4 * width + 4 * width * (width + 1) + 2 * width * hidden + hidden + width
        matrices = 4 * width**2 + 2 * width * hidden
        flops = 2 * places * matrices + 4 * places**2 * width + 2 * places * width
    if feature.pool == "attention":
        parameters, flops = parameters + width**2 + slots, flops + 2 * width**2 + 2 * slots * width
    if feature.kind == "vectors":
        projection = feature.given * width if feature.given != width else 0
        # A feature that uses the table of another one uses its vectors and projection too.
        own_parameters = 2 * width + projection if not feature.table else 0
        parameters, flops = parameters + own_parameters, flops + 2 * slots * projection
    return parameters, flops
