"""Plan -> `Network`: the only place where a plan's levels and tasks are unpacked.

Axes: B rows, T tasks, D width of h, C context width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import AESLayer, Noise
from aesm_dsl.layers.embedding import Context, Embedding
from aesm_dsl.layers.leaf_rows import LeafSorter
from aesm_dsl.layers.precision import full_precision
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.layers.selection import LossSums, Selection
from aesm_dsl.layers.siblings import Siblings
from aesm_dsl.layers.stacked_linears import Towers
from aesm_dsl.layers.tower import Tower, funnel
from aesm_dsl.plan.plan import TASKS, LayerPlan, Plan
from aesm_dsl.plan.tables import sparse_table_keys


class Network(nn.Module):
    """`Prediction` for a `Batch`: embedding, the scenario levels top down, the task level, towers, funnel.

    Parameters are drawn from torch's default generator: seed it for the same network twice. Dropout draws
    from it too; exploration draws from `noise.generator` and happens in training only.
    Raises ValueError for a plan whose sizes do not fit each other, and with a tower per leaf for a row on no path.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        _refuse_misfit(plan)
        self.plan = plan
        self.embedding = Embedding(plan.features, sparse_table_keys(plan))
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

    def forward(self, batch: Batch, noise: Noise | None = None) -> Prediction:
        h: Tensor = self.embedding(batch.ids_BS, batch.value_BV)
        context_of_level, context_BTC = self.context(batch.node_BL)
        among_of_level = self.siblings(batch.node_BL)
        selection: dict[str, tuple[Selection, ...]] = {}
        tallies: list[LossSums] = []
        for index, level in enumerate(self.plan.levels):
            node_B = batch.node_BL[:, index]
            h, chosen, seen = _climb(
                self.levels[index], h, context_of_level[index], node_B, noise, among_of_level[index]
            )
            selection[level.name] = chosen
            tallies += seen

        tasks = self.plan.tasks.tasks
        task_BT = torch.arange(len(tasks), device=h.device).expand(batch.rows, -1)
        h, selection[TASKS], seen = _climb(self.tasks, h, context_BTC, task_BT, noise)
        tallies += seen

        # Without task layers the towers share one input.
        h_BTD = h if h.dim() == 3 else h.unsqueeze(1).expand(-1, len(tasks), -1)
        logits = [full_precision(logit_B) for logit_B in self._logits(h_BTD, batch.node_BL)]
        yes, no = funnel(logits, [task.factor for task in tasks])
        names = [task.name for task in tasks]
        return Prediction(
            logit=dict(zip(names, logits, strict=True)),
            log_probability=dict(zip(names, yes, strict=True)),
            log_complement=dict(zip(names, no, strict=True)),
            selection=selection,
            tallies=tuple(tallies),
        )

    def _logits(self, h_BTD: Tensor, node_BL: Tensor) -> list[Tensor]:
        """logit_B of each task, from the tower of the task, or of the task in the row's leaf.

        Rows with an unknown node have a tower of their own per task, which learns from the rows whose node is hidden.
        """
        if self.leaves is None:
            return [tower(h_BD) for tower, h_BD in zip(self.towers.children(), h_BTD.unbind(1), strict=True)]
        rows = self.leaves(node_BL)
        logit_TB: Tensor = self.towers(h_BTD.index_select(0, rows.order_B).transpose(0, 1), rows)
        return list(logit_TB.index_select(1, rows.back_B).unbind(0))

    def __repr__(self) -> str:
        return _describe(self.plan, sum(parameter.numel() for parameter in self.parameters()))


def aes_layers(network: nn.Module) -> dict[tuple[str, int], AESLayer]:
    """A network's AES layers by their level's name and their place in its stack; none of a network without them."""
    if not isinstance(network, Network):
        return {}
    stacks = [*network.levels.children(), network.tasks]
    named = zip([name for name, _ in _stacks(network.plan)], stacks, strict=True)
    pairs = [(name, index, layer) for name, stack in named for index, layer in enumerate(stack.children())]
    return {(name, index): layer for name, index, layer in pairs if isinstance(layer, AESLayer)}


def _stack(layers: tuple[LayerPlan, ...]) -> nn.ModuleList:
    return nn.ModuleList(AESLayer(layer) for layer in layers)


def _climb(
    layers: nn.Module, h: Tensor, context: Tensor, node: Tensor, noise: Noise | None, among: Tensor | None = None
) -> tuple[Tensor, tuple[Selection, ...], list[LossSums]]:
    """h, the selections and what the auxiliary losses are made of, after one level's stack of layers."""
    selections: list[Selection] = []
    tallies: list[LossSums] = []
    for layer in layers.children():
        h, selection, tally = layer(h, context, node, noise, among)
        selections.append(selection)
        tallies.append(tally)
    return h, tuple(selections), tallies


def _stacks(plan: Plan) -> list[tuple[str, tuple[LayerPlan, ...]]]:
    return [*((level.name, level.layers) for level in plan.levels), (TASKS, plan.tasks.layers)]


def _output(plan: Plan) -> int:
    """Width of h below the towers."""
    layers = [layer for stack in _stacks(plan) for layer in stack[1]]
    return layers[-1].output if layers else plan.width


def _refuse_misfit(plan: Plan) -> None:
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
        width = _refuse_layers(level.name, level.layers, width, context, len(level.nodes))
    _refuse_layers(TASKS, plan.tasks.layers, width, context + plan.tasks.width, len(tasks))


def _refuse_layers(name: str, layers: tuple[LayerPlan, ...], width: int, context: int, nodes: int) -> int:
    """The level's output width; raises if a layer was planned for other sizes than it would be given."""
    for index, layer in enumerate(layers):
        planned = {"input": layer.input, "context": layer.context, "nodes": layer.nodes}
        given = {"input": width, "context": context, "nodes": nodes}
        for size, expected in given.items():
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
