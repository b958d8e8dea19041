"""Plan -> `Network`: the only place where a plan's levels and tasks are unpacked.

Axes: B rows, T tasks, D width of h, C context width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import AESLayer, Noise
from aesm_dsl.layers.bottom import bottom_of
from aesm_dsl.layers.embedding import Context, Embedding
from aesm_dsl.layers.leaf_rows import LeafSorter
from aesm_dsl.layers.node_features import node_features
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.layers.selection import LossSums, Selection
from aesm_dsl.layers.shallow_tower import ShallowTower, served_inputs
from aesm_dsl.layers.siblings import Siblings
from aesm_dsl.layers.stacked_linears import Towers
from aesm_dsl.layers.tower import Tower, funnel
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.plan.tables import sparse_table_keys


class Network(nn.Module):
    """Computes a `Prediction` for a `Batch`: embedding, bottom, scenario levels top down, task level, towers, funnel.

    Parameters and dropout are drawn from torch's default generator: seed it to get the same network again. Exploration
    is drawn from `noise.generator`, in training only.
    """

    def __init__(self, plan: Plan) -> None:
        """Builds the network of a plan.

        Raises:
            ValueError: sizes of the plan do not fit each other.
        """
        super().__init__()
        _check_sizes(plan)
        self.plan = plan
        self.embedding = Embedding(plan.features, sparse_table_keys(plan))
        self.node_features = node_features(plan.levels, plan.features)
        self.bottom = bottom_of(plan)
        self.context = Context(plan.levels, plan.tasks)
        self.levels = nn.ModuleList(_stack(level.layers) for level in plan.levels)
        self.siblings = Siblings(plan.levels)
        self.tasks = _stack(plan.tasks.layers)
        tasks = plan.tasks
        self.leaves = LeafSorter(plan) if tasks.tower_per == "leaf" else None
        self.towers: nn.Module
        if self.leaves is not None:
            self.towers = Towers(plan, self.leaves.count, _output(plan))
        else:
            self.towers = nn.ModuleList(
                Tower(_output(plan), tasks.tower, tasks.tower_activation, tasks.tower_dropout) for _ in tasks.tasks
            )
        self.shallow_tower = ShallowTower(plan) if plan.training_features else None

    def forward(self, batch: Batch, noise: Noise | None = None) -> Prediction:
        """Predicts all tasks for the rows of a batch.

        Raises:
            ValueError: an id or node is outside its table (on the CPU), or a row is on no path of the hierarchy (with a
                tower for each leaf).
        """
        h: Tensor = self.embedding(*served_inputs(self.plan, batch))
        if self.node_features is not None:
            h = self.node_features(h, batch.node_BL)
        if self.bottom is not None:
            h = self.bottom(h, batch.node_BL)
        context_of_level, context_BTC = self.context(batch.node_BL)
        among_of_level = self.siblings(batch.node_BL)
        selection: dict[str, tuple[Selection, ...]] = {}
        loss_sums: list[LossSums] = []
        for index, level in enumerate(self.plan.levels):
            layers, node_B, among_BN = self.levels[index], batch.node_BL[:, index], among_of_level[index]
            h, selections, sums = _run_layers(layers, h, context_of_level[index], node_B, noise=noise, among=among_BN)
            selection[level.name] = selections
            loss_sums += sums

        tasks = self.plan.tasks.tasks
        task_BT = torch.arange(len(tasks), device=h.device).expand(batch.rows, -1)
        h, selection[TASKS], sums = _run_layers(self.tasks, h, context_BTC, task_BT, noise=noise)
        loss_sums += sums

        # Without task layers the towers share one input.
        h_BTD = h if h.dim() == 3 else h.unsqueeze(1).expand(-1, len(tasks), -1)
        logits = [full_precision(logit_B) for logit_B in self._logits(h_BTD, batch.node_BL)]
        if self.shallow_tower is not None and self.training:
            logit_BT = torch.stack(logits, dim=1)
            logits = list((logit_BT + self.shallow_tower(batch, logit_BT.detach())).unbind(1))
        yes, no = funnel(logits, [task.factor for task in tasks])
        names = [task.name for task in tasks]
        return Prediction(
            logit=dict(zip(names, logits, strict=True)),
            log_probability=dict(zip(names, yes, strict=True)),
            log_complement=dict(zip(names, no, strict=True)),
            selection=selection,
            loss_sums=tuple(loss_sums),
        )

    def _logits(self, h_BTD: Tensor, node_BL: Tensor) -> list[Tensor]:
        """logit_B of each task, from the tower of the task, or of the task in the row's leaf.

        Rows with an unknown node have a tower of their own for each task, which learns from rows whose node is hidden.
        """
        if self.leaves is None:
            return [tower(h_BD) for tower, h_BD in zip(self.towers.children(), h_BTD.unbind(1), strict=True)]
        rows = self.leaves(node_BL)
        logit_TB: Tensor = self.towers(h_BTD.index_select(0, rows.order_B).transpose(0, 1), rows)
        return list(logit_TB.index_select(1, rows.back_B).unbind(0))

    def __repr__(self) -> str:
        return _describe(self.plan, sum(parameter.numel() for parameter in self.parameters()))


def aes_layers(network: nn.Module) -> dict[tuple[str, int], AESLayer]:
    """Returns (level, index in the level's stack) -> AES layer; empty for a network without AES layers."""
    if not isinstance(network, Network):
        return {}
    stacks = [*network.levels.children(), network.tasks]
    named_stacks = zip([name for name, _ in _stacks(network.plan)], stacks, strict=True)
    layers = [(name, index, layer) for name, stack in named_stacks for index, layer in enumerate(stack.children())]
    return {(name, index): layer for name, index, layer in layers if isinstance(layer, AESLayer)}


def _stack(layers: tuple[LayerPlan, ...]) -> nn.ModuleList:
    return nn.ModuleList(AESLayer(layer) for layer in layers)


def _run_layers(
    layers: nn.Module,
    h: Tensor,
    context: Tensor,
    node: Tensor,
    *,
    noise: Noise | None,
    among: Tensor | None = None,
) -> tuple[Tensor, tuple[Selection, ...], list[LossSums]]:
    """Runs the layers of one level: h after them, and the selection and loss sums of each layer."""
    selections: list[Selection] = []
    loss_sums: list[LossSums] = []
    for layer in layers.children():
        h, selection, sums = layer(h, context, node, noise, among)
        selections.append(selection)
        loss_sums.append(sums)
    return h, tuple(selections), loss_sums


def _stacks(plan: Plan) -> list[tuple[str, tuple[LayerPlan, ...]]]:
    """The name and layers of every level, the task level last."""
    return [*((level.name, level.layers) for level in plan.levels), (TASKS, plan.tasks.layers)]


def _output(plan: Plan) -> int:
    """The width of h below the towers."""
    layers = [layer for stack in _stacks(plan) for layer in stack[1]]
    return layers[-1].output if layers else plan.width


def _check_sizes(plan: Plan) -> None:
    """Raises ValueError if names of the plan are not distinct, or its sizes do not fit each other."""
    names = [level.name for level in plan.levels]
    tasks = [task.name for task in plan.tasks.tasks]
    if not tasks:
        raise ValueError("a plan needs at least one task")
    if len(set(names)) < len(names) or TASKS in names:
        raise ValueError(f"level names {names} must differ from each other and from `{TASKS}`")
    if len(set(tasks)) < len(tasks):
        raise ValueError(f"task names {tasks} must differ from each other")
    width, context = plan.width, 0
    for level in plan.levels:
        context += level.width
        if any(layer.unknown != level.unknown for layer in level.layers):
            raise ValueError(f"level `{level.name}`: its layers must take unknown nodes just where the level does")
        width = _check_layers(level.name, level.layers, width, context, len(level.nodes))
    _check_layers(TASKS, plan.tasks.layers, width, context + plan.tasks.width, len(tasks))


def _check_layers(name: str, layers: tuple[LayerPlan, ...], width: int, context: int, nodes: int) -> int:
    """The level's output width; raises ValueError if a layer was planned for other sizes than it gets."""
    for index, layer in enumerate(layers):
        planned = {"input": layer.input, "context": layer.context, "nodes": layer.nodes}
        actual = {"input": width, "context": context, "nodes": nodes}
        for size, expected in actual.items():
            if planned[size] != expected:
                raise ValueError(f"level `{name}`, layer {index + 1}: {size} {planned[size]} planned, {expected} given")
        width = layer.output
    return width


def _describe(plan: Plan, parameters: int) -> str:
    tasks = plan.tasks.tasks
    lines = [
        f"Network {plan.name}: {parameters:,} parameters",
        f"  {len(plan.features)} features -> {plan.width}",
    ]
    for name, layers in _stacks(plan):
        for index, layer in enumerate(layers):
            widths = " -> ".join(str(width) for width in (layer.input, *layer.hidden))
            lines.append(
                f"  {name}[{index}]: {layer.nodes} nodes, {layer.experts} experts {widths}, "
                f"{layer.specific} specific + {layer.shared} shared, context {layer.context}"
            )
    widths = " -> ".join(str(width) for width in (_output(plan), *plan.tasks.tower, 1))
    if plan.tasks.tower_per == "leaf":
        widths += f", for each of {plan.leaf_count} leaves"
    lines += [
        f"  tower {task.name}{'' if task.factor is None else f' after {tasks[task.factor].name}'}: {widths}"
        for task in tasks
    ]
    return "\n".join(lines)
