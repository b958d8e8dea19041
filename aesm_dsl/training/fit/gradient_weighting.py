"""The methods of `combine` (torchjd): how the gradients of several tasks become one.

All but one look at the inner products of the tasks' gradients only, and answer with one weight per task; GradDrop
decides element by element. Axes: T tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.diagnostic import Findings

GradientWeighting = Callable[[Tensor], Tensor]
"""gram_TT, the inner products of the tasks' gradients -> weight_T."""


def gradient_weighting(name: str, findings: Findings, locate: Locate) -> GradientWeighting | None:
    """Returns how a method weighs gradients; None for "sum", and after adding E607 because torchjd is not installed.

    The weights of methods that are defined for the mean of the tasks, or up to a factor, are made those of their sum:
    the auxiliary losses, and what a task has alone, are weighed against that.

    Args:
        name: "sum", or
            "pcgrad": Yu et al., Gradient surgery for multi-task learning, NeurIPS 2020, Algorithm 1;
            "gradvac": Wang et al., Gradient vaccine, ICLR 2021;
            "upgrad": Quinton and Rey, Jacobian descent for multi-objective optimization, 2024;
            "dualproj": Lopez-Paz and Ranzato, Gradient episodic memory for continual learning, NeurIPS 2017, eq. 11;
            "config": Liu et al., ConFIG: towards conflict-free training of physics informed neural networks, 2024,
                eq. 2;
            "aligned_mtl": Senushkin et al., Independent component alignment, CVPR 2023, Algorithm 1;
            "mgda": Désidéri 2012, as in Sener and Koltun, NeurIPS 2018, Algorithm 2;
            "imtl_g": Liu et al., Towards impartial multi-task learning, ICLR 2021;
            "fairgrad": Ban and Ji, Fair resource allocation in multi-task learning, ICML 2024, eq. 4 with alpha 1;
            "graddrop": Chen et al., Just pick a sign, NeurIPS 2020, Algorithm 1;
            "random": Lin et al., Reasonable effectiveness of random weighting, TMLR 2022, Algorithm 2.
    """
    if name == "sum":
        return None
    try:
        from torchjd import aggregation
    except ImportError:
        findings.add(
            "E607",
            f"`combine = {name}` needs torchjd, which is not installed",
            locate("train.combine"),
            help=['`pip install "aesm-dsl[gradients]"`', "or write `combine = sum`"],
        )
        return None
    if name == "graddrop":
        return SignDrop(aggregation.GradDrop())
    if name == "gradvac":
        return Vaccine(aggregation.GradVacWeighting())
    # torchjd's own projector needs two more libraries.
    projector = cast(Any, project_weights)
    of_tasks: dict[str, Callable[[], GradientWeighting]] = {
        "pcgrad": aggregation.PCGradWeighting,
        "upgrad": lambda: _of_mean(aggregation.UPGradWeighting(projector=projector)),
        "dualproj": lambda: _of_mean(aggregation.DualProjWeighting(projector=projector)),
        "config": lambda: _of_rows(aggregation.ConFIG()),
        "aligned_mtl": lambda: _of_mean(aggregation.AlignedMTLWeighting()),
        "mgda": lambda: _of_mean(aggregation.MGDAWeighting()),
        "imtl_g": lambda: _of_mean(aggregation.IMTLGWeighting()),
        "fairgrad": lambda: _of_scaled(aggregation.FairGradWeighting(alpha=1.0)),
        "random": lambda: _of_mean(aggregation.RandomWeighting()),
    }
    return _of_present(of_tasks[name]())


def _of_present(method: GradientWeighting) -> GradientWeighting:
    """Leaves out tasks without a gradient, as those without a label in the batch: they would stop all others."""

    def weigh(gram_TT: Tensor) -> Tensor:
        present_T = gram_TT.diagonal() > 0
        if present_T.all():
            return method(gram_TT)
        weight_T = torch.ones_like(gram_TT.diagonal())
        if present_T.any():
            weight_T[present_T] = method(gram_TT[present_T][:, present_T])
        return weight_T

    return weigh


