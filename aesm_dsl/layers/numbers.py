"""`NumberVectors`: numbers -> vectors.

Axes: B rows, V values, W width of a vector, N widths of all numbers that have no encoding, K bins or frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aesm_dsl.plan.features import FeaturePlan, NumberEncoding


class NumberVectors(nn.Module):
    """The vectors of all features that are used as numbers, concatenated: value * slope + start, or an encoding.

    A missing number has a learnt vector of its own.
    """

    place_N: Tensor
    """For each of the N columns, the number that it belongs to."""

    def __init__(self, features: Sequence[FeaturePlan], start_std: float) -> None:
        super().__init__()
        self.features = features
        widths = [feature.width for feature in features if feature.encoding is None]
        if widths:
            drawn = (nn.Parameter(torch.randn(sum(widths)) * start_std) for _ in range(3))
            self.slope, self.start, self.missing = drawn
        plain_V = torch.tensor([v for v, feature in enumerate(features) if feature.encoding is None], dtype=torch.int64)
        repeats_V = torch.tensor(widths, dtype=torch.int64)
        # With its size, it can also be made on the device `meta`, where there are only shapes.
        place_N = plain_V.repeat_interleave(repeats_V, output_size=sum(widths))
        self.register_buffer("place_N", place_N, persistent=False)
        self.encoded = nn.ModuleList(
            _encoded(feature.encoding, feature.width, start_std) for feature in features if feature.encoding is not None
        )

    def forward(self, value_BV: Tensor) -> Tensor:
        """Returns the vectors; `value_BV` are scaled numbers, or places among bins; NaN if missing."""
        plain_BN = self._plain(value_BV) if len(self.place_N) else value_BV[:, :0]
        if not len(self.encoded):
            return plain_BN
        vectors: list[Tensor] = []
        start, encoded = 0, iter(self.encoded)
        for v, feature in enumerate(self.features):
            if feature.encoding is not None:
                vectors.append(next(encoded)(value_BV[:, v : v + 1]))
            else:
                vectors.append(plain_BN[:, start : start + feature.width])
                start += feature.width
        return torch.cat(vectors, dim=1)

    def _plain(self, value_BV: Tensor) -> Tensor:
        value_BN = value_BV.index_select(1, self.place_N)
        present_BN = ~value_BN.isnan()
        # With 0 in place of NaN: the gradient of torch.where through an unused NaN would be NaN.
        vector_BN = torch.addcmul(self.start, value_BN.nan_to_num(0.0), self.slope)
        return torch.where(present_BN, vector_BN, self.missing)


class PiecewiseVector(nn.Module):
    """Piecewise linear encoding and a Linear (Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in
    Tabular Deep Learning", NeurIPS 2022, eq. 1).

        v = W e + b,  e_k = 1 if the number lies above bin k, 0 if below, (x - low_k) / (high_k - low_k) inside

    The encoder has found the place of the number among the bins, so that e_k = clamp(place - k, 0, 1).
    """

    bin_K: Tensor

    def __init__(self, bins: int, width: int, start_std: float) -> None:
        super().__init__()
        self.linear = _linear(bins, width, start_std)
        self.missing = nn.Parameter(torch.randn(width) * start_std)
        self.register_buffer("bin_K", torch.arange(bins, dtype=torch.float32), persistent=False)

    def forward(self, place_B1: Tensor) -> Tensor:
        """Returns vector_BW; NaN if missing."""
        code_BK = (place_B1.nan_to_num(0.0) - self.bin_K).clamp(0, 1)
        vector_BW: Tensor = self.linear(code_BK)
        return torch.where(place_B1.isnan(), self.missing.to(vector_BW.dtype), vector_BW)


class PeriodicVector(nn.Module):
    """Periodic encoding, a Linear and a ReLU (Gorishniy et al., NeurIPS 2022, eq. 2: "PLR").

    v = relu(W [sin(2 pi c x); cos(2 pi c x)] + b),  the frequencies c learnt, from a normal distribution
    """

    def __init__(self, encoding: NumberEncoding, width: int, start_std: float) -> None:
        super().__init__()
        self.frequency_K = nn.Parameter(torch.randn(encoding.size) * encoding.sigma)
        self.linear = _linear(2 * encoding.size, width, start_std)
        self.missing = nn.Parameter(torch.randn(width) * start_std)

    def forward(self, value_B1: Tensor) -> Tensor:
        """Returns vector_BW; NaN if missing."""
        angle_BK = 2 * math.pi * value_B1.nan_to_num(0.0) * self.frequency_K
        vector_BW: Tensor = self.linear(torch.cat([angle_BK.sin(), angle_BK.cos()], dim=1)).relu()
        return torch.where(value_B1.isnan(), self.missing.to(vector_BW.dtype), vector_BW)


def _encoded(encoding: NumberEncoding, width: int, start_std: float) -> nn.Module:
    if encoding.kind == "periodic":
        return PeriodicVector(encoding, width, start_std)
    return PiecewiseVector(encoding.size, width, start_std)


def _linear(inputs: int, width: int, start_std: float) -> nn.Linear:
    """A Linear whose result starts as small as an embedding."""
    linear = nn.Linear(inputs, width)
    nn.init.normal_(linear.weight, std=start_std)
    nn.init.zeros_(linear.bias)
    return linear
