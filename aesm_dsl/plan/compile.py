"""Compiles a resolved spec and its hierarchy into a plan: the sizes and wiring of every layer as plain numbers.

Every `auto` of the spec must already be a number.
"""

from __future__ import annotations

import codecs
from dataclasses import replace

from aesm_dsl.plan.baseline import BaselinePlan
from aesm_dsl.plan.bottom import BottomPlan
from aesm_dsl.plan.cell_text import cell_text
from aesm_dsl.plan.compile_features import feature_plans, number_form
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.data import CsvFormat, DataPlan, SplitPlan
from aesm_dsl.plan.features import auto_width
from aesm_dsl.plan.hierarchy import Hierarchy, Vertex
from aesm_dsl.plan.plan import LayerPlan, LevelPlan, NodePlan, Plan, TaskLevelPlan, TaskPlan
from aesm_dsl.plan.training import NoisePlan, TrainingPlan
from aesm_dsl.spec.baseline import LEAF_FEATURE, BaselineBlock
from aesm_dsl.spec.bottom import FM, BottomBlock, DCNv2, Scenario, SENet
from aesm_dsl.spec.data import Data, Split
from aesm_dsl.spec.levels import ExpertsBlock, Level, RunsShared
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.task_weights import DWA, FAMO, GradNorm
from aesm_dsl.spec.tasks import Above, Task
from aesm_dsl.spec.training import SGD, Anneal, Constant, Plateau, Sparse, Train

USED_BY = {
    "experts": ("mmoe",),
    "specific": ("ple", "adatt", "hinet"),
    "shared": ("ple", "adatt", "hinet", "m3oe"),
    "repeat": ("ple", "adatt"),
    "embed": ("star", "esmm", "pepnet", "hinet"),
    "auxiliary": ("star", "pepnet"),
}
"""Setting of `baseline`, or the width of the leaf embedding -> the architectures that use it."""


def compile_plan(spec: Spec, hierarchy: Hierarchy) -> Plan:
    """Compiles a resolved spec to a plan of the architecture that it names."""
    plan = compile_aes(spec, hierarchy)
    return plan if spec.architecture == "aes" else _compile_baseline(spec, plan)


def compile_aes(spec: Spec, hierarchy: Hierarchy) -> Plan:
    """Compiles a resolved spec to an AES plan, whatever architecture it names.

    Levels come top down; the context of each level's layers is wider than that of the level above by the width of its
    node embedding.
    """
    features, bottom = feature_plans(spec), _bottom(spec.bottom)
    by_name = {level.name: level for level in spec.levels}
    ordered = [by_name[name] for name in hierarchy.levels[:-1]]
    width, context = sum(feature.width for feature in features) + (bottom.added if bottom else 0), 0
    levels = []
    above: list[Vertex] = []
    for level in ordered:
        vertices = hierarchy.nodes(level.name)
        embed = level.embed
        assert embed is not None
        context += embed
        hide = level.unknown.hide if isinstance(level.unknown, RunsShared) else None
        layers = _layers(level.experts, width, context, len(vertices), unknown=hide is not None)
        levels.append(
            LevelPlan(
                level.name,
                level.title or level.name,
                level.column or level.name,
                _nodes(level, hierarchy, vertices, above),
                embed,
                layers,
                hide is not None,
                hide or 0.0,
            )
        )
        above, width = vertices, layers[-1].output
    return Plan(
        name=spec.name,
        label=spec.title or spec.name,
        features=features,
        levels=tuple(levels),
        tasks=_tasks(spec, width, context),
        training=_training(spec.train),
        data=_data(spec.data) if spec.data else None,
        bottom=bottom,
        training_features=feature_plans(spec, training_only=True),
    )


def _bottom(block: BottomBlock | None) -> BottomPlan | None:
    """The plan of what lies below the experts; None if nothing does."""
    bottom = BottomPlan()
    match block.gate if block else None:
        case Scenario(hidden=hidden):
            bottom = BottomPlan("scenario", hidden=hidden)
        case SENet(reduction=reduction):
            bottom = BottomPlan("senet", reduction=reduction)
    match block.interaction if block else None:
        case DCNv2(layers=layers, rank=rank):
            bottom = replace(bottom, interaction="dcn_v2", layers=layers, rank=rank)
        case FM(width=width):
            bottom = replace(bottom, interaction="fm", factors=width)
    return bottom if bottom != BottomPlan() else None


