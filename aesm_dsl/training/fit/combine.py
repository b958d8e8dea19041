"""Gradients of several tasks -> one: by their sum, or by a method that settles conflicts between them (torchjd).

Axes: T tasks, P parameters. A method looks at the inner products of the tasks' gradients alone, and answers with a
weight per task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.sharded_embedding import OwnRows
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from aesm_dsl.training.fit.loss import Loss

GradientWeighting = Callable[[Tensor], Tensor]
"""gram_TT, the inner products of the tasks' gradients -> weight_T."""


def gradient_weighting(name: str, findings: Findings, locate: Locate) -> GradientWeighting | None:
    """How a method weighs gradients; None for "sum", and after telling that torchjd is not installed (E607)."""
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
    if name == "pcgrad":
        return aggregation.PCGradWeighting()
    aligned = aggregation.AlignedMTLWeighting()
    # Its weights are those of a mean; a sum is what the auxiliary losses are weighed against.
    return lambda gram_TT: len(gram_TT) * aligned(gram_TT)


def backward(
    found: Loss,
    parameters: Sequence[nn.Parameter],
    weighting: GradientWeighting | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
) -> None:
    """Puts the gradient of the total into the `grad`, which held none, of every parameter that it depends on.

    With a weighting the gradients of all tasks are held at once: T times the memory of one.

    Args:
        found: the losses of this process's rows.
        parameters: all that is trained.
        weighting: None adds the tasks' gradients g_t up. Otherwise the sum over t of weight_t g_t takes the place of
            their sum in what the tasks share: the elements that more than one task's gradient reaches. What one task
            alone reaches (its tower, or its slice of a stack of towers) has that task's gradient, and auxiliary losses
            are added as they are.
        processes: processes whose losses are parts of one: the gradient is that of their sum.
    """
    if weighting is None:
        found.total.backward()  # type: ignore[no-untyped-call]
        summed = processes.sum_gradients([one.grad for one in parameters], parameters)
        for parameter, gradient in zip(parameters, summed, strict=True):
            parameter.grad = gradient
        return
    values = [*found.weighted.values(), found.auxiliary]
    of_value = [processes.sum_gradients(gradients(one, parameters), parameters) for one in values]
    pairs = [(one, own) for one, *own in zip(parameters, *of_value, strict=True)]
    reached = [(one, own) for one, own in pairs if any(part is not None for part in own)]
    parts = [_part(one, own) for one, own in reached]
    tasks = [part.stack[:-1] for part in parts]
    shared = [(stack != 0).sum(dim=0) > 1 for stack in tasks]
    flat = [(stack * both).flatten(1) for stack, both in zip(tasks, shared, strict=True)]
    # A method may draw: the first process draws for all.
    weight_T = processes.broadcast(weighting(_gram(flat, [isinstance(one, OwnRows) for one, _ in reached], processes)))
    for (parameter, _), part, both in zip(reached, parts, shared, strict=True):
        stack, auxiliary = part.stack[:-1], part.stack[-1]
        settled = torch.where(both, torch.tensordot(weight_T, stack, dims=1), stack.sum(dim=0))
        parameter.grad = part.whole(settled + auxiliary)


def _gram(flat: Sequence[Tensor], alone: Sequence[bool], processes: ProcessGroup) -> Tensor:
    """gram_TT over all parameters; of those that are rows which each process has `alone`, over the rows of all."""
    gram_PTT = torch.stack([own @ own.T for own in flat])
    apart_P = torch.tensor(alone, device=gram_PTT.device)
    gram_TT = gram_PTT[~apart_P].sum(dim=0)
    return gram_TT + processes.sum(gram_PTT[apart_P].sum(dim=0)) if any(alone) else gram_TT


def gradients(value: Tensor, parameters: Sequence[nn.Parameter]) -> tuple[Tensor | None, ...]:
    """The gradient for every parameter, None where the value does not depend on it; the graph is kept."""
    if not value.requires_grad:
        return (None,) * len(parameters)
    return torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)


@dataclass(frozen=True, slots=True)
class _Part:
    """The gradients of several values for one parameter, side by side."""

    stack: Tensor
    """(values, ...): 0 where a value does not depend on the parameter."""
    rows_R: Tensor | None
    """Of a table with sparse gradients, the rows that the stack is about; None: all of the parameter."""
    shape: torch.Size

    def whole(self, gradient: Tensor) -> Tensor:
        """A gradient of the shape of one entry of the stack as one for the parameter."""
        if self.rows_R is None:
            return gradient
        return torch.sparse_coo_tensor(
            self.rows_R[None], gradient, self.shape, is_coalesced=True, check_invariants=False
        )


def _part(parameter: nn.Parameter, found: Sequence[Tensor | None]) -> _Part:
    given = {place: grad for place, grad in enumerate(found) if grad is not None}
    if not any(grad.is_sparse for grad in given.values()):
        dense = [torch.zeros_like(parameter) if grad is None else grad for grad in found]
        return _Part(torch.stack(dense), None, parameter.shape)
    given = {place: grad.coalesce() for place, grad in given.items()}
    rows_R = torch.cat([grad.indices()[0] for grad in given.values()]).unique()  # type: ignore[no-untyped-call]
    stack = parameter.detach().new_zeros(len(found), len(rows_R), *parameter.shape[1:])
    for place, grad in given.items():
        stack[place].index_copy_(0, torch.searchsorted(rows_R, grad.indices()[0]), grad.values())
    return _Part(stack, rows_R, parameter.shape)
