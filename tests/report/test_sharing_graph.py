"""The learnt picture says what was learnt."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from aesm_dsl.report.panel import LEAST_DRAWN_WEIGHT
from aesm_dsl.report.sharing_graph import sharing_graph
from aesm_dsl.training.sharing.usage import Usage
from tests.report.cases import fund_usage, make_layer, make_plan, statement


def one_level(weight: list[list[float]], rows: list[int] | None = None) -> str:
    """The picture of a single level with these mean mixture weights."""
    nodes = {f"n{at}": f"节点{at}" for at in range(len(weight))}
    return sharing_graph(make_plan({"entry": nodes}, len(weight[0])), Usage((make_layer(weight, rows),)))


def edges(dot: str) -> dict[tuple[str, str], dict[str, str]]:
    found = re.findall(r'^("(\w+)\.\d+/([^"]+)" -> "\w+\.\d+#(e\d+)") \[', dot, re.MULTILINE)
    return {(node, expert): statement(dot, head) for head, _, node, expert in found}


def middle_y(dot: str, head: str) -> float:
    return float(statement(dot, head)["pos"].split(",")[1])


def test_nodes_experts_labels_and_shares() -> None:
    dot = sharing_graph(*fund_usage())
    home = statement(dot, '"entry.0/home"')["label"]
    assert "主搜" in home
    assert "home" in home
    assert "75% of rows" in home
    assert "基金搜索" in statement(dot, '"title"')["label"]
    assert "55%" in statement(dot, '"entry.0#e0"')["label"]  # 3/4 * 0.6 + 1/4 * 0.4
    assert "after 点击" in statement(dot, '"tasks.0/purchase"')["label"]
    assert "of rows" not in statement(dot, '"tasks.0/purchase"')["label"]
    assert "How to read" in dot


def test_lines_go_where_the_weight_is() -> None:
    dot = sharing_graph(*fund_usage())
    entry = {pair for pair in edges(dot) if pair[0] in ("home", "wealth")}
    assert entry == {("home", "e0"), ("wealth", "e0"), ("home", "e1"), ("wealth", "e2")}


def test_width_and_opacity_grow_with_the_weight() -> None:
    dot = one_level([[0.05, 0.15, 0.3, 0.5], [0.25, 0.25, 0.25, 0.25]])
    looks = [edges(dot)["n0", f"e{expert}"] for expert in range(4)]
    widths = [float(look["penwidth"]) for look in looks]
    opacities = [int(look["color"][-2:], 16) for look in looks]
    assert widths == sorted(set(widths))
    assert opacities == sorted(set(opacities))


def test_faint_lines_are_left_out() -> None:
    drawn, faint = LEAST_DRAWN_WEIGHT, LEAST_DRAWN_WEIGHT * 0.99
    dot = one_level([[drawn, 1 - drawn], [faint, 1 - faint]])
    assert ("n0", "e0") in edges(dot)
    assert ("n1", "e0") not in edges(dot)


def test_roles_have_colours_and_rows() -> None:
    dot = one_level([[0.4, 0.4, 0.2, 0.0], [0.4, 0.0, 0.2, 0.4], [1.0, 0.0, 0.0, 0.0]])
    kinds = [statement(dot, f'"entry.0#e{expert}"')["class"] for expert in range(4)]
    assert kinds == ["shared", "specific", "group", "specific"]
    colours = {kind: statement(dot, f'"entry.0#e{expert}"')["color"] for expert, kind in enumerate(kinds)}
    assert len(set(colours.values())) == 3
    assert edges(dot)["n0", "e2"]["color"].startswith(colours["group"])
    node, shared, own = (middle_y(dot, f'"entry.0{name}"') for name in ("/n0", "#e0", "#e1"))
    assert shared > node > own


def test_dead_experts_are_one_pale_dashed_box() -> None:
    dot = one_level([[1.0, 0.0, 0.0, 0.0005], [0.9995, 0.0005, 0.0, 0.0]])
    dead = statement(dot, '"entry.0#dead"')
    assert "3 dead" in dead["label"]
    assert dead["tooltip"] == "e1 e2 e3"
    assert "dashed" in dead["style"]
    assert '"entry.0#e1"' not in dot
    assert '"entry.0#dead"' not in one_level([[0.5, 0.5], [0.5, 0.5]])


def test_rarely_used_experts_are_folded_apart_from_the_dead() -> None:
    dot = one_level([[0.98, 0.01, 0.01, 0.0], [1.0, 0.0, 0.0, 0.0]])
    assert "2 rarely used" in statement(dot, '"entry.0#rare"')["label"]
    assert "1 dead" in statement(dot, '"entry.0#dead"')["label"]


def test_own_experts_lie_under_their_nodes_and_boxes_never_overlap() -> None:
    nodes, experts = 20, 64
    weight = [[0.0] * experts for _ in range(nodes)]
    for expert in range(experts):
        weight[(expert * 7) % nodes][expert] = 0.3
    dot = one_level(weight)
    places = [float(statement(dot, f'"entry.0#e{expert}"')["pos"].split(",")[0]) for expert in range(experts)]
    owners = [(expert * 7) % nodes for expert in range(experts)]
    order = [owner for _, owner in sorted(zip(places, owners, strict=True))]
    assert order == sorted(order)
    ordered = sorted(places)
    assert all(right - left >= 40 for left, right in pairwise(ordered))


def test_which_layers_are_shown() -> None:
    plan = make_plan({"entry": {"a": "a", "b": "b"}}, experts=2, repeat=3)
    usage = Usage(
        tuple(
            make_layer([[0.5 + apart, 0.5 - apart], [0.5, 0.5]], level=level, layer=layer, nodes=nodes)
            for level, nodes, best in (("entry", ("a", "b"), 0), ("tasks", ("click", "purchase"), 1))
            for layer, apart in ((0, 0.4 * (best == 0)), (1, 0.4 * (best == 1)), (2, 0.1))
        )
    )

    def panels(layers: str) -> list[str]:
        return re.findall(r'subgraph "cluster (\w+\.\d+)#panel"', sharing_graph(plan, usage, layers))

    assert panels("best") == ["entry.0", "tasks.1"]
    assert panels("first") == ["entry.0", "tasks.0"]
    assert panels("last") == ["entry.2", "tasks.2"]
    assert panels("all") == [f"{level}.{layer}" for level in ("entry", "tasks") for layer in (0, 1, 2)]
    with pytest.raises(ValueError, match="second"):
        panels("second")


def test_panels_are_stacked_without_overlap() -> None:
    boxes = [
        [float(value) for value in box.split(",")] for box in re.findall(r'bb="([^"]+)"', sharing_graph(*fund_usage()))
    ]
    assert len(boxes) == 2
    assert boxes[0][1] > boxes[1][3]
    assert boxes[0][0] == boxes[1][0]
    assert boxes[0][2] == boxes[1][2]


def test_nodes_without_rows_say_so() -> None:
    dot = one_level([[0.5, 0.5], [0.0, 0.0]], rows=[10, 0])
    assert "no rows" in statement(dot, '"entry.0/n1"')["label"]


def test_a_node_may_be_called_like_an_expert() -> None:
    plan = make_plan({"entry": {"e0": "e0", "dead": "dead"}}, 2)
    dot = sharing_graph(plan, Usage((make_layer([[1.0, 0.0], [1.0, 0.0]], nodes=("e0", "dead")),)))
    assert set(edges(dot)) == {("e0", "e0"), ("dead", "e0")}
