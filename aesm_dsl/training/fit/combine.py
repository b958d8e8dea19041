"""Gradients of several tasks -> one: their sum, or what a method makes of them that resolves conflicts.

Axes: T tasks, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aesm_dsl.layers.sharded_embedding import OwnRows
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from aesm_dsl.training.fit.gradient_weighting import GradientWeighting, SignDrop
from aesm_dsl.training.fit.loss import Loss


def backward(
    losses: Loss,
    parameters: Sequence[nn.Parameter],
    weighting: GradientWeighting | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
    watch: Callable[[Tensor], None] | None = None,
) -> None:
    """Puts the gradient of the total into the `grad`, which held none, of every parameter that it depends on.

    With a weighting, or somebody who watches, the gradients of all tasks are held at once: T times the memory of one.

    Args:
        losses: the losses of this process's rows.
        parameters: all that is trained.
        weighting: None adds the tasks' gradients g_t up. Otherwise the sum over t of weight_t g_t takes the place of
            their sum in what the tasks share: the elements that more than one task's gradient reaches. What one task
            alone reaches (its tower, or its slice of a stack of towers) has that task's gradient, and auxiliary losses
            are added as they are.
        processes: processes whose losses are parts of one: the gradient is that of their sum.
        watch: is told the inner products of the tasks' gradients over what tasks share (T, T).
    """
    if weighting is None and watch is None:
        losses.total.backward()  # type: ignore[no-untyped-call]
        summed = processes.sum_gradients([parameter.grad for parameter in parameters], parameters)
        for parameter, gradient in zip(parameters, summed, strict=True):
            parameter.grad = gradient
        return
    values = [*losses.weighted.values(), losses.auxiliary]
    by_loss = [processes.sum_gradients(gradients(value, parameters), parameters) for value in values]
    by_parameter = [(parameter, own) for parameter, *own in zip(parameters, *by_loss, strict=True)]
    reached = [(parameter, own) for parameter, own in by_parameter if any(gradient is not None for gradient in own)]
    parts = [_part(parameter, own) for parameter, own in reached]
    tasks = [part.stack[:-1] for part in parts]
    shared = [(stack != 0).sum(dim=0) > 1 for stack in tasks]
    flat = [(stack * both).flatten(1) for stack, both in zip(tasks, shared, strict=True)]
    alone = [isinstance(parameter, OwnRows) for parameter, _ in reached]
    gram_TT = _gram(flat, alone, processes)
    if watch is not None:
        watch(gram_TT)
    settled = _settled(tasks, gram_TT, weighting, processes)
    for (parameter, _), part, both, own in zip(reached, parts, shared, settled, strict=True):
        stack, auxiliary = part.stack[:-1], part.stack[-1]
        parameter.grad = part.whole(torch.where(both, own, stack.sum(dim=0)) + auxiliary)


def _settled(
    tasks: Sequence[Tensor], gram_TT: Tensor, weighting: GradientWeighting | None, processes: ProcessGroup
) -> Iterator[Tensor]:
    """What the tasks' gradients become, for every parameter. A method may draw: the first process draws for all."""
    if isinstance(weighting, SignDrop):
        seed = int(processes.broadcast(torch.randint(2**31, (1,))))
        yield from (weighting.combine(stack, seed + place) for place, stack in enumerate(tasks))
        return
    weight_T = torch.ones_like(gram_TT[0]) if weighting is None else processes.broadcast(weighting(gram_TT))
    yield from (torch.tensordot(weight_T, stack, dims=1) for stack in tasks)


def _gram(flat: Sequence[Tensor], alone: Sequence[bool], processes: ProcessGroup) -> Tensor:
    """gram_TT over all parameters. For rows that one process has alone, over the rows of all processes."""
    gram_PTT = torch.stack([gradient_TN @ gradient_TN.T for gradient_TN in flat])
    alone_P = torch.tensor(alone, device=gram_PTT.device)
    gram_TT = gram_PTT[~alone_P].sum(dim=0)
    return gram_TT + processes.sum(gram_PTT[alone_P].sum(dim=0)) if any(alone) else gram_TT


def gradients(value: Tensor, parameters: Sequence[nn.Parameter]) -> tuple[Tensor | None, ...]:
    """Returns the gradient for every parameter, None if the value does not depend on it. The graph is kept."""
    if not value.requires_grad:
        return (None,) * len(parameters)
    return torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)


@dataclass(frozen=True, slots=True)
class _Part:
    """The gradients of several losses for one parameter, stacked."""

    stack: Tensor
    """(losses, ...): 0 where a loss does not depend on the parameter."""
    rows_R: Tensor | None
    """For a table with sparse gradients, the rows that the stack has; None for all of the parameter."""
    shape: torch.Size

    def whole(self, gradient: Tensor) -> Tensor:
        """Turns a gradient of the shape of one entry of the stack into one for the parameter."""
        if self.rows_R is None:
            return gradient
        return torch.sparse_coo_tensor(
            self.rows_R[None], gradient, self.shape, is_coalesced=True, check_invariants=False
        )


def _part(parameter: nn.Parameter, gradients: Sequence[Tensor | None]) -> _Part:
    known = {loss: gradient for loss, gradient in enumerate(gradients) if gradient is not None}
    if not any(gradient.is_sparse for gradient in known.values()):
        dense = [torch.zeros_like(parameter) if gradient is None else gradient for gradient in gradients]
        return _Part(torch.stack(dense), None, parameter.shape)
    known = {loss: gradient.coalesce() for loss, gradient in known.items()}
    rows_R = torch.cat([gradient.indices()[0] for gradient in known.values()]).unique()  # type: ignore[no-untyped-call]
    stack = parameter.detach().new_zeros(len(gradients), len(rows_R), *parameter.shape[1:])
    for loss, gradient in known.items():
        stack[loss].index_copy_(0, torch.searchsorted(rows_R, gradient.indices()[0]), gradient.values())
    return _Part(stack, rows_R, parameter.shape)
