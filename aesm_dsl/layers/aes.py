"""`AESLayer`: one layer of automatic expert selection (method.md eq. 1-8; AESM², SIGIR 2022).

Axes: B rows, T tasks, D input width, C context width, N nodes, E experts, F output width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aesm_dsl.layers.experts import Experts
from aesm_dsl.layers.precision import without_autocast
from aesm_dsl.layers.selection import LossSums, Selection, mixture_weights, select_experts, within_budget
from aesm_dsl.plan.plan import LayerPlan


@dataclass(frozen=True, slots=True)
class Noise:
    """Exploration of one training step (eq. 2)."""

    sigma: float
    """Standard deviation added to every gate logit, whatever the number of experts."""
    mixture: bool = False
    """Whether the noise enters the mixture too, not the selection alone."""
    generator: torch.Generator | None = None
    """Where it is drawn from; on the device of the network. None is torch's default generator."""


class AESLayer(nn.Module):
    """y, the row's mixture of the experts it selected, the selection, and what auxiliary losses are of (eq. 1-8).

    `context` and `node` have one entry per gate; `x` has one per gate, or one per row that its T gates share:

        x_BD,  context_BC,  node_B   -> y_BF    a scenario level
        x_BD,  context_BTC, node_BT  -> y_BTF   the first task layer: one input, experts run once a row
        x_BTD, context_BTC, node_BT  -> y_BTF   later task layers: an input per task

    `node` may be UNKNOWN where the plan says so: such a row runs its shared experts alone, mixed by its mean gates.
    `among` (bool, the shape of `node` with an axis N more) says which nodes each gate is compared with, the row's
    own included; without it with all N.
    returns  y; Selection with the leading shape of `node`; the Tally of L_sp and L_sh of eq. 8 and of L_balance
    `noise` is ignored outside training.
    """

    def __init__(self, plan: LayerPlan) -> None:
        super().__init__()
        if not (0 <= plan.specific <= plan.experts and 0 <= plan.shared <= plan.experts):
            raise ValueError(f"{plan.specific} specific + {plan.shared} shared of {plan.experts} experts")
        if plan.specific + plan.shared == 0:
            raise ValueError("a row must select at least one expert, specific or shared")
        if plan.mixture_norm not in ("layer", "none"):
            raise ValueError(f"mixture norm {plan.mixture_norm!r}, expected 'layer' or 'none'")
        if plan.unknown and plan.shared == 0:
            raise ValueError("rows of unknown nodes run shared experts alone, and there are none")
        if plan.residual and plan.input != plan.output:
            raise ValueError(f"a residual adds equal widths, not {plan.input} and {plan.output}")
        if plan.budget is not None and plan.budget < min(plan.nodes, plan.experts):
            raise ValueError(f"a budget of {plan.budget} experts for {plan.nodes} tasks, each of which keeps its best")
        self.plan = plan
        # All gates start equal: which expert serves which node is decided by noise and data, not by the draw.
        self.gate = nn.Linear(plan.input + plan.context, plan.nodes * plan.experts)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        self.experts = Experts(plan)
        self.norm = nn.LayerNorm(plan.output) if plan.mixture_norm == "layer" else None

    def forward(
        self, x: Tensor, context: Tensor, node: Tensor, noise: Noise | None = None, among: Tensor | None = None
    ) -> tuple[Tensor, Selection, LossSums]:
        gates = self.logits(x, context)
        noisy = _explore(gates, noise) if noise is not None and self.training else gates
        plan = self.plan
        choice = select_experts(noisy, node, plan.specific, plan.shared, among, plan.unknown)
        mixed = noisy if noise is not None and noise.mixture else gates
        weight = mixture_weights(mixed, node, choice.chosen, plan.temperature, among, plan.unknown)
        if plan.budget is not None and node.dim() == 2:
            choice = choice.only(within_budget(choice.chosen, weight, plan.budget))
            weight = mixture_weights(mixed, node, choice.chosen, plan.temperature)

        shared_input = x.dim() < context.dim()
        per_row = context.shape[-2] if shared_input else 1
        x_RD = x.flatten(0, -2)
        weight_RGE = weight.reshape(x_RD.shape[0], per_row, plan.experts)
        y = self.experts(x_RD, weight_RGE).reshape(*node.shape, plan.output)
        if self.norm is not None:
            y = self.norm(y)
        if plan.residual:
            y = y + (x.unsqueeze(-2) if shared_input else x)
        return y, Selection(node, choice.specific, choice.shared, weight), choice.tally()

    def logits(self, x: Tensor, context: Tensor) -> Tensor:
        """G (..., N, E): the gate logits without noise, one linear map of [x; context] (eq. 1), of its weights' type.

        Also under autocast: rounded logits would select other experts.
        """
        # The two halves of the product apart: an input shared by T tasks is multiplied once, not T times.
        weight_x, weight_c = self.gate.weight[:, : self.plan.input], self.gate.weight[:, self.plan.input :]
        with without_autocast(x.device):
            from_x = functional.linear(x.to(weight_x.dtype), weight_x)
            from_context = functional.linear(context, weight_c, self.gate.bias)
        if x.dim() < context.dim():
            from_x = from_x.unsqueeze(-2)
        gates = from_x + from_context
        return gates.reshape(*gates.shape[:-1], self.plan.nodes, self.plan.experts)

    def extra_repr(self) -> str:
        plan = self.plan
        return (
            f"{plan.input} (+ context {plan.context}) -> {plan.output}, {plan.nodes} nodes, "
            f"{plan.experts} experts, {plan.specific} specific + {plan.shared} shared"
        )


def _explore(gates: Tensor, noise: Noise) -> Tensor:
    """G~: gate logits with i.i.d. normal noise per row, node and expert (eq. 2)."""
    epsilon = torch.randn(gates.shape, generator=noise.generator, dtype=gates.dtype, device=gates.device)
    return gates + noise.sigma * epsilon
