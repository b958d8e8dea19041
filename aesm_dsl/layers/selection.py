"""Gate logits -> the experts each row runs, and with what weight (method.md eq. 3-8).

Axes: B rows, N nodes, E experts, K chosen experts. B stands for the leading shape, which is (B,) on scenario
levels and (B, T) on the task level, where each row has a gate per task; every function here takes both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from aesm_dsl.plan.plan import UNKNOWN

MOST_SEARCHED = 4
"""Up to so many experts are found by searching for the largest score again and again, more by a sort."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What every row chose in one layer.

    Leading shape `...` is (B,) on scenario levels and (B, T) on the task level: a gate per row and task.
    """

    node: Tensor
    """int64 (...): the row's node, or the task; UNKNOWN where the level does not know it."""
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
    """Sums over the rows of a layer, of which its auxiliary losses are made."""

    specific: Tensor
    """Sum of d_sp over rows and S_sp, in nats; a scalar."""
    shared: Tensor
    """Sum of d_sh over rows and S_sh, in nats; a scalar."""
    wanted_E: Tensor
    """Sum over selections of the probability of each expert: softmax over experts of what the set was chosen by."""
    counts: Tensor
    """(2 + E,), without gradient: how many d_sp and d_sh were added, and how many selections are of each expert."""

    def losses(self, counts: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """L_sp and L_sh, each divergence's mean over rows and their selected sets (eq. 8), and L_balance; scalars, 0
        without rows.

            L_balance = E * sum over e of f_e P_e;  about 1 where all experts are used alike
            f_e  share of all selections that are of the expert; has no gradient
            P_e  its mean probability, `wanted_E` over all selections
        As Switch Transformers (2021) have it, with the scores that select here: an expert that nobody selects has a
        gradient too, and what is lowered is what overused experts are chosen for. All nodes' rows, or all tasks, count
        together: each may keep experts of its own as long as all are in use.

        counts  those of all processes together: the losses are then this one's parts of the losses of all their rows,
                and sum to them
        """
        counts = self.counts if counts is None else counts
        picked_E, total = counts[2:], counts[2:].sum().clamp(min=1)
        balance = len(picked_E) * (picked_E / total * (self.wanted_E / total)).sum()
        return self.specific / counts[0].clamp(min=1), self.shared / counts[1].clamp(min=1), balance


@dataclass(frozen=True, slots=True)
class ExpertChoice:
    """Both sets of experts, before any weight is given, with the divergences they were chosen by."""

    specific: Tensor
    """bool (..., E): S_sp."""
    shared: Tensor
    """bool (..., E): S_sh."""
    specific_divergence: Tensor
    """(..., E): d_sp, in nats."""
    shared_divergence: Tensor
    """(..., E): d_sh, in nats."""
    specific_score: Tensor
    """(..., E): what S_sp is chosen by, the largest first: -d_sp, or G where there is nothing to compare."""
    shared_score: Tensor
    """(..., E): what S_sh is chosen by, likewise."""

    @property
    def chosen(self) -> Tensor:
        """bool (..., E): S, the union; an expert in both sets counts once."""
        return self.specific | self.shared

    def tally(self) -> LossSums:
        """What the auxiliary losses are made of."""
        picked_E, wanted_E = _claims(self.specific, self.specific_score)
        more_E, also_E = _claims(self.shared, self.shared_score)
        counts = torch.stack([self.specific.sum(), self.shared.sum()]).to(wanted_E.dtype)
        return LossSums(
            torch.where(self.specific, self.specific_divergence, 0.0).sum(),
            torch.where(self.shared, self.shared_divergence, 0.0).sum(),
            wanted_E + also_E,
            torch.cat([counts, picked_E + more_E]),
        )

    def only(self, kept: Tensor) -> ExpertChoice:
        """The same choice without the experts that are not kept."""
        return replace(self, specific=self.specific & kept, shared=self.shared & kept)


def select_experts(
    gates_BNE: Tensor,
    node_B: Tensor,
    specific: int,
    shared: int,
    among_BN: Tensor | None = None,
    unknown: bool = False,
) -> ExpertChoice:
    """Experts each row runs: its node's `specific` most specific and the `shared` most shared ones (eq. 4-6).

    gates_BNE  gate logits, noise included if there is any
    node_B     each row's node, int64 in [0, N)
    among_BN   bool; the nodes that each row's node is compared with, itself included; None: all of them
    unknown    whether rows may have the node UNKNOWN: nothing is specific to it, and its S_sp is empty
    returns    both sets as masks, and both divergences; ties go to the lower expert index

    With one node there is nothing to compare and both divergences are 0: the experts with the largest gates
    are taken, the first `specific` of them as specific, the next `shared` as shared.
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
        if among_BN is None:
            specific_score_BE = shared_score_BE = own_BE
    if not only_one:
        closest_BE = _mask(largest_scores(specific_score_BE, specific), specific_BE)
        evenest_BE = _mask(largest_scores(shared_score_BE, shared), specific_BE)
        if among_BN is not None:
            alone_B1 = among_BN.sum(dim=-1, keepdim=True) == 1
            # Not where: exported graphs have none of bools.
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
    """Indices of the `count` largest scores, the largest first; of equal ones the lower index first.

    A sort where many are asked for; for a few, one search after the other is faster. topk does not say which of equal
    scores it takes.
    """
    if count > MOST_SEARCHED:
        return score_BE.argsort(dim=-1, descending=True, stable=True)[..., :count]
    found_BE, left_BE = score_BE.new_zeros((*score_BE.shape[:-1], 0), dtype=torch.int64), score_BE.detach()
    for _ in range(min(count, score_BE.shape[-1])):
        best_B1 = left_BE.argmax(dim=-1, keepdim=True)
        found_BE = torch.cat([found_BE, best_B1], dim=-1)
        left_BE = left_BE.scatter(-1, best_B1, -math.inf)
    return found_BE


def compare_nodes(gates_BNE: Tensor, among_BN: Tensor | None = None) -> Tensor:
    """logP_BNE: per expert, the log-softmax of its gate logits over the compared nodes (eq. 3), -inf on others."""
    if among_BN is not None:
        gates_BNE = gates_BNE.masked_fill(~among_BN.unsqueeze(-1), -math.inf)
    return torch.log_softmax(gates_BNE, dim=-2)


def divergences(logP_BNE: Tensor, node_B: Tensor, among_BN: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """d_sp_BE and d_sh_BE: how far each expert is from the row's node alone, and all alike (eq. 4, 5).

    Both are closed forms on log-softmax. Through probabilities they are infinite as soon as one underflows.
    """
    specific_BE = -gather_node(logP_BNE, node_B)
    if among_BN is None:
        return specific_BE, -math.log(logP_BNE.shape[-2]) - logP_BNE.mean(dim=-2)
    nodes_B1 = among_BN.sum(dim=-1, keepdim=True)
    total_BE = logP_BNE.masked_fill(~among_BN.unsqueeze(-1), 0.0).sum(dim=-2)
    return specific_BE, -nodes_B1.to(total_BE.dtype).log() - total_BE / nodes_B1


def mixture_weights(
    gates_BNE: Tensor,
    node_B: Tensor,
    chosen_BE: Tensor,
    temperature: float = 1.0,
    among_BN: Tensor | None = None,
    unknown: bool = False,
) -> Tensor:
    """a_BE: softmax of the row's own gates over the chosen experts, exactly 0 on the others (eq. 7).

    Masked with -inf, not by a large product: a product turns an unselected negative logit into the winner.
    """
    own_BE = gates_of_own_node(gates_BNE, node_B, among_BN, unknown)
    if temperature != 1.0:
        own_BE = own_BE / temperature
    return own_BE.masked_fill(~chosen_BE, -math.inf).softmax(dim=-1)


def gates_of_own_node(
    gates_BNE: Tensor, node_B: Tensor, among_BN: Tensor | None = None, unknown: bool = False
) -> Tensor:
    """G_BE of each row's node; with `unknown`, for a row without one the mean over the nodes it is compared with."""
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
    """bool (B, 1, E): the experts that a row may run for all its tasks together, at most `budget` of them.

    chosen_BTE  what each task selected, with the mixture weights `weight_BTE` it would give
    Every task keeps the expert of its largest weight; what is left of the budget goes to the experts with the
    largest claim, the sum of their weights over the tasks. Ties go to the lower expert index.
    Where the tasks select no more than the budget allows, all they selected is kept.
    """
    best_BE = _mask(weight_BTE.argmax(dim=-1, keepdim=True), weight_BTE).any(dim=-2)
    order_BE = weight_BTE.sum(dim=-2).argsort(dim=-1, descending=True, stable=True)
    rank_BE = best_BE.int() + chosen_BTE.any(dim=-2).int()
    again_BE = rank_BE.gather(-1, order_BE).argsort(dim=-1, descending=True, stable=True)
    kept_BK = order_BE.gather(-1, again_BE)[..., :budget]
    return _mask(kept_BK, rank_BE).unsqueeze(-2)


def gather_node(values_BNE: Tensor, node_B: Tensor) -> Tensor:
    """values_BE of each row's own node."""
    # gather, as take_along_dim nails the number of rows into an exported graph.
    index_B1E = node_B[..., None, None].expand(*node_B.shape, 1, values_BNE.shape[-1])
    return values_BNE.gather(-2, index_B1E).squeeze(-2)


def _mask(chosen_BK: Tensor, like_BE: Tensor) -> Tensor:
    return torch.zeros_like(like_BE, dtype=torch.bool).scatter(-1, chosen_BK, True)


def _claims(set_BE: Tensor, score_BE: Tensor) -> tuple[Tensor, Tensor]:
    """Per expert how often it was selected, and how often as softmax of the score would have it."""
    set_RE = set_BE.flatten(0, -2).to(score_BE.dtype)
    wanted_RE = set_RE.sum(dim=-1, keepdim=True) * score_BE.flatten(0, -2).softmax(dim=-1)
    return set_RE.sum(dim=0), wanted_RE.sum(dim=0)
