"""Spec -> Hierarchy: edges, paths, and what cannot be a hierarchy."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest

from aesm_dsl import Spec, compile_spec
from tests.worlds import THREE_LEVELS, told


def test_paths_as_arrows() -> None:
    arrows = compile_spec(Spec.parse(THREE_LEVELS)).hierarchy.arrows()
    assert len(arrows) == 12
    assert arrows[:4] == [
        "cn -> home -> organic -> view -> click -> buy",
        "cn -> home -> organic -> share",
        "cn -> search -> ad -> view -> click -> buy",
        "cn -> search -> ad -> share",
    ]


def test_it_is_a_directed_acyclic_graph_with_levels_and_a_funnel() -> None:
    hierarchy = compile_spec(Spec.parse(THREE_LEVELS)).hierarchy
    graph = hierarchy.graph
    assert isinstance(graph, nx.DiGraph)
    assert nx.is_directed_acyclic_graph(graph)
    assert hierarchy.levels == ("country", "page", "card", "tasks")
    assert hierarchy.parents(("card", "ad")) == [("page", "search")]
    assert hierarchy.parents(("card", "organic")) == [("page", "home"), ("page", "search")]
    assert graph.edges[("tasks", "view"), ("tasks", "click")]["funnel"]
    assert graph.nodes["country", "cn"]["label"] == "中国"
    assert not graph.has_edge(("card", "ad"), ("tasks", "buy"))


def test_levels_come_top_down_however_they_are_written() -> None:
    text = THREE_LEVELS.replace("level country {", "level country {\n    embed = 4", 1)
    start, end = text.index("  level country"), text.index("  level page")
    moved = text[:start] + text[end:].replace("  tasks {", text[start:end] + "  tasks {", 1)
    before, after = (compile_spec(Spec.parse(one)) for one in (text, moved))
    assert after.hierarchy.levels == before.hierarchy.levels
    assert after.plan == before.plan


def test_json_has_nodes_edges_and_paths() -> None:
    hierarchy = compile_spec(Spec.parse(THREE_LEVELS)).hierarchy
    data = json.loads(hierarchy.to_json())
    assert len(data["nodes"]) == 10
    assert data["paths"] == hierarchy.arrows()
    assert len(data["edges"]) == hierarchy.graph.number_of_edges()


def test_tasks_alone() -> None:
    text = "aesm = 1\nmodel m {\n features f { a = category }\n tasks { task t }\n}\n"
    assert compile_spec(Spec.parse(text)).hierarchy.arrows() == ["t"]


MODEL = "aesm = 1\nmodel m {{\nfeatures f {{ a = category }}\n{levels}\ntasks {{ {tasks} }}\n}}\n"


@pytest.mark.parametrize(
    ("levels", "tasks", "expected"),
    [
        ("level a { under = b; node x }\nlevel b { under = a; node y }", "task t", ["E401"]),
        ("level a { under = a; node x }", "task t", ["E401"]),
        ("level a { node x }\nlevel b { node y }", "task t", ["E402"]),
        ("level a { node x }\nlevel b { under = a; node y }\nlevel c { under = a; node z }", "task t", ["E402"]),
        ("level a { node x }\nlevel b { under = a; node y }", "under = a; task t", ["E402"]),
        ("level a { }", "task t", ["E403"]),
        ("level a { node x; node y }\nlevel b { under = a; node z { under = x } }", "task t", ["E405"]),
        ("level a { node x }\nlevel b { under = a; node z { under = [] } }", "task t", ["E302"]),
        ("level a { node x }", "task t { after = s }; task s { after = t }", ["E407"]),
        ("level a { node x }", "task t { after = t }", ["E407"]),
        ("level a { node x }", "", ["E406"]),
        # A wrong reference is told once; what follows from it is not.
        ("level a { node x; node y }\nlevel b { under = a; node z { under = [x, yy] } }", "task t", ["E203"]),
        ("level a { node x }\nlevel b { under = aa; node z }", "task t", ["E203"]),
    ],
)
def test_what_cannot_be(tmp_path: Path, levels: str, tasks: str, expected: list[str]) -> None:
    lines = told(tmp_path, MODEL.format(levels=levels, tasks=tasks)).splitlines()
    assert [line.partition("[")[2][:4] for line in lines] == expected
    assert all(line.startswith("spec.aesm:") for line in lines)


def test_leaves_are_counted_before_they_are_made(tmp_path: Path) -> None:
    """Of many nodes that lie under one each there are few, and of few levels of nodes under all others too many."""
    page = "".join(f"node p{number}; " for number in range(1001))
    below = "".join(f"node c{number} {{ under = p{number} }}; " for number in range(1001))

    def said(second: str) -> str:
        levels = f"level a {{ {page} }}\nlevel b {{ under = a; {second} }}"
        return told(tmp_path, MODEL.format(levels=levels, tasks="task t"))

    assert said(below) == ""
    assert "error[E414] the levels down to `b` have 1,002,001 leaves" in said(page)


def test_three_mistakes_are_three_located_findings(tmp_path: Path) -> None:
    text = THREE_LEVELS.replace("quantiles: 4", "quantiles: 1").replace("under = page", "under = pge")
    text = text.replace("after = view", "afer = view")
    assert told(tmp_path, text).splitlines() == [
        "spec.aesm:6:31: error[E302] `quantiles` must be from 2 to 65,536",
        "spec.aesm:20:13: error[E203] no level called `pge`",
        "spec.aesm:26:35: error[E202] `task` has no setting `afer`",
    ]
