"""Network -> its optimizers: one for parameters with dense gradients, one for embedding tables with sparse gradients.

Axes: R rows of a table, U of them looked up, K ids looked up (rows repeat), W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.layers.sharded_embedding import OwnRows
from aesm_dsl.plan.training import TrainingPlan
from aesm_dsl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""The defaults of torch's Adam."""


def optimizers(network: nn.Module, training: TrainingPlan) -> list[torch.optim.Optimizer]:
    """Returns the optimizer of all dense parameters, and one for the sparse tables if there are any."""
    embeddings = [module for module in network.modules() if isinstance(module, Embedding)]
    tables = [table.weight for embedding in embeddings for table in _tables(embedding)]
    sparse = [module.weight for module in network.modules() if isinstance(module, nn.Embedding) and module.sparse]
    table_ids, sparse_ids = {id(weight) for weight in tables}, {id(weight) for weight in sparse}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in table_ids]
    dense = [weight for weight in tables if id(weight) not in sparse_ids]
    decay = training.weight_decay
    table_decay = decay if training.embeddings_decay is None else training.embeddings_decay
    groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": decay}]
    if dense:
        groups.append({"params": dense, "weight_decay": table_decay})
    own = [_dense(groups, training)]
    if sparse:
        own.append(_sparse(sparse, training, table_decay))
    return own


def _tables(embedding: Embedding) -> list[nn.Embedding]:
    return [module for module in embedding.modules() if isinstance(module, nn.Embedding)]


def _dense(groups: list[dict[str, Any]], training: TrainingPlan) -> torch.optim.Optimizer:
    rate = training.rate
    match training.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=rate, momentum=training.momentum)
        case "adagrad":
            return torch.optim.Adagrad(groups, lr=rate)
    kinds: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    fused = all(parameter.device.type in ("cpu", "cuda") for group in groups for parameter in group["params"])
    return kinds[training.optimizer](groups, lr=rate, fused=fused)


def _sparse(tables: list[Tensor], training: TrainingPlan, decay: float) -> torch.optim.Optimizer:
    match training.optimizer:
        case "sgd":
            return torch.optim.SGD(tables, lr=training.rate)
        case "adagrad":
            return torch.optim.Adagrad(tables, lr=training.rate)
    return LazyAdam(tables, training.rate, decay, decoupled=training.optimizer == "adamw")


@torch.no_grad()
def clip(parameters: Iterable[Tensor], most: float, processes: ProcessGroup = SINGLE_PROCESS) -> None:
    """Scales all gradients by one factor, so that their norm, over all parameters together, is at most `most`.

    Args:
        parameters: the parameters, with their gradients.
        most: the largest norm.
        processes: processes that have the same gradients, except for the rows that one process has alone (OwnRows): the
            norm counts the rows of all.
    """
    common: list[Tensor] = []
    own_rows: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None:
            # A sparse gradient may hold a row several times: its norm is that of the sums.
            parameter.grad = parameter.grad.coalesce() if parameter.grad.is_sparse else parameter.grad
            values = parameter.grad._values() if parameter.grad.is_sparse else parameter.grad
            (own_rows if isinstance(parameter, OwnRows) else common).append(values)
    norm = nn.utils.get_total_norm(common)
    if own_rows:
        norm = (norm**2 + processes.sum(nn.utils.get_total_norm(own_rows) ** 2)).sqrt()
    scale = (most / (norm + 1e-6)).clamp(max=1.0)
    for gradient in common + own_rows:
        gradient.mul_(scale)


class LazyAdam(torch.optim.Optimizer):
    """Adam that updates only the rows of a table that the step's batch looked up; all other rows stay as they are.

    A row that is looked up in every step is updated exactly as by Adam. While a row is not looked up, it keeps its
    optimizer state: it does not drift on after its last gradient, and no weight decay reaches it. Bias is corrected by
    the number of all steps. torch's SparseAdam does the same without weight decay, at more than twice the cost.

        g = sum of the gradients of the row's ids;  m = .9 m + .1 g;  v = .999 v + .001 g^2
        row -= rate * (m / (1 - .9^t)) / (sqrt(v / (1 - .999^t)) + 1e-8)

    Args:
        tables: embedding tables.
        rate: learning rate.
        weight_decay: weight decay of the rows that are updated.
        decoupled: shrink the row, as AdamW does, instead of adding the decay to its gradient.

    Raises:
        ValueError: a gradient is dense (in `step`).
    """

    def __init__(self, tables: Iterable[Tensor], rate: float, weight_decay: float, *, decoupled: bool) -> None:
        super().__init__(tables, {"lr": rate, "weight_decay": weight_decay, "decoupled": decoupled})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for table_RW in group["params"]:
                if table_RW.grad is not None:
                    self._move(table_RW, table_RW.grad, group)
        return loss

    def _move(self, table_RW: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[table_RW]
        if not state:
            state["step"] = 0
            state["mean_RW"], state["square_RW"] = torch.zeros_like(table_RW), torch.zeros_like(table_RW)
        state["step"] += 1
        row_U, gradient_UW = _summed(gradient)
        rate, decay = group["lr"], group["weight_decay"]
        if decay and group["decoupled"]:
            table_RW.index_copy_(0, row_U, table_RW.index_select(0, row_U).mul_(1 - rate * decay))
        elif decay:
            gradient_UW.add_(table_RW.index_select(0, row_U), alpha=decay)
        mean_UW = state["mean_RW"].index_select(0, row_U).lerp_(gradient_UW, 1 - BETA_1)
        square_UW = state["square_RW"].index_select(0, row_U).mul_(BETA_2)
        square_UW.addcmul_(gradient_UW, gradient_UW, value=1 - BETA_2)
        state["mean_RW"].index_copy_(0, row_U, mean_UW)
        state["square_RW"].index_copy_(0, row_U, square_UW)
        scale_1, scale_2 = 1 - BETA_1 ** state["step"], 1 - BETA_2 ** state["step"]
        length_UW = square_UW.sqrt_().div_(scale_2**0.5).add_(EPSILON)
        # Not as index_add's `alpha`, which makes it three times slower on a CPU.
        table_RW.index_add_(0, row_U, mean_UW.div_(length_UW).mul_(-rate / scale_1))


def _summed(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Returns row_U, each looked-up row once, and gradient_UW, the sum over its ids: `coalesce`, in less time."""
    if not gradient.is_sparse:
        raise ValueError("lazy Adam takes sparse gradients only")
    row_K, gradient_KW = gradient._indices()[0], gradient._values()
    row_U, place_K = torch.unique(row_K, return_inverse=True)
    gradient_UW = gradient_KW.new_zeros(len(row_U), gradient_KW.shape[1])
    return row_U, gradient_UW.index_add_(0, place_K, gradient_KW)
