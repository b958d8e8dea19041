"""`HiNet`: hierarchical information extraction (Zhou et al., ICDE 2023), scenarios first, then tasks.

Axes: B rows sorted by leaf, D input width, L leaves, T tasks, N expert networks, C sub-experts of each, S experts of a
task, K shared experts, F expert output width, E experts of a gate, X width of what the scenarios extract.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import START_STD
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.stacked_linears import Linears, Towers, bottom_mlps
from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.plan import Plan


class HiNet(nn.Module):
    """Scenario extraction, then task extraction by customised gate control; a tower for each (leaf, task).

    c = scenario extraction(x)
    h_t = softmax(gate_{leaf, t}(c)) over [the S experts of t; the K experts that all tasks share], all applied to c
    logit_t = tower_{leaf, t}(h_t)
    """

    def __init__(self, plan: Plan, baseline: BaselinePlan) -> None:
        super().__init__()
        self.tasks, self.count = len(plan.tasks.tasks), baseline.specific
        self.scenario = ScenarioExtraction(plan.width, baseline)
        extracted = baseline.extracted_parts * baseline.output
        self.specific = bottom_mlps(extracted, baseline, copies=self.tasks * baseline.specific)
        self.shared = bottom_mlps(extracted, baseline, copies=baseline.shared)
        self.gates = Linears(baseline.leaves, self.tasks, extracted, baseline.specific + baseline.shared)
        self.towers = Towers(plan, baseline.leaves, baseline.output)

    def forward(self, x_BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns logit_TB of rows sorted by leaf."""
        c_1BX = self.scenario(x_BD.unsqueeze(0), rows)
        weight_TBE = full_precision(self.gates(c_1BX, rows)).softmax(dim=-1)
        specific_TSBF = self.specific(c_1BX, rows).unflatten(0, (self.tasks, self.count))
        h_TBF = torch.einsum("tbs,tsbf->tbf", weight_TBE[..., : self.count], specific_TSBF)
        h_TBF = h_TBF + torch.einsum("tbk,kbf->tbf", weight_TBE[..., self.count :], self.shared(c_1BX, rows))
        logit_TB: Tensor = self.towers(h_TBF, rows)
        return logit_TB


class ScenarioExtraction(nn.Module):
    """c = [g; s_leaf; a]: what all scenarios share, what the row's leaf has of its own, what it takes from the others.

        g = shared(x);  s_m = specific_m(x) for every leaf m, not only the row's
        a = sum over m != leaf of softmax over m != leaf of (Linear(leaf embedding))_m * s_m

    With one leaf there are no others, and c = [g; s].
    """

    def __init__(self, before: int, baseline: BaselinePlan) -> None:
        super().__init__()
        leaves = baseline.leaves
        self.shared = SubExperts(before, baseline, networks=1, count=baseline.shared)
        self.specific = SubExperts(before, baseline, networks=leaves, count=baseline.specific)
        if leaves > 1:
            self.leaf = nn.Embedding(leaves, baseline.embed)
            nn.init.normal_(self.leaf.weight, std=START_STD)
            self.attention = Linears(1, 1, baseline.embed, leaves)

    def forward(self, x_1BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns c_1BX."""
        shared_1BF, specific_LBF = self.shared(x_1BD, rows), self.specific(x_1BD, rows)
        if len(specific_LBF) == 1:
            return torch.cat([shared_1BF, specific_LBF], dim=-1)
        leaf_B = rows.leaf_B
        own_BF = rows.own(specific_LBF)
        logit_BL = full_precision(self.attention(self.leaf(leaf_B).unsqueeze(0), rows)).squeeze(0)
        own_BL = leaf_B.unsqueeze(1) == torch.arange(logit_BL.shape[1], device=leaf_B.device)
        weight_BL = logit_BL.masked_fill(own_BL, -torch.inf).softmax(dim=-1)
        others_BF = torch.einsum("bl,lbf->bf", weight_BL, specific_LBF)
        return torch.cat([shared_1BF, own_BF.unsqueeze(0), others_BF.unsqueeze(0)], dim=-1)


class SubExperts(nn.Module):
    """y_NBF: networks of C sub-experts each, mixed by a softmax gate on the input. A single one needs no gate."""

    def __init__(self, before: int, baseline: BaselinePlan, *, networks: int, count: int) -> None:
        super().__init__()
        self.networks, self.count = networks, count
        self.experts = bottom_mlps(before, baseline, copies=networks * count)
        if count > 1:
            self.gates = Linears(1, networks, before, count)

    def forward(self, x_1BD: Tensor, rows: SortedRows) -> Tensor:
        """Returns y_NBF."""
        y_NCBF: Tensor = self.experts(x_1BD, rows).unflatten(0, (self.networks, self.count))
        if self.count == 1:
            return y_NCBF.squeeze(1)
        weight_NBC = full_precision(self.gates(x_1BD, rows)).softmax(dim=-1)
        return torch.einsum("nbc,ncbf->nbf", weight_NBC, y_NCBF)