def _of_mean(method: GradientWeighting) -> GradientWeighting:
    return lambda gram_TT: len(gram_TT) * method(gram_TT)


def _of_scaled(method: GradientWeighting) -> GradientWeighting:
    """The weights of a method that asks for their ratios only: they sum to the number of tasks."""

    def weigh(gram_TT: Tensor) -> Tensor:
        # Its solver stops where it is if all numbers are far from 1.
        weight_T = method(gram_TT / gram_TT.diagonal().mean())
        return len(gram_TT) / weight_T.sum() * weight_T

    return weigh


def _of_rows(method: Callable[[Tensor], Tensor]) -> GradientWeighting:
    """The weights of a method that sees gradients: it is shown T shorter ones with the same inner products."""

    def weigh(gram_TT: Tensor) -> Tensor:
        root_TT = _root(gram_TT)
        # The method's answer is a sum of its rows: of which multiples?
        combined_T = method(root_TT).double()
        weight_T: Tensor = torch.linalg.pinv(root_TT.double()) @ combined_T
        return weight_T.to(gram_TT)

    return weigh


def _root(gram_TT: Tensor) -> Tensor:
    """The symmetric matrix whose square it is."""
    value_T, vector_TT = torch.linalg.eigh(gram_TT)
    root_TT: Tensor = vector_TT * value_T.clamp(min=0).sqrt() @ vector_TT.T
    return root_TT


def project_weights(weight: Tensor, gram_TT: Tensor) -> Tensor:
    """Returns the weights of projections onto the dual cone of the tasks' gradients: what conflicts with none of them.

    They are the v >= u with the least v' G v (Quinton and Rey 2024, Proposition 1). With v = u + x and G = R' R that is
    the x >= 0 with the least |R x + R u|: non-negative least squares.

    Args:
        weight: (..., T): the weights u of what is projected.
        gram_TT: G.
    """
    from scipy.optimize import nnls

    root_TT: NDArray[np.float64] = _root(gram_TT.double() / gram_TT.diagonal().mean()).cpu().numpy()
    rows = weight.double().cpu().numpy().reshape(-1, len(gram_TT))
    found = np.stack([u + nnls(root_TT, -root_TT @ u)[0] for u in rows])
    return torch.from_numpy(found).to(gram_TT).reshape(weight.shape)


class Vaccine(nn.Module):
    """GradVac, which keeps how alike the directions of every two tasks' gradients are.

    Args:
        method: torchjd's; its only state is phi_TT, which it has from its first call on.
    """

    def __init__(self, method: Any) -> None:
        super().__init__()
        self.method = method

    def forward(self, gram_TT: Tensor) -> Tensor:
        before = {name: phi_TT.clone() for name, phi_TT in self.method.state_dict().items()}
        weight_T: Tensor = self.method(gram_TT)
        absent_T = (gram_TT.diagonal() == 0).cpu()
        # What a batch without labels of a task says about its direction is nothing.
        for name, phi_TT in self.method.state_dict().items():
            known_TT = before.get(name, torch.zeros_like(phi_TT))
            phi_TT.copy_(torch.where(absent_T[:, None] | absent_T, known_TT, phi_TT))
        return torch.where(gram_TT.diagonal() > 0, weight_T, 1.0)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restores what `state_dict` returned."""
        for phi_TT in state.values():
            self.method(torch.zeros_like(phi_TT))  # it has no place for a state before its first call
        self.load_state_dict(state)


class SignDrop(nn.Module):
    """GradDrop: of every element, the gradients of one sign, drawn by how much of both there is."""

    def __init__(self, method: Any) -> None:
        super().__init__()
        self.method = method

    def forward(self, gram_TT: Tensor) -> Tensor:
        raise NotImplementedError("it has no weights of tasks")

    def combine(self, stack: Tensor, seed: int) -> Tensor:
        """Returns the gradient of one parameter.

        Args:
            stack: (T, ...): the tasks' gradients.
            seed: of what is drawn.
        """
        with torch.random.fork_rng(devices=[stack.device] if stack.device.type == "cuda" else []):
            torch.manual_seed(seed)
            combined: Tensor = self.method(stack.flatten(1))
        return combined.view(stack.shape[1:])
