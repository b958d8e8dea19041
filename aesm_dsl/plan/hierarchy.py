"""Spec -> Hierarchy: which node lies under which, as a directed acyclic graph (networkx); findings E4.

A node of the graph is `(level, name)`; the tasks are the last level, "tasks". Edges run from parent to child; a task
that follows another in the funnel is its child, by an edge with `funnel=True`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import networkx as nx

from aesm_dsl.findings.diagnostic import Findings, Related, quoted
from aesm_dsl.spec.levels import Level
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.name_rules import TASK_LEVEL
from aesm_dsl.spec.places import NAMELESS

Vertex = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The levels from top to bottom, the tasks last, and the graph of their nodes.

    Attributes of a vertex: `level`, `name`, `label`; of the graph: `levels`, `title`.
    """

    levels: tuple[str, ...]
    graph: nx.DiGraph[Vertex]

    def nodes(self, level: str) -> list[Vertex]:
        """The level's nodes in the order they were declared: the order of its gates."""
        return [vertex for vertex, data in self.graph.nodes(data=True) if data["level"] == level]

    def parents(self, vertex: Vertex) -> list[Vertex]:
        """The nodes of the level above it lies under, in their declared order."""
        above = {parent for parent in self.graph.predecessors(vertex) if parent[0] != vertex[0]}
        return [other for other in self.graph.nodes if other in above]

    def paths(self) -> Iterator[tuple[Vertex, ...]]:
        """Every way from the top to a last task, in declared order: what `aesm show` writes with arrows."""

        def walk(path: tuple[Vertex, ...]) -> Iterator[tuple[Vertex, ...]]:
            below = set(self.graph.successors(path[-1]))
            if not below:
                yield path
            for vertex in self.graph.nodes:
                if vertex in below:
                    yield from walk((*path, vertex))

        for vertex in self.graph.nodes:
            if not self.graph.in_degree(vertex):
                yield from walk((vertex,))

    def arrows(self) -> list[str]:
        """`main -> hot_funds -> click -> purchase`, one per path."""
        return [" -> ".join(name for _, name in path) for path in self.paths()]

    def to_json(self) -> str:
        """networkx' node-link form, with the paths as arrows beside it."""
        data = nx.node_link_data(self.graph, edges="edges")
        return json.dumps({**data, "paths": self.arrows()}, ensure_ascii=False, indent=2) + "\n"


def build_hierarchy(spec: Spec, findings: Findings) -> Hierarchy | None:
    """The hierarchy of a spec, or None when its levels do not form one chain."""
    _circles(spec, findings)
    levels = _chain(spec, findings)
    if levels is None:
        return None
    graph: nx.DiGraph[Vertex] = nx.DiGraph()
    names = tuple(level.name for level in levels)
    graph.graph.update(levels=(*names, TASK_LEVEL), title=spec.title or spec.name)
    above: list[Vertex] = []
    for level in levels:
        own: list[Vertex] = []
        known = {name: (level, name) for level, name in above}
        for node in level.nodes:
            vertex = (level.name, node.name)
            graph.add_node(vertex, level=level.name, name=node.name, label=node.title or node.name)
            parents = above if node.under is None else [known[name] for name in node.under if name in known]
            graph.add_edges_from((parent, vertex) for parent in parents)
            own.append(vertex)
        above = own
    _tasks(spec, graph, above)
    _reach(spec, levels, graph, findings)
    return Hierarchy((*names, TASK_LEVEL), graph)


def _chain(spec: Spec, findings: Findings) -> list[Level] | None:
    """The levels from top to bottom; tells cycles, levels that hang on nothing and levels that share a parent."""
    by_name = {level.name: level for level in spec.levels}
    known = [level for level in spec.levels if level.under is None or level.under in by_name]
    if len(known) < len(spec.levels) or any(spec.places.is_broken(f"level.{one.name}.under") for one in spec.levels):
        return None
    links = nx.DiGraph([(level.under, level.name) for level in known if level.under is not None])
    links.add_nodes_from(by_name)
    sound = True
    for cycle in nx.simple_cycles(links):
        ring = _in_order(cycle, list(by_name))
        findings.add(
            "E401",
            "the levels lie under each other in a circle",
            spec.places.of(f"level.{ring[0]}.under"),
            label=" under ".join([*(f"`{name}`" for name in [ring[0], *reversed(ring[1:]), ring[0]])]),
            help="delete one `under`: the first level has none",
            second=_closing(spec, ring, "level.{}.under"),
        )
        sound = False
    children: dict[str | None, Level] = {}
    for level in known:
        if level.name == NAMELESS:
            sound = False  # it has no name, and that has been told
            continue
        if level.under not in children:
            children[level.under] = level
            continue
        other, place = children[level.under], spec.places.of(f"level.{children[level.under].name}")
        if level.under is None:
            message, help = (
                f"level `{level.name}` lies under no level",
                f"write `under = {other.name}`, or the level it is part of",
            )
        else:
            message, help = f"two levels lie under `{level.under}`", "levels form one chain: put one under the other"
        findings.add(
            "E402",
            message,
            spec.places.of(f"level.{level.name}"),
            label="not part of the chain" if level.under is None else "the second one",
            help=help,
            second=Related.at(place, "the first level" if level.under is None else "the first one"),
        )
        sound = False
    if not sound:
        return None
    ordered: list[Level] = []
    while (following := children.get(ordered[-1].name if ordered else None)) is not None:
        ordered.append(following)
    last = ordered[-1].name if ordered else None
    if spec.tasks.under is not None and spec.tasks.under in by_name and spec.tasks.under != last:
        findings.add(
            "E402",
            f"the tasks lie under `{spec.tasks.under}`, which is not the last level",
            spec.places.of("tasks.under"),
            label=f"the last level is `{last}`",
            help=f"write `under = {last}`, or leave it out",
        )
    for level in ordered:
        if not level.nodes and not any(path.startswith(f"level.{level.name}.") for path in spec.places.broken):
            findings.add(
                "E403",
                f"level `{level.name}` has no nodes",
                spec.places.of(f"level.{level.name}"),
                label="nothing to tell apart",
                help="write `node NAME` for each value of its column",
            )
    return ordered