def _compile_baseline(spec: Spec, aes: Plan) -> Plan:
    """The plan of another architecture for the same features, levels, tasks and training."""
    block, experts, aes_cost = spec.baseline or BaselineBlock(), spec.tasks.experts, cost(aes).total
    assert block.hidden != "auto"
    embed = auto_width(aes.leaf_count) if spec.embed == "auto" else spec.embed

    def used(setting: str) -> bool:
        return spec.architecture in USED_BY[setting]

    leaf_feature = block.leaf_feature and spec.architecture in LEAF_FEATURE
    baseline = BaselinePlan(
        architecture=spec.architecture,
        leaves=aes.leaf_count,
        hidden=block.hidden,
        experts=block.experts if used("experts") else 0,
        specific=block.specific if used("specific") else 0,
        shared=block.shared if used("shared") else 0,
        repeat=block.repeat if used("repeat") else 0,
        embed=embed if used("embed") or leaf_feature else 0,
        auxiliary=block.auxiliary if used("auxiliary") else (),
        norm="none" if spec.architecture == "star" else block.norm,
        activation=experts.activation,
        dropout=experts.dropout,
        match=block.match,
        aes_parameters=aes_cost.parameters,
        aes_flops=aes_cost.selected,
    )
    levels = tuple(replace(level, layers=()) for level in aes.levels)
    tasks = aes.tasks.tasks
    if spec.architecture == "shared_bottom":  # hard sharing has no funnel: each task is learnt by itself
        tasks = tuple(replace(task, joint="direct") for task in tasks)
    return replace(aes, levels=levels, tasks=replace(aes.tasks, tasks=tasks, layers=()), baseline=baseline)


def _layers(
    experts: ExpertsBlock, width: int, context: int, nodes: int, *, budget: int | None = None, unknown: bool = False
) -> tuple[LayerPlan, ...]:
    count, hidden, specific, shared = experts.count, experts.hidden, experts.specific, experts.shared
    assert count != "auto"
    assert hidden != "auto"
    assert specific != "auto"
    assert shared != "auto"
    input_widths = [width, *[hidden[-1]] * (experts.repeat - 1)]
    return tuple(
        LayerPlan(
            input=input_width,
            context=context,
            nodes=nodes,
            experts=count,
            hidden=hidden,
            specific=specific,
            shared=shared,
            norm=experts.norm,
            mixture_norm=experts.mixture_norm,
            activation=experts.activation,
            dropout=experts.dropout,
            temperature=experts.temperature,
            residual=experts.residual == "add" and input_width == hidden[-1],
            compare=experts.compare,
            budget=budget,
            unknown=unknown,
            execution=experts.execution,
        )
        for input_width in input_widths
    )


def _nodes(level: Level, hierarchy: Hierarchy, vertices: list[Vertex], above: list[Vertex]) -> tuple[NodePlan, ...]:
    by_name = {node.name: node for node in level.nodes}
    nodes, place = [], {vertex: number for number, vertex in enumerate(above)}
    for vertex in vertices:
        node = by_name[vertex[1]]
        values = tuple(dict.fromkeys(cell_text(str(value)) for value in node.value or (node.name,)))
        parents = tuple(place[parent] for parent in hierarchy.parents(vertex))
        nodes.append(NodePlan(node.name, node.title or node.name, values, parents))
    return tuple(nodes)


def _tasks(spec: Spec, width: int, context: int) -> TaskLevelPlan:
    tasks = spec.tasks
    places = {task.name: place for place, task in enumerate(tasks.tasks)}
    embed = tasks.embed
    assert embed is not None
    return TaskLevelPlan(
        tasks=tuple(_task(task, places) for task in tasks.tasks),
        width=embed,
        layers=_layers(tasks.experts, width, context + embed, len(places), budget=tasks.budget),
        tower=tasks.tower,
        tower_activation=tasks.experts.activation,
        tower_dropout=tasks.tower_dropout,
        tower_per=tasks.tower_per,
    )


