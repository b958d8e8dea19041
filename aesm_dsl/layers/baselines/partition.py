"""`PartitionNorm`: batch normalisation with statistics of its own for every leaf (STAR, CIKM 2021).

Axes: L leaves, B rows sorted by leaf, D width of x; P partitions, the leaves and behind them all rows together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.no_compile import no_compile

KEPT = 0.9
"""How much earlier batches of a leaf count after one more, as batch norm's momentum of 0.1."""

FEWEST_ROWS = 8
"""Mean and variance of fewer rows are not used: of one row every normalised input is 0, of two it is +1 or -1."""

EPSILON = 1e-5


class PartitionNorm(nn.Module):
    """z_BD = (scale * scale_leaf) * (x - mean_leaf) / sqrt(variance_leaf + 1e-5) + (shift + shift_leaf).

    In training mean and variance are those of the leaf's rows in the batch, elsewhere running ones. Where they would
    be those of fewer than 8 rows, the next of these is taken that is not: the batch's, the leaf's running ones, the
    running ones of all rows. So a leaf of few rows still learns, and one that training never saw is served as the
    average leaf. Before any training x is passed on as it is.
    """

    # Shape suffixes, not mixed case.
    rows_P: Tensor
    mean_PD: Tensor
    squares_PD: Tensor

    def __init__(self, leaves: int, width: int) -> None:
        super().__init__()
        self.scale_D = nn.Parameter(torch.ones(width))
        self.shift_D = nn.Parameter(torch.zeros(width))
        self.scale_LD = nn.Parameter(torch.ones(leaves, width))
        self.shift_LD = nn.Parameter(torch.zeros(leaves, width))
        # Rows seen, earlier ones counting less and less; their mean; their sum of squares around it.
        self.register_buffer("rows_P", torch.zeros(leaves + 1))
        self.register_buffer("mean_PD", torch.zeros(leaves + 1, width))
        self.register_buffer("squares_PD", torch.zeros(leaves + 1, width))

    @no_compile
    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        if self.training and len(x_BD):
            rate_LD, offset_LD = self._affine(*self._moments(x_BD, rows.sizes))
        else:
            rate_LD, offset_LD = self.running_affine()
        parts = zip(x_BD.split_with_sizes(rows.sizes), offset_LD.unbind(0), rate_LD.unbind(0), strict=True)
        return torch.cat([torch.addcmul(offset_D, part, rate_D) for part, offset_D, rate_D in parts])

    def running_affine(self) -> tuple[Tensor, Tensor]:
        """rate_LD, offset_LD outside training: z = rate * x + offset."""
        return self._affine(*self._running())

    def _affine(self, mean_LD: Tensor, variance_LD: Tensor) -> tuple[Tensor, Tensor]:
        rate_LD = (variance_LD + EPSILON).rsqrt() * self.scale_D * self.scale_LD
        return rate_LD, self.shift_D + self.shift_LD - mean_LD * rate_LD

    def _moments(self, x_BD: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        """Mean and variance of every leaf for this batch; the running ones take the batch in first."""
        parts = [part for part in x_BD.split_with_sizes(sizes) if len(part)]
        mean = [part.mean(dim=0) for part in parts]
        variance = [part.var(dim=0, correction=0) for part in parts]
        seen = [place for place, size in enumerate(sizes) if size]
        with torch.no_grad():
            for place, part, mean_D, variance_D in zip(seen, parts, mean, variance, strict=True):
                self._take(place, len(part), mean_D, variance_D)
            self._take(len(sizes), len(x_BD), x_BD.mean(dim=0), x_BD.var(dim=0, correction=0))
        mean_LD, variance_LD = self._running()
        enough = [index for index, part in enumerate(parts) if len(part) >= FEWEST_ROWS]
        if enough:
            place_K = torch.tensor([seen[index] for index in enough], device=x_BD.device)
            mean_LD = mean_LD.index_copy(0, place_K, torch.stack([mean[index] for index in enough]))
            variance_LD = variance_LD.index_copy(0, place_K, torch.stack([variance[index] for index in enough]))
        return mean_LD, variance_LD

    def _take(self, place: int, rows: int, mean_D: Tensor, variance_D: Tensor) -> None:
        """Adds a batch's rows to a partition's running sums (Chan, Golub, LeVeque 1983)."""
        before = KEPT * self.rows_P[place]
        total, gap_D = before + rows, mean_D - self.mean_PD[place]
        self.squares_PD[place] = KEPT * self.squares_PD[place] + rows * variance_D + gap_D**2 * (before * rows / total)
        self.mean_PD[place] += gap_D * (rows / total)
        self.rows_P[place] = total

    def _running(self) -> tuple[Tensor, Tensor]:
        """Running mean and variance of every leaf; of all rows for a leaf that has seen fewer than FEWEST_ROWS."""
        variance_PD = self.squares_PD / self.rows_P.clamp(min=1).unsqueeze(1)
        variance_PD = torch.where(self.rows_P.unsqueeze(1) > 0, variance_PD, 1.0)
        enough_L1 = (self.rows_P[:-1] >= FEWEST_ROWS).unsqueeze(1)
        mean_LD = torch.where(enough_L1, self.mean_PD[:-1], self.mean_PD[-1])
        return mean_LD, torch.where(enough_L1, variance_PD[:-1], variance_PD[-1])
