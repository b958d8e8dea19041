"""The hierarchy's picture says everything that the hierarchy says."""

from __future__ import annotations

import re
from itertools import pairwise

from aesm_dsl.report.structure_graph import structure_graph
from tests.report.cases import CARDS, ENTRIES, TASKS, fund_hierarchy, make_hierarchy, statement


def arrows(dot: str) -> set[tuple[str, str]]:
    return set(re.findall(r'^"([^"]+)" -> "([^"]+)"', dot, re.MULTILINE))


def middle(dot: str, node: str) -> tuple[float, float]:
    """x and y, both upwards as Graphviz counts."""
    x, y = statement(dot, f'"{node}"')["pos"].split(",")
    return float(x), float(y)


def test_every_node_with_its_label_and_its_name_beneath() -> None:
    dot = structure_graph(fund_hierarchy())
    for level, nodes in (("entry", ENTRIES), ("card", CARDS), ("tasks", TASKS)):
        for name, label in nodes.items():
            text = statement(dot, f'"{level}/{name}"')["label"]
            assert label in text
            assert name in text.split("<br/>")[1]


def test_a_label_that_is_the_name_is_written_once() -> None:
    dot = structure_graph(make_hierarchy({"tasks": {"click": "click"}}, []))
    assert statement(dot, '"tasks/click"')["label"].count("click") == 1


def test_every_edge() -> None:
    levels = {"entry": ENTRIES, "card": CARDS, "tasks": {"click": "点击"}}
    edges = [("entry/home", "card/hot"), ("entry/wealth", "card/theme"), ("card/hot", "tasks/click")]
    assert arrows(structure_graph(make_hierarchy(levels, edges))) == set(edges)


def test_every_to_every_is_bundled_through_a_dot() -> None:
    found = arrows(structure_graph(fund_hierarchy()))
    knot = "card x tasks"
    assert {pair for pair in found if knot in pair} == {
        *((f"card/{card}", knot) for card in CARDS),
        *((knot, f"tasks/{task}") for task in TASKS),
    }
    assert not any(tail.startswith("card/") and head.startswith("tasks/") for tail, head in found)
    assert ("entry/home", "card/hot") in found


def test_one_missing_edge_and_nothing_is_bundled() -> None:
    graph = fund_hierarchy()
    graph.remove_edge(("card", "hot"), ("tasks", "purchase"))
    found = arrows(structure_graph(graph))
    assert ("card/hot", "tasks/click") in found
    assert ("card/hot", "tasks/purchase") not in found
    assert not any("card x tasks" in pair for pair in found)


def test_the_funnel_is_dashed_and_says_then() -> None:
    dot = structure_graph(fund_hierarchy())
    look = statement(dot, '"tasks/click" -> "tasks/purchase"')
    assert look["style"] == "dashed"
    assert "then" in look["label"]
    assert "then" not in structure_graph(make_hierarchy({"tasks": TASKS}, []))


def test_a_funnel_past_another_task_goes_around_it() -> None:
    tasks = {"view": "浏览", "click": "点击", "cart": "加购"}
    dot = structure_graph(make_hierarchy({"tasks": tasks}, [], [("view", "cart"), ("view", "click")]))
    around = statement(dot, '"tasks/view" -> "tasks/cart"')["pos"]
    straight = statement(dot, '"tasks/view" -> "tasks/click"')["pos"]

    def reach(pos: str) -> float:
        return max(float(place.split(",")[-2]) for place in pos.split())

    x, _ = middle(dot, "tasks/click")
    assert reach(straight) == x
    assert reach(around) > x + float(statement(dot, '"tasks/click"')["width"]) * 36


def test_levels_are_columns_from_left_to_right_with_their_names() -> None:
    dot = structure_graph(fund_hierarchy())
    columns = [{middle(dot, f"{level}/{name}")[0] for name in nodes} for level, nodes in LEVELS.items()]
    assert [len(column) for column in columns] == [1, 1, 1]
    assert columns == sorted(columns, key=min)
    for level in LEVELS:
        assert level in statement(dot, f'"head {level}"')["label"]


LEVELS = {"entry": ENTRIES, "card": CARDS, "tasks": TASKS}


def test_nodes_keep_their_order_and_never_overlap() -> None:
    dot = structure_graph(fund_hierarchy())
    for level, nodes in LEVELS.items():
        heights = [middle(dot, f"{level}/{name}")[1] for name in nodes]
        assert all(above - below >= 38 for above, below in pairwise(heights)), level


def test_children_lie_beside_their_parents_so_that_arrows_do_not_cross() -> None:
    levels = {"entry": {"a": "a", "b": "b"}, "card": {"b1": "b1", "a1": "a1", "b2": "b2"}}
    edges = [("entry/b", "card/b1"), ("entry/a", "card/a1"), ("entry/b", "card/b2")]
    dot = structure_graph(make_hierarchy(levels, edges))
    heights = {name: middle(dot, f"card/{name}")[1] for name in ("a1", "b1", "b2")}
    assert heights["a1"] > heights["b1"] > heights["b2"]


def test_the_same_hierarchy_gives_the_same_text() -> None:
    assert structure_graph(fund_hierarchy()) == structure_graph(fund_hierarchy())


def test_an_empty_hierarchy_is_a_title() -> None:
    assert "fund_search" in structure_graph(make_hierarchy({}, []))
