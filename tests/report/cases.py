"""Small plans, usages and hierarchies for the report room."""

from __future__ import annotations

import re
from collections.abc import Sequence

import networkx as nx

from aesm_dsl.plan.plan import LayerPlan, LevelPlan, NodePlan, Plan, TaskLevelPlan, TaskPlan
from aesm_dsl.plan.training import NoisePlan, TrainingPlan
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.usage import Usage

ENTRIES = {"home": "主搜", "wealth": "理财TAB"}
CARDS = {"hot": "热门基金", "product": "基金产品", "theme": "主题基金"}
TASKS = {"click": "点击", "purchase": "购买"}

Rows = Sequence[Sequence[float]]


def layer_plan(nodes: int, experts: int) -> LayerPlan:
    return LayerPlan(8, 4, nodes, experts, (8,), 2, 2, "layer", "layer", "silu", 0.0)


def make_plan(levels: dict[str, dict[str, str]], experts: int = 4, repeat: int = 1) -> Plan:
    """Levels of nodes with labels; tasks click, and purchase after click."""
    tasks = TaskLevelPlan(
        tasks=tuple(
            TaskPlan(name, label, name, "as is", None, at - 1 if at else None, 1.0)
            for at, (name, label) in enumerate(TASKS.items())
        ),
        width=4,
        layers=(layer_plan(len(TASKS), experts),) * repeat,
        tower=(8,),
        tower_activation="silu",
        tower_dropout=0.0,
    )
    return Plan(
        name="fund_search",
        label="基金搜索",
        features=(),
        levels=tuple(
            LevelPlan(
                name=name,
                label=name,
                column=name,
                nodes=tuple(NodePlan(node, label, (node,), ()) for node, label in nodes.items()),
                width=4,
                layers=(layer_plan(len(nodes), experts),) * repeat,
            )
            for name, nodes in levels.items()
        ),
        tasks=tasks,
        training=TrainingPlan(
            *("adam", 1e-3, 0.0, "constant", 8, 1.0, None, None),
            NoisePlan("anneal", 2.0, 1.0, False),
            *(0.0, 0.0, 0),
        ),
        data=None,
    )


def make_layer(
    weight: Rows, rows: Sequence[int] | None = None, level: str = "entry", layer: int = 0, nodes: Sequence[str] = ()
) -> LayerUsage:
    """A layer's usage from its mean mixture weights alone."""
    names = tuple(nodes) or tuple(f"n{at}" for at in range(len(weight)))
    table = tuple(tuple(float(value) for value in row) for row in weight)
    return LayerUsage(level, layer, names, tuple(rows or [100] * len(weight)), table, table, table)


def make_hierarchy(
    levels: dict[str, dict[str, str]],
    edges: Sequence[tuple[str, str]],
    funnel: Sequence[tuple[str, str]] = (),
    title: str = "fund_search",
) -> nx.DiGraph:
    """Edges by "level/name" at both ends; the funnel by task names."""
    graph = nx.DiGraph(levels=tuple(levels), title=title)
    for level, nodes in levels.items():
        for name, label in nodes.items():
            graph.add_node((level, name), level=level, label=label)
    graph.add_edges_from((tuple(parent.split("/")), tuple(child.split("/"))) for parent, child in edges)
    graph.add_edges_from(((("tasks", first), ("tasks", then)) for first, then in funnel), funnel=True)
    return graph


def fund_hierarchy() -> nx.DiGraph:
    under = [("home", "hot"), ("home", "product"), ("wealth", "product"), ("wealth", "theme")]
    edges = [(f"entry/{entry}", f"card/{card}") for entry, card in under]
    edges += [(f"card/{card}", f"tasks/{task}") for card in CARDS for task in TASKS]
    return make_hierarchy({"entry": ENTRIES, "card": CARDS, "tasks": TASKS}, edges, [("click", "purchase")])


def fund_usage() -> tuple[Plan, Usage]:
    """e0 shared by all, e1 of home, e2 of wealth, e3 dead; and on the tasks the same."""
    plan = make_plan({"entry": ENTRIES})
    weight = [[0.6, 0.4, 0.0, 0.0], [0.4, 0.0, 0.6, 0.0]]
    entry = make_layer(weight, [300, 100], "entry", 0, tuple(ENTRIES))
    return plan, Usage((entry, make_layer(weight, [400, 400], "tasks", 0, tuple(TASKS))))


def statement(dot: str, head: str) -> dict[str, str]:
    """The attributes of the one statement that begins with `head`; label is the HTML-like text."""
    found = [text for text in dot.splitlines() if text.startswith(head + " [")]
    assert len(found) == 1, f"{len(found)} statements begin with {head}"
    rest = found[0][len(head) :]
    label = re.search(r"label=<(.*?)>(?:, \w+=\"|\]$)", rest)
    values = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest))
    return values | ({"label": label[1]} if label else {})
