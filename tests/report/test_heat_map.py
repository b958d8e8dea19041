"""Heat maps, the flow and the orders they stand in say what the usage says."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from aesm_dsl.report.axis_order import expert_order, node_order
from aesm_dsl.report.flow_graph import LEAST_DRAWN_SHARE, flow_graph
from aesm_dsl.report.heat_map import LEAST_SHADED, heat_map, training_map
from aesm_dsl.report.sharing_graph import sharing_graph
from aesm_dsl.training.sharing.layer_usage import Flow
from aesm_dsl.training.sharing.sharing_matrix import mean_matrix, sharing
from aesm_dsl.training.sharing.usage import Usage
from tests.report.cases import TASKS, fund_usage, make_layer, make_plan, statement

GROUPED = [[0.5, 0.0, 0.5, 0.0], [0.5, 0.5, 0.0, 0.0], [0.4, 0.0, 0.6, 0.0], [0.5, 0.5, 0.0, 0.0]]


def levels() -> tuple[list[str], Usage]:
    """Two levels of two nodes; what e0 and e1 of the first send to the second, and that to the tasks."""
    first = make_layer([[0.75, 0.25], [0.25, 0.75]], [100, 100], "entry", 0, ("home", "wealth"))
    second = make_layer([[1.0, 0.0], [0.0, 1.0]], [150, 50], "card", 0, ("hot", "theme"))
    tasks = make_layer([[1.0, 0.0], [0.5, 0.5]], [200, 200], "tasks", 0, tuple(TASKS))
    down = Flow("entry", "card", ((0.5, 0.0), (0.25, 0.25)))
    last = Flow("card", "tasks", ((0.6, 0.15), (0.149, 0.101)))
    return ["entry", "card", "tasks"], Usage((first, second, tasks), (down, last))


def test_nodes_that_share_much_stand_together() -> None:
    matrix = sharing(make_layer(GROUPED)).matrix.matrix
    order = node_order(matrix)
    assert sorted(order) == [0, 1, 2, 3]
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    assert node_order(np.zeros((3, 3))) == [0, 1, 2]
    assert node_order(np.zeros((0, 0))) == []


def test_experts_stand_by_role_and_by_their_nodes() -> None:
    weight = np.array(GROUPED)
    found = sharing(make_layer(GROUPED))
    assert [role.kind for role in found.roles] == ["shared", "group", "group", "dead"]
    assert expert_order(found, weight, [1, 3, 0, 2]) == [0, 1, 2, 3]
    assert expert_order(found, weight, [0, 2, 1, 3]) == [0, 2, 1, 3]


def test_cells_are_as_dark_as_their_weight() -> None:
    dot = heat_map(*fund_usage())
    dark = {}
    for node, expert in ((0, 0), (0, 1), (1, 0), (1, 1)):
        look = statement(dot, f'"entry.0#{node}.{expert}"')
        dark[node, expert] = int(look["fillcolor"][-2:], 16)
    assert dark[0, 0] > dark[1, 0] > dark[1, 1] == 0
    assert dark[1, 0] == dark[0, 1]
    assert "60" in statement(dot, '"entry.0#0.0"')["label"]
    assert statement(dot, '"entry.0#0.0"')["tooltip"] == "home: 60.0% from e0 (shared)"
    assert "主搜" in statement(dot, '"entry.0 row 0"')["label"]
    assert LEAST_SHADED < 0.4


def test_the_mean_of_several_layers_stands_beside_them() -> None:
    plan = make_plan({"entry": {"a": "a", "b": "b"}}, experts=2, repeat=2)
    stack = [make_layer([[1, 0], [0, 1]], nodes=("a", "b")), make_layer([[1, 0], [1, 0]], layer=1, nodes=("a", "b"))]
    assert mean_matrix(stack).between("a", "b") == 0.5
    dot = heat_map(plan, Usage(tuple(stack)))
    assert "50" in statement(dot, '"entry.0 mean sharing of 2 layers#0.1"')["label"]
    assert statement(dot, '"entry.0 sharing#0.1"')["label"] == ""


def test_epochs_stand_side_by_side_in_the_order_of_the_last() -> None:
    plan, usage = fund_usage()
    early = Usage(tuple(replace(one, weight_NE=((0.25,) * 4,) * 2) for one in usage))
    dot = training_map(plan, [(1, early), (2, early), (3, usage)])
    assert re.findall(r'"entry\.0 epoch (\d) caption"', dot) == ["1", "2", "3"]
    assert "25.0% from e3 (shared)" in statement(dot, '"entry.0 epoch 1#0.3"')["tooltip"]
    assert "0.0% from e3 (dead)" in statement(dot, '"entry.0 epoch 3#0.3"')["tooltip"]
    many = training_map(plan, [(epoch, usage) for epoch in range(1, 101)])
    shown = [int(epoch) for epoch in re.findall(r'"entry\.0 epoch (\d+) caption"', many)]
    assert (shown[0], shown[-1], len(shown)) == (1, 100, 12)


def test_bands_are_as_wide_as_what_goes_there() -> None:
    names, usage = levels()
    plan = make_plan({"entry": {"home": "主搜", "wealth": "理财"}, "card": {"hot": "热门", "theme": "主题"}}, experts=2)
    dot = flow_graph(plan, usage)
    assert [name for name in names if f'"{name} title"' in dot] == names
    shares = {
        (tail, head): float(share)
        for tail, head, share in re.findall(r'"([\w #]+)" -> "([\w #]+)" \[.*?tooltip="[^"]*: ([\d.]+)% of rows"', dot)
    }
    assert shares["entry#0", "entry experts#0"] == 37.5
    assert shares["entry experts#0", "card#0"] == 50.0
    assert ("entry experts#0", "card#1") not in shares
    assert shares["card experts#0", "tasks experts#1"] == 15.0
    assert shares["tasks experts#0", "tasks#0"] == 50.0
    assert shares["tasks experts#0", "tasks#1"] == 25.0

    def wide(name: str) -> float:
        return float(statement(dot, f'"{name}"')["width"])

    assert wide("card#0") == pytest.approx(3 * wide("card#1"), rel=0.01)


def test_rare_experts_are_one_box_and_faint_bands_are_left_out() -> None:
    weight = [[0.5, 0.496, 0.001, 0.003], [0.9, 0.096, 0.003, 0.001]]
    plan = make_plan({"entry": {"a": "a", "b": "b"}})
    layer = make_layer(weight, [100, 100], nodes=("a", "b"))
    tasks = make_layer([[0.5, 0.5, 0.0, 0.0]] * 2, [200, 200], "tasks", 0, tuple(TASKS))
    dot = flow_graph(plan, Usage((layer, tasks)))
    assert "2 rare" in statement(dot, '"entry experts#2"')["tooltip"]
    assert '"entry experts#3"' not in dot
    assert LEAST_DRAWN_SHARE > 0.002
    assert '"entry#0" -> "entry experts#2"' not in dot


def test_a_plan_without_levels_flows_from_experts_to_tasks() -> None:
    tasks = make_layer([[1.0, 0.0], [0.5, 0.5]], [200, 200], "tasks", 0, tuple(TASKS))
    dot = flow_graph(make_plan({}, experts=2), Usage((tasks,)))
    assert '"tasks experts#1" -> "tasks#1"' in dot


@pytest.mark.parametrize(
    ("by", "one", "noun"),
    [(None, "node", "node"), ("city", "value of city", "value"), ("entry", "node of entry", "node")],
)
def test_pictures_say_whom_a_row_or_a_box_stands_for(by: str | None, one: str, noun: str) -> None:
    heat, graph = heat_map(*fund_usage(), by=by), sharing_graph(*fund_usage(), by=by)
    assert f"A row for each {one}, a column" in heat
    assert f"which experts each {one} learnt to use" in graph
    assert f"comes to its {noun} (white)" in graph
    assert f"specific to one {noun}" in heat
    assert f"specific to one {noun}" in graph
