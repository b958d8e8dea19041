"""`STAR`: star topology adaptive recommender (Sheng et al., "One Model to Serve All", CIKM 2021).

Its three parts are partitioned normalisation (`PartitionNorm`), an MLP of star topology (`StarLinears`), and an
auxiliary network that sees the leaf.

Axes: L leaves, B rows sorted by leaf, D width of x, G Linears side by side, H output width, T tasks; P partitions: the
leaves, and after them all rows together.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.embedding import START_STD
from aesm_dsl.layers.experts import ACTIVATIONS
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.no_compile import no_compile
from aesm_dsl.layers.stacked_linears import Linears, MLPs, apply_linears
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan

KEPT = 0.9
"""Weight that the earlier batches of a leaf keep when one more comes, as with batch norm's momentum of 0.1."""

FEWEST_ROWS = 8
"""Mean and variance of fewer rows are not used: with one row every normalised input is 0, with two it is +1 or -1."""

EPSILON = 1e-5


class STAR(nn.Module):
    """Partitioned normalisation, a star-topology MLP with a tower for each task, and an auxiliary network for the leaf.

    z = normalise_leaf(x);  every Linear of bottom and towers has the weights W * W_leaf (elementwise), bias b + b_leaf
    logit_t = tower_t(bottom(z)) + auxiliary([x; leaf embedding])_t
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        leaves, tasks = baseline.leaves, plan.tasks
        self.norm = PartitionNorm(leaves, plan.width)
        bottom, tower = (plan.width, *baseline.hidden), (baseline.output, *tasks.tower)
        self.bottom = nn.ModuleList(StarLinears(leaves, 1, before, after) for before, after in pairwise(bottom))
        self.towers = nn.ModuleList(
            StarLinears(leaves, len(tasks.tasks), before, after) for before, after in pairwise(tower)
        )
        self.head = StarLinears(leaves, len(tasks.tasks), tower[-1], 1)
        self.activation, self.dropout = ACTIVATIONS[baseline.activation], baseline.dropout
        self.tower_activation, self.tower_dropout = ACTIVATIONS[tasks.tower_activation], tasks.tower_dropout
        self.leaf = nn.Embedding(leaves, baseline.embed)
        nn.init.normal_(self.leaf.weight, std=START_STD)
        auxiliary = (plan.width + baseline.embed, *baseline.auxiliary)
        self.auxiliary = MLPs(1, 1, auxiliary, activation=baseline.activation, dropout=baseline.dropout)
        self.auxiliary_head = Linears(1, 1, auxiliary[-1], len(tasks.tasks))

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        h = self.norm(x_BD, rows).unsqueeze(0)
        for linear in self.bottom:
            h = functional.dropout(self.activation(linear(h, rows)), self.dropout, self.training)
        for linear in self.towers:
            h = functional.dropout(self.tower_activation(linear(h, rows)), self.tower_dropout, self.training)
        with_leaf_1BD = torch.cat([x_BD, self.leaf(rows.leaf_B)], dim=1).unsqueeze(0)
        auxiliary_BT = self.auxiliary_head(self.auxiliary(with_leaf_1BD, rows), rows).squeeze(0)
        logit_TB: Tensor = self.head(h, rows).squeeze(-1) + auxiliary_BT.T
        return logit_TB


class StarLinears(nn.Module):
    """y_GBH: each row through G Linears, whose weights are the shared ones times the leaf's, biases shared plus leaf's.

    The leaves' factors start at 1 and their biases at 0: a leaf starts as the shared network, and a leaf without rows
    stays like it.
    """

    def __init__(self, leaves: int, copies: int, before: int, after: int) -> None:
        super().__init__()
        self.shared = Linears(1, copies, before, after)
        self.factor_LGDH = nn.Parameter(torch.ones(leaves, copies, before, after))
        self.bias_LGH = nn.Parameter(torch.zeros(leaves, copies, after))

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        """Returns y_GBH; the arguments are those of `Linears`."""
        return apply_linears(h, *self.of_leaves(), rows)

    def of_leaves(self) -> tuple[Tensor, Tensor]:
        """Returns weight_LGDH and bias_LGH, the effective parameters of each leaf's Linears."""
        return self.shared.weight_LGDH * self.factor_LGDH, self.shared.bias_LGH + self.bias_LGH