def _task(task: Task, places: dict[str, int]) -> TaskPlan:
    column, rule, value, form = task.name, "as is", None, None
    if isinstance(task.label, str):
        column = task.label
    elif task.label is not None:
        column, rule, value = task.label.column, task.label.call, task.label.value
        form = number_form(task.label) if isinstance(task.label, Above) else None
    after, where = (None if name is None else places[name] for name in (task.after, task.where))
    joint = task.joint or "product"
    title = task.title or task.name
    return TaskPlan(task.name, title, column, rule, value, after, task.weight, joint, form, where)


def _training(train: Train) -> TrainingPlan:
    match train.noise:
        case Constant(sigma=sigma, into=into):
            noise = NoisePlan("constant", sigma, 1.0, into == "mixture")
        case Anneal(start=start, over=over, into=into):
            noise = NoisePlan("anneal", start, over, into == "mixture")
        case None:
            noise = NoisePlan("constant", 0.0, 1.0, False)
    unit, checkpoint, optimizer, schedule = train.length.unit, train.checkpoint, train.optimizer, train.schedule
    weights = train.weights
    return TrainingPlan(
        optimizer=train.optimizer.call,
        rate=train.optimizer.rate,
        weight_decay=train.optimizer.weight_decay,
        schedule=schedule.call,
        batch_rows=train.batch,
        epochs=float(train.length.value) if unit == "epochs" else None,
        steps=int(train.length.value) if unit == "steps" else None,
        hours=float(train.length.value) if unit == "hours" else None,
        patience_epochs=train.stop.patience if train.stop else None,
        noise=noise,
        specific_loss=train.specific_loss,
        shared_loss=train.shared_loss,
        seed=train.seed,
        balance=train.balance,
        weights=weights.call,
        weights_rate=weights.rate if isinstance(weights, GradNorm | FAMO) else 0.025,
        weights_decay=weights.decay if isinstance(weights, FAMO) else 0.0,
        weights_alpha=weights.alpha if isinstance(weights, GradNorm) else 1.5,
        weights_temperature=weights.temperature if isinstance(weights, DWA) else 2.0,
        sparse_from=train.embeddings.least if isinstance(train.embeddings, Sparse) else None,
        sharded=train.tables == "sharded",
        combine=train.combine,
        watched=train.stop.on if train.stop else "mean_auc",
        warmup=schedule.warmup,
        plateau_factor=schedule.factor if isinstance(schedule, Plateau) else 0.5,
        plateau_patience=schedule.patience if isinstance(schedule, Plateau) else 0,
        momentum=optimizer.momentum if isinstance(optimizer, SGD) else 0.0,
        embeddings_decay=None if optimizer.embeddings_decay == "auto" else optimizer.embeddings_decay,
        clip=train.clip,
        ema_decay=train.average.decay if train.average else None,
        precision=train.precision,
        compile=train.compile,
        checkpoint_steps=int(checkpoint.value) if checkpoint and checkpoint.unit == "steps" else None,
        checkpoint_minutes=float(checkpoint.value) if checkpoint and checkpoint.unit == "minutes" else None,
    )


def _data(data: Data) -> DataPlan:
    csv = data.format
    return DataPlan(
        data.train,
        _rows(data.valid),
        _rows(data.test),
        data.weight,
        data.user,
        data.statistics,
        data.cache,
        CsvFormat(csv.separator, codecs.lookup(csv.encoding).name, csv.quote, csv.escape, csv.null),
        data.query,
        data.top,
    )


def _rows(rows: tuple[str, ...] | Split | None) -> tuple[str, ...] | SplitPlan | None:
    match rows:
        case Split(last=share, by=by, format=form) if share is not None:
            return SplitPlan("last", by, None, share, form or "")
        case Split(start=start, by=by, format=form) if start is not None:
            return SplitPlan("from", by, start, None, form or "")
        case Split(equals=value, by=by) if value is not None:
            return SplitPlan("equals", by, value, None)
        case Split(random=share, seed=seed):
            return SplitPlan("random", None, None, share, seed=seed)
        case _:
            return rows
