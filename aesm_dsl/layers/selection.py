"""Gate logits -> the experts that each row runs, and their weights (method.md eq. 3-8).

Axes: B rows, N nodes, E experts, K chosen experts. B stands for the leading shape, which is (B,) on scenario levels and
(B, T) on the task level, where each row has a gate for every task; every function here accepts both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from aesm_dsl.layers.divergences import compare_nodes, divergences, gather_node
from aesm_dsl.plan.plan import UNKNOWN

MOST_SEARCHED = 4
"""Up to this many experts are found by searching for the largest score repeatedly, more by a sort."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What every row selected in one layer.

    The leading shape `...` is (B,) on scenario levels and (B, T) on the task level: a gate for each row and task.
    """

    node: Tensor
    """int64 (...): the row's node, or the task; UNKNOWN if the level does not know the node."""
    specific: Tensor
    """bool (..., E): S_sp."""
    shared: Tensor
    """bool (..., E): S_sh."""
    weight: Tensor
    """(..., E): mixture weights a, exactly 0 outside the union of both sets."""

    @property
    def chosen(self) -> Tensor:
        """bool (..., E): S, the union; an expert in both sets counts once."""
        return self.specific | self.shared


@dataclass(frozen=True, slots=True)
class LossSums:
    """Sums over the rows of a layer, from which its auxiliary losses are computed."""

    specific: Tensor
    """Sum of d_sp over the rows and S_sp, in nats; a scalar."""
    shared: Tensor
    """Sum of d_sh over the rows and S_sh, in nats; a scalar."""
    wanted_E: Tensor
    """Sum over all selections of each expert's probability: the softmax over experts of the score that selects."""
    counts: Tensor
    """(2 + E,), without gradient: how many d_sp and d_sh were summed, and how many selections each expert has."""

    def losses(self, counts: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Returns L_sp, L_sh and L_balance; scalars, 0 without rows.

        L_sp and L_sh are the means of the divergences over the rows and their selected sets (eq. 8), and

            L_balance = E * sum over e of f_e P_e;  about 1 if all experts are used equally
            f_e  the expert's share of all selections; has no gradient
            P_e  the expert's mean probability, `wanted_E` over all selections

        This is the balance loss of Switch Transformers (Fedus, Zoph, Shazeer, 2021) with the scores that select here:
        an expert that nobody selects has a gradient too, and lowering the loss lowers the scores of overused experts.
        The rows of all nodes, or of all tasks, count together: each may keep experts of its own as long as all experts
        are in use.

        Args:
            counts: the counts of all processes together: the losses are then this process's parts of the losses over
                the rows of all processes, and sum up to them.
        """
        counts = self.counts if counts is None else counts
        picked_E, total = counts[2:], counts[2:].sum().clamp(min=1)
        balance = len(picked_E) * (picked_E / total * (self.wanted_E / total)).sum()
        return self.specific / counts[0].clamp(min=1), self.shared / counts[1].clamp(min=1), balance


@dataclass(frozen=True, slots=True)
class ExpertChoice:
    """Both sets of experts, before they have weights, with the divergences that they were chosen by."""

    specific: Tensor
    """bool (..., E): S_sp."""
    shared: Tensor
    """bool (..., E): S_sh."""
    specific_divergence: Tensor
    """(..., E): d_sp, in nats."""
    shared_divergence: Tensor
    """(..., E): d_sh, in nats."""
    specific_score: Tensor
    """(..., E): the score that S_sp is chosen by, the largest first: -d_sp, or G if there is nothing to compare."""
    shared_score: Tensor
    """(..., E): the score that S_sh is chosen by: -d_sh, or G."""

    @property
    def chosen(self) -> Tensor:
        """bool (..., E): S, the union; an expert in both sets counts once."""
        return self.specific | self.shared

    def loss_sums(self) -> LossSums:
        """Returns what the auxiliary losses are computed from."""
        specific_E, wanted_specific_E = _usage(self.specific, self.specific_score)
        shared_E, wanted_shared_E = _usage(self.shared, self.shared_score)
        counts = torch.stack([self.specific.sum(), self.shared.sum()]).to(wanted_specific_E.dtype)
        return LossSums(
            torch.where(self.specific, self.specific_divergence, 0.0).sum(),
            torch.where(self.shared, self.shared_divergence, 0.0).sum(),
            wanted_specific_E + wanted_shared_E,
            torch.cat([counts, specific_E + shared_E]),
        )

    def only(self, kept: Tensor) -> ExpertChoice:
        """Returns the same choice without the experts that are not in `kept` (bool, (..., E))."""
        return replace(self, specific=self.specific & kept, shared=self.shared & kept)


def select_experts(
    gates_BNE: Tensor,
    node_B: Tensor,
    specific: int,
    shared: int,
    among_BN: Tensor | None = None,
    *,
    unknown: bool = False,
) -> ExpertChoice:
    """Returns the experts that each row runs: the most specific ones to its node, and the most shared ones (eq. 4-6).

    With one node there is nothing to compare, and both divergences are 0: then the experts with the largest gates are
    taken, the first `specific` of them as specific, the next `shared` as shared. A row of an unknown node, which has
    no specific experts, then takes the largest as shared.

    Args:
        gates_BNE: gate logits, including the noise if there is any.
        node_B: each row's node, int64 in [0, N).
        specific: how many specific experts each row runs, K_sp.
        shared: how many shared experts each row runs, K_sh.
        among_BN: bool; the nodes that each row's node is compared with, itself included; None for all nodes.
        unknown: whether rows may have the node UNKNOWN. Nothing is specific to it: its S_sp is empty.

    Returns:
        Both sets as masks, and both divergences. Ties go to the lower expert index.
    """
    logP_BNE = compare_nodes(gates_BNE, among_BN)
    specific_BE, shared_BE = divergences(logP_BNE, node_B.clamp(min=0) if unknown else node_B, among_BN)
    specific_score_BE, shared_score_BE = -specific_BE, -shared_BE
    only_one = gates_BNE.shape[-2] == 1
    if only_one or among_BN is not None:
        own_BE = gates_of_own_node(gates_BNE, node_B, among_BN, unknown)
        order_BE = largest_scores(own_BE, specific + shared)
        first_BE = _mask(order_BE[..., :specific], specific_BE)
        next_BE = _mask(order_BE[..., specific:], specific_BE)
        if unknown:
            largest_BE, is_unknown_B1 = _mask(order_BE[..., :shared], specific_BE), (node_B == UNKNOWN).unsqueeze(-1)
            next_BE = (is_unknown_B1 & largest_BE) | (~is_unknown_B1 & next_BE)
        if among_BN is None:
            specific_score_BE = shared_score_BE = own_BE
    if not only_one:
        closest_BE = _mask(largest_scores(specific_score_BE, specific), specific_BE)
        evenest_BE = _mask(largest_scores(shared_score_BE, shared), specific_BE)
        if among_BN is not None:
            # Rows whose node has no siblings select by their gates, as with one node.
            alone_B1 = among_BN.sum(dim=-1, keepdim=True) == 1
            # Not torch.where: exported ONNX graphs have no Where of bools.
            first_BE = (alone_B1 & first_BE) | (~alone_B1 & closest_BE)
            next_BE = (alone_B1 & next_BE) | (~alone_B1 & evenest_BE)
            specific_score_BE = torch.where(alone_B1, own_BE, specific_score_BE)
            shared_score_BE = torch.where(alone_B1, own_BE, shared_score_BE)
        else:
            first_BE, next_BE = closest_BE, evenest_BE
    if unknown:
        first_BE = first_BE & (node_B != UNKNOWN).unsqueeze(-1)
    return ExpertChoice(first_BE, next_BE, specific_BE, shared_BE, specific_score_BE, shared_score_BE)


def largest_scores(score_BE: Tensor, count: int) -> Tensor:
    """Returns the indices of the `count` largest scores, the largest first; of equal scores the lower index first."""
    # For few, repeated searching is faster than a sort. Not topk: it does not say which of equal scores it takes.
    if count > MOST_SEARCHED:
        return score_BE.argsort(dim=-1, descending=True, stable=True)[..., :count]
    found_BE, left_BE = score_BE.new_zeros((*score_BE.shape[:-1], 0), dtype=torch.int64), score_BE.detach()
    for _ in range(min(count, score_BE.shape[-1])):
        best_B1 = left_BE.argmax(dim=-1, keepdim=True)
        found_BE = torch.cat([found_BE, best_B1], dim=-1)
        left_BE = left_BE.scatter(-1, best_B1, -math.inf)
    return found_BE


def mixture_weights(
    gates_BNE: Tensor,
    node_B: Tensor,
    chosen_BE: Tensor,
    temperature: float = 1.0,
    *,
    among_BN: Tensor | None = None,
    unknown: bool = False,
) -> Tensor:
    """Returns a_BE: the softmax of the row's own gates over the chosen experts, exactly 0 on the others (eq. 7).

    The arguments are those of `select_experts`; a higher `temperature` makes the weights more equal.
    """
    own_BE = gates_of_own_node(gates_BNE, node_B, among_BN, unknown)
    if temperature != 1.0:
        own_BE = own_BE / temperature
    # Masked with -inf, not multiplied by a large number: a product would make an unselected negative logit win.
    return own_BE.masked_fill(~chosen_BE, -math.inf).softmax(dim=-1)


def gates_of_own_node(
    gates_BNE: Tensor, node_B: Tensor, among_BN: Tensor | None = None, unknown: bool = False
) -> Tensor:
    """Returns G_BE of each row's node. With `unknown`, a row without a node gets the mean over the compared nodes."""
    if not unknown:
        return gather_node(gates_BNE, node_B)
    if among_BN is None:
        mean_BE = gates_BNE.mean(dim=-2)
    else:
        total_BE = gates_BNE.masked_fill(~among_BN.unsqueeze(-1), 0.0).sum(dim=-2)
        mean_BE = total_BE / among_BN.sum(dim=-1, keepdim=True)
    known_BE = gather_node(gates_BNE, node_B.clamp(min=0))
    return torch.where((node_B == UNKNOWN).unsqueeze(-1), mean_BE, known_BE)


def within_budget(chosen_BTE: Tensor, weight_BTE: Tensor, budget: int) -> Tensor:
    """Returns the experts that a row may run for all its tasks together, at most `budget` of them.

    Every task keeps the expert of its largest weight. The rest of the budget goes to the experts whose weights, summed
    over the tasks, are largest; ties go to the lower expert index. If the tasks selected no more experts than the
    budget allows, all of these are kept.

    Args:
        chosen_BTE: the experts that each task selected.
        weight_BTE: the mixture weights that each task would give them.
        budget: most experts of a row.

    Returns:
        bool (B, 1, E).
    """
    best_BE = _mask(weight_BTE.argmax(dim=-1, keepdim=True), weight_BTE).any(dim=-2)
    order_BE = weight_BTE.sum(dim=-2).argsort(dim=-1, descending=True, stable=True)
    # 2 for a task's best expert, 1 for a selected one. The stable sort keeps the order by weight within each rank.
    rank_BE = best_BE.int() + chosen_BTE.any(dim=-2).int()
    by_rank_BE = rank_BE.gather(-1, order_BE).argsort(dim=-1, descending=True, stable=True)
    kept_BK = order_BE.gather(-1, by_rank_BE)[..., :budget]
    return _mask(kept_BK, rank_BE).unsqueeze(-2)


def _mask(chosen_BK: Tensor, like_BE: Tensor) -> Tensor:
    return torch.zeros_like(like_BE, dtype=torch.bool).scatter(-1, chosen_BK, True)


def _usage(set_BE: Tensor, score_BE: Tensor) -> tuple[Tensor, Tensor]:
    """For each expert, how often it was selected, and how often the softmax of the score would select it."""
    set_RE = set_BE.flatten(0, -2).to(score_BE.dtype)
    wanted_RE = set_RE.sum(dim=-1, keepdim=True) * score_BE.flatten(0, -2).softmax(dim=-1)
    return set_RE.sum(dim=0), wanted_RE.sum(dim=0)