class PartitionNorm(nn.Module):
    """Batch normalisation with statistics of its own for every leaf.

    z_BD = (scale * scale_leaf) * (x - mean_leaf) / sqrt(variance_leaf + 1e-5) + (shift + shift_leaf)

    In training, mean and variance are those of the leaf's rows in the batch; otherwise running ones. The first of these
    is used that is computed from at least FEWEST_ROWS rows: the statistics of the batch, the running ones of the leaf,
    the running ones of all rows. So a leaf with few rows still learns, and a leaf that training never saw is served as
    the average leaf. Before any training, x is returned as it is.
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
        # Rows so far, earlier ones counting less and less; their mean; the sum of squared differences from it.
        self.register_buffer("rows_P", torch.zeros(leaves + 1))
        self.register_buffer("mean_PD", torch.zeros(leaves + 1, width))
        self.register_buffer("squares_PD", torch.zeros(leaves + 1, width))

    # Not compiled: the sizes of the leaves differ from batch to batch, and each would need a graph of its own.
    @no_compile
    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns z_BD of rows sorted by leaf."""
        if self.training and len(x_BD):
            rate_LD, offset_LD = self._affine(*self._moments(x_BD, rows.sizes))
        else:
            rate_LD, offset_LD = self.running_affine()
        parts = zip(x_BD.split_with_sizes(rows.sizes), offset_LD.unbind(0), rate_LD.unbind(0), strict=True)
        return torch.cat([torch.addcmul(offset_D, part, rate_D) for part, offset_D, rate_D in parts])

    def running_affine(self) -> tuple[Tensor, Tensor]:
        """Returns rate_LD and offset_LD of z = rate * x + offset outside training."""
        return self._affine(*self._running())

    def _affine(self, mean_LD: Tensor, variance_LD: Tensor) -> tuple[Tensor, Tensor]:
        rate_LD = (variance_LD + EPSILON).rsqrt() * self.scale_D * self.scale_LD
        return rate_LD, self.shift_D + self.shift_LD - mean_LD * rate_LD

    def _moments(self, x_BD: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        """Mean and variance of every leaf for this batch, after the running ones were updated with it."""
        parts = [part for part in x_BD.split_with_sizes(sizes) if len(part)]
        mean = [part.mean(dim=0) for part in parts]
        variance = [part.var(dim=0, correction=0) for part in parts]
        leaves = [leaf for leaf, size in enumerate(sizes) if size]
        with torch.no_grad():
            for leaf, part, mean_D, variance_D in zip(leaves, parts, mean, variance, strict=True):
                self._update(leaf, len(part), mean_D, variance_D)
            self._update(len(sizes), len(x_BD), x_BD.mean(dim=0), x_BD.var(dim=0, correction=0))
        mean_LD, variance_LD = self._running()
        enough = [index for index, part in enumerate(parts) if len(part) >= FEWEST_ROWS]
        if enough:
            leaf_K = torch.tensor([leaves[index] for index in enough], device=x_BD.device)
            mean_LD = mean_LD.index_copy(0, leaf_K, torch.stack([mean[index] for index in enough]))
            variance_LD = variance_LD.index_copy(0, leaf_K, torch.stack([variance[index] for index in enough]))
        return mean_LD, variance_LD

    def _update(self, partition: int, rows: int, mean_D: Tensor, variance_D: Tensor) -> None:
        """Adds rows of a batch to the running sums of a partition, by the formula of Chan, Golub and LeVeque (1983)."""
        before = KEPT * self.rows_P[partition]
        total, gap_D = before + rows, mean_D - self.mean_PD[partition]
        between_D = gap_D**2 * (before * rows / total)
        self.squares_PD[partition] = KEPT * self.squares_PD[partition] + rows * variance_D + between_D
        self.mean_PD[partition] += gap_D * (rows / total)
        self.rows_P[partition] = total

    def _running(self) -> tuple[Tensor, Tensor]:
        """Running mean and variance of every leaf; those of all rows for a leaf with fewer than FEWEST_ROWS rows."""
        variance_PD = self.squares_PD / self.rows_P.clamp(min=1).unsqueeze(1)
        variance_PD = torch.where(self.rows_P.unsqueeze(1) > 0, variance_PD, 1.0)
        enough_L1 = (self.rows_P[:-1] >= FEWEST_ROWS).unsqueeze(1)
        mean_LD = torch.where(enough_L1, self.mean_PD[:-1], self.mean_PD[-1])
        return mean_LD, torch.where(enough_L1, variance_PD[:-1], variance_PD[-1])