def _closing(spec: Spec, ring: list[str], path: str) -> Related | None:
    """The last place of a circle of several."""
    return Related.at(spec.places.of(path.format(ring[-1])), "and so back to it") if len(ring) > 1 else None


def _in_order(cycle: list[str], declared: list[str]) -> list[str]:
    """The cycle, turned so that it starts with the level that was declared first."""
    start = min(range(len(cycle)), key=lambda i: declared.index(cycle[i]))
    return cycle[start:] + cycle[:start]


def _tasks(spec: Spec, graph: nx.DiGraph[Vertex], above: list[Vertex]) -> None:
    tasks = {task.name: task for task in spec.tasks.tasks}
    for task in tasks.values():
        vertex = (TASK_LEVEL, task.name)
        graph.add_node(vertex, level=TASK_LEVEL, name=task.name, label=task.title or task.name)
    for task in tasks.values():
        vertex = (TASK_LEVEL, task.name)
        if task.after in tasks:
            graph.add_edge((TASK_LEVEL, task.after), vertex, funnel=True)
        elif task.after is None:
            graph.add_edges_from((parent, vertex) for parent in above)


def _circles(spec: Spec, findings: Findings) -> None:
    """Tells tasks that come after each other, or count only where the other happened, in a circle."""
    tasks = {task.name: task for task in spec.tasks.tasks}
    for ring in _rings([(task.after, task.name) for task in tasks.values() if task.after in tasks], list(tasks)):
        findings.add(
            "E407",
            f"task `{ring[0]}` comes after itself"
            if len(ring) == 1
            else "these tasks come after each other in a circle",
            spec.places.of(f"tasks.task.{ring[0]}.after"),
            label=" after ".join(f"`{name}`" for name in [ring[0], *reversed(ring[1:]), ring[0]]),
            help="delete one `after`: the first task of a funnel has none",
            second=_closing(spec, ring, "tasks.task.{}.after"),
        )
    for ring in _rings([(task.name, task.where) for task in tasks.values() if task.where in tasks], list(tasks)):
        findings.add(
            "E413",
            f"task `{ring[0]}` counts only rows where it has happened itself"
            if len(ring) == 1
            else "these tasks count only rows where the other has happened, in a circle",
            spec.places.of(f"tasks.task.{ring[0]}.where"),
            label=" where ".join(f"`{name}`" for name in [*ring, ring[0]]),
            help="delete one `where`: one of the tasks counts all rows",
            second=_closing(spec, ring, "tasks.task.{}.where"),
        )


def _rings(links: list[tuple[str | None, str | None]], declared: list[str]) -> list[list[str]]:
    """The circles among links, each turned so that it starts with what was declared first."""
    return [_in_order(cycle, declared) for cycle in nx.simple_cycles(nx.DiGraph(links))]


def _reach(spec: Spec, levels: list[Level], graph: nx.DiGraph[Vertex], findings: Findings) -> None:
    """Every node has something below it. That it has something above it follows from how edges are made."""
    for level, below in pairwise(levels):
        names = {node.name for node in level.nodes}
        unsure = any(path.startswith(f"level.{below.name}.") for path in spec.places.broken)
        if unsure or not below.nodes or any(set(node.under or ()) - names for node in below.nodes):
            continue
        for node in level.nodes:
            if graph.out_degree((level.name, node.name)):
                continue
            children = quoted(child.name for child in below.nodes)
            findings.add(
                "E405",
                f"no node of level `{below.name}` lies under `{node.name}`",
                spec.places.of(f"level.{level.name}.node.{node.name}"),
                label="no path from here reaches a task",
                help=f"add it to the `under` of one of them ({children}), or delete it",
            )
