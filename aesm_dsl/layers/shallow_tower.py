"""`ShallowTower`: what features that are known in training only add to the logits.

Axes: B rows, S slots of ids, V values, L leaves, T tasks, D width of the features' vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.layers.leaf_rows import LeafSorter
from aesm_dsl.layers.node_features import node_features
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.plan.plan import Plan

NEWTON_STEPS, LONGEST_STEP = 5, 2.0


class ShallowTower(nn.Module):
    """a_BT, added to the logits in training, and left out elsewhere.

    The shallow tower of "Recommending what video to watch next" (Zhao et al., RecSys 2019), which like PAL (Guo et al.,
    RecSys 2019) keeps where a row was shown apart from what it is worth:

        a_BT = (W_T + W_leaf,T) v_B - c_leaf,T

    v_BD are the vectors of the features, which have tables of their own; W_leaf starts at 0. The papers have no c. But
    without it tower and network could hold the base rate between them in any way, and the network alone would be off by
    what the tower holds. Here c is such that the mean probability of a leaf's rows of the batch is the same with a and
    without: what the network predicts alone is calibrated to the way in which the leaf's rows were shown. Zhao et al.
    hide the features in 10 % of the training rows instead; such rows teach the network what the tower is there to keep
    from it.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.slots, self.values = plan.slots, plan.values
        self.embedding = Embedding(plan.training_features)
        self.node_features = node_features(plan.levels, plan.training_features)
        self.leaves = LeafSorter(plan)
        tasks, width = len(plan.tasks.tasks), sum(feature.width for feature in plan.training_features)
        self.weight_TD = nn.Parameter(torch.empty(tasks, width).uniform_(-(width**-0.5), width**-0.5))
        self.weight_LTD = nn.Parameter(torch.zeros(self.leaves.count, tasks, width))
        self.sum_of_processes: Callable[[Tensor], Tensor] = _own
        """Adds up a tensor over the processes that train together: a leaf's rows are those of all of them."""

    def forward(self, batch: Batch, logit_BT: Tensor) -> Tensor:
        """Returns a_BT of the rows of a training batch.

        Args:
            batch: the rows, with what is known in training only.
            logit_BT: the logits without a; no gradient flows back to them from here.

        Raises:
            ValueError: an id is outside its table (as in `Embedding`).
        """
        vector_BD = self.embedding(batch.ids_BS[:, self.slots :], batch.value_BV[:, self.values :])
        if self.node_features is not None:
            vector_BD = self.node_features(vector_BD, batch.node_BL)
        leaf_B = self.leaves.leaf(batch.node_BL)
        of_leaf_BTD = functional.embedding(leaf_B, self.weight_LTD.flatten(1)).view(-1, *self.weight_TD.shape)
        own_BT = full_precision(((self.weight_TD + of_leaf_BTD) * vector_BD.unsqueeze(1)).sum(-1))
        with torch.no_grad():
            shift_LT = self._shift(own_BT, full_precision(logit_BT), leaf_B, batch.weight_B)
        return own_BT - shift_LT.index_select(0, leaf_B)

    def _shift(self, own_BT: Tensor, logit_BT: Tensor, leaf_B: Tensor, weight_B: Tensor) -> Tensor:
        """c_LT, by Newton's method: the weighted sum of sigmoid(logit + own - c) is that of sigmoid(logit)."""
        zeros_LT = own_BT.new_zeros(self.leaves.count, own_BT.shape[1])
        weight_B1 = weight_B.unsqueeze(1)
        total_BT, probability_BT = logit_BT + own_BT, logit_BT.sigmoid()
        shift_LT = zeros_LT
        for _ in range(NEWTON_STEPS):
            with_BT = (total_BT - shift_LT.index_select(0, leaf_B)).sigmoid()
            excess_LT = zeros_LT.index_add(0, leaf_B, weight_B1 * (with_BT - probability_BT))
            slope_LT = zeros_LT.index_add(0, leaf_B, weight_B1 * with_BT * (1 - with_BT))
            excess_LT, slope_LT = self.sum_of_processes(torch.stack([excess_LT, slope_LT])).unbind(0)
            step_LT = excess_LT / slope_LT.clamp(min=torch.finfo(slope_LT.dtype).tiny)
            shift_LT = shift_LT + step_LT.clamp(-LONGEST_STEP, LONGEST_STEP)
        return shift_LT


def _own(value: Tensor) -> Tensor:
    return value


def served_inputs(plan: Plan, batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns ids_BS and value_BV without those known in training only, which stand last, if they are there at all."""
    if not plan.training_features:
        return batch.ids_BS, batch.value_BV
    return batch.ids_BS[:, : plan.slots], batch.value_BV[:, : plan.values]
