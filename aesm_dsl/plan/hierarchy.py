"""Builds the hierarchy of a spec: which node lies under which, as a directed acyclic graph (networkx).

A vertex of the graph is `(level, name)`; the tasks are the last level, "tasks". Edges run from parent to child. A task
that follows another in the funnel is its child, by an edge with `funnel=True`. Mistakes are reported as E4xx.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx

from aesm_dsl.findings.diagnostic import Findings, Related, quoted
from aesm_dsl.plan.plan import MOST_LEAVES
from aesm_dsl.spec.levels import Level
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.name_rules import TASK_LEVEL
from aesm_dsl.spec.places import NAMELESS

MOST_IN_CIRCLE = 9
"""Names of a cycle that a finding shows."""
Vertex = tuple[str, str]
"""Level and name of a node, or "tasks" and the name of a task."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The levels from top to bottom, the tasks last, and the graph of their nodes.

    A vertex of the graph has the attributes `level`, `name` and `label`; the graph has `levels` and `title`.
    """

    levels: tuple[str, ...]
    graph: nx.DiGraph[Vertex]
    _places: dict[Vertex, int] = field(init=False, repr=False, compare=False)
    """The place of every vertex in declared order."""
    _by_level: dict[str, list[Vertex]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_level: dict[str, list[Vertex]] = {level: [] for level in self.levels}
        for vertex in self.graph.nodes:
            by_level[vertex[0]].append(vertex)
        # The class is frozen, hence object.__setattr__.
        object.__setattr__(self, "_places", {vertex: place for place, vertex in enumerate(self.graph.nodes)})
        object.__setattr__(self, "_by_level", by_level)

    def nodes(self, level: str) -> list[Vertex]:
        """Returns a level's nodes in declared order, which is the order of its gates."""
        return list(self._by_level[level])

    def parents(self, vertex: Vertex) -> list[Vertex]:
        """Returns the nodes of the level above under which a node lies, in declared order."""
        above = (parent for parent in self.graph.predecessors(vertex) if parent[0] != vertex[0])
        return sorted(above, key=self._places.__getitem__)

    def paths(self) -> Iterator[tuple[Vertex, ...]]:
        """Yields every path from the top to the end of a funnel, in declared order."""

        def walk(path: tuple[Vertex, ...]) -> Iterator[tuple[Vertex, ...]]:
            below = sorted(self.graph.successors(path[-1]), key=self._places.__getitem__)
            if not below:
                yield path
            for vertex in below:
                yield from walk((*path, vertex))

        for vertex in self.graph.nodes:
            if not self.graph.in_degree(vertex):
                yield from walk((vertex,))

    def arrows(self) -> list[str]:
        """Writes each path as `main -> hot_funds -> click -> purchase`."""
        return [" -> ".join(name for _, name in path) for path in self.paths()]

    def to_json(self) -> str:
        """Writes the graph as JSON in networkx' node-link form, with the arrows of `arrows` as `paths`."""
        data = nx.node_link_data(self.graph, edges="edges")
        return json.dumps({**data, "paths": self.arrows()}, ensure_ascii=False, indent=2) + "\n"


def build_hierarchy(spec: Spec, findings: Findings) -> Hierarchy | None:
    """Builds the hierarchy of a spec; returns None if its levels do not form one chain."""
    _check_task_cycles(spec, findings)
    levels = _ordered_levels(spec, findings)
    if levels is None:
        return None
    graph: nx.DiGraph[Vertex] = nx.DiGraph()
    names = tuple(level.name for level in levels)
    graph.graph.update(levels=(*names, TASK_LEVEL), title=spec.title or spec.name)
    if _too_many_leaves(spec, levels, findings):
        return None
    above: list[Vertex] = []
    for level in levels:
        vertices: list[Vertex] = []
        by_name = {name: (level, name) for level, name in above}
        for node in level.nodes:
            vertex = (level.name, node.name)
            graph.add_node(vertex, level=level.name, name=node.name, label=node.title or node.name)
            parents = above if node.under is None else [by_name[name] for name in node.under if name in by_name]
            graph.add_edges_from((parent, vertex) for parent in parents)
            vertices.append(vertex)
        above = vertices
    _add_tasks(spec, graph, above)
    _check_every_node_has_children(spec, levels, graph, findings)
    return Hierarchy((*names, TASK_LEVEL), graph)


def _ordered_levels(spec: Spec, findings: Findings) -> list[Level] | None:
    """The levels from top to bottom, or None; reports E401 to E403."""
    by_name = {level.name: level for level in spec.levels}
    if any(level.under is not None and level.under not in by_name for level in spec.levels):
        return None
    if any(spec.places.is_broken(f"level.{level.name}.under") for level in spec.levels):
        return None
    cycles = _check_level_cycles(spec, findings)
    below = _level_below(spec, findings)
    if cycles or below is None:
        return None
    ordered: list[Level] = []
    while (following := below.get(ordered[-1].name if ordered else None)) is not None:
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
        if not level.nodes and not spec.places.broken.within(f"level.{level.name}"):
            findings.add(
                "E403",
                f"level `{level.name}` has no nodes",
                spec.places.of(f"level.{level.name}"),
                label="nothing to tell apart",
                help="write `node NAME` for each value of its column",
            )
    return ordered


def _too_many_leaves(spec: Spec, levels: list[Level], findings: Findings) -> bool:
    """Whether there are more paths through the levels than aesm keeps apart (E414)."""
    paths_to: dict[str, int] = {}
    for depth, level in enumerate(levels):
        every = sum(paths_to.values()) if depth else 1
        paths_to = {
            node.name: every if node.under is None else sum(paths_to.get(name, 0) for name in node.under)
            for node in level.nodes
        }
        if sum(paths_to.values()) > MOST_LEAVES:
            findings.add(
                "E414",
                f"the levels down to `{level.name}` have {sum(paths_to.values()):,} leaves",
                spec.places.of(f"level.{level.name}"),
                label=f"at most {MOST_LEAVES:,} are kept apart",
                help=[
                    "make it a feature: a level is for what needs experts of its own",
                    "write `under = ...` in its nodes, if each lies under a few nodes only",
                ],
            )
            return True
    return False


def _check_level_cycles(spec: Spec, findings: Findings) -> bool:
    """Reports every cycle of levels; returns whether there is one."""
    names = [level.name for level in spec.levels]
    cycles = _cycles([(level.under, level.name) for level in spec.levels if level.under is not None], names)
    for cycle in cycles:
        findings.add(
            "E401",
            "the levels lie under each other in a circle",
            spec.places.of(f"level.{cycle[0]}.under"),
            label=_circle("under", [cycle[0], *reversed(cycle[1:]), cycle[0]]),
            help="delete one `under`: the first level has none",
            second=_cycle_end(spec, cycle, "level.{}.under"),
        )
    return bool(cycles)


def _level_below(spec: Spec, findings: Findings) -> dict[str | None, Level] | None:
    """Maps each level, None for the top, to the level below it; reports levels that share a parent, and returns None.

    Levels without a name have been reported already, and return None too.
    """
    below: dict[str | None, Level] = {}
    valid = True
    for level in spec.levels:
        if level.name == NAMELESS:
            valid = False
            continue
        first = below.setdefault(level.under, level)
        if first is level:
            continue
        valid = False
        span = spec.places.of(f"level.{first.name}")
        if level.under is None:
            message = f"level `{level.name}` lies under no level"
            label, help = "not part of the chain", f"write `under = {first.name}`, or the level it is part of"
            second = Related.at(span, "the first level")
        else:
            message = f"two levels lie under `{level.under}`"
            label, help = "the second one", "levels form one chain: put one under the other"
            second = Related.at(span, "the first one")
        findings.add("E402", message, spec.places.of(f"level.{level.name}"), label=label, help=help, second=second)
    return below if valid else None


def _circle(word: str, names: list[str]) -> str:
    """The names of a cycle in words; of a long one, its start and its end."""
    if len(names) > MOST_IN_CIRCLE:
        left = len(names) - MOST_IN_CIRCLE
        names = [*names[: MOST_IN_CIRCLE - 2], f"... {left} more ...", *names[-2:]]
    return f" {word} ".join(name if name.startswith("... ") else f"`{name}`" for name in names)


def _cycle_end(spec: Spec, cycle: list[str], path: str) -> Related | None:
    """The place of the last member of a cycle with more than one member."""
    return Related.at(spec.places.of(path.format(cycle[-1])), "and so back to it") if len(cycle) > 1 else None


def _cycles(links: list[tuple[str | None, str | None]], declared: list[str]) -> list[list[str]]:
    """The cycles among links, each rotated so that it starts with the member that was declared first."""
    rotated, place = [], {name: number for number, name in enumerate(declared)}
    for cycle in nx.simple_cycles(nx.DiGraph(links)):
        start = min(range(len(cycle)), key=lambda i: place[cycle[i]])
        rotated.append(cycle[start:] + cycle[:start])
    return rotated


def _add_tasks(spec: Spec, graph: nx.DiGraph[Vertex], above: list[Vertex]) -> None:
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


def _check_task_cycles(spec: Spec, findings: Findings) -> None:
    """Reports cycles of tasks by `after` (E407) and by `where` (E413)."""
    tasks = {task.name: task for task in spec.tasks.tasks}
    for cycle in _cycles([(task.after, task.name) for task in tasks.values() if task.after in tasks], list(tasks)):
        findings.add(
            "E407",
            f"task `{cycle[0]}` comes after itself"
            if len(cycle) == 1
            else "these tasks come after each other in a circle",
            spec.places.of(f"tasks.task.{cycle[0]}.after"),
            label=_circle("after", [cycle[0], *reversed(cycle[1:]), cycle[0]]),
            help="delete one `after`: the first task of a funnel has none",
            second=_cycle_end(spec, cycle, "tasks.task.{}.after"),
        )
    for cycle in _cycles([(task.name, task.where) for task in tasks.values() if task.where in tasks], list(tasks)):
        findings.add(
            "E413",
            f"task `{cycle[0]}` counts only rows where it has happened itself"
            if len(cycle) == 1
            else "these tasks count only rows where the other has happened, in a circle",
            spec.places.of(f"tasks.task.{cycle[0]}.where"),
            label=_circle("where", [*cycle, cycle[0]]),
            help="delete one `where`: one of the tasks counts all rows",
            second=_cycle_end(spec, cycle, "tasks.task.{}.where"),
        )


def _check_every_node_has_children(
    spec: Spec, levels: list[Level], graph: nx.DiGraph[Vertex], findings: Findings
) -> None:
    """Reports nodes without a child in the next level (E405), except where that level has mistakes of its own.

    Parents need no check: a node without a valid `under` lies under all nodes above, or has been reported.
    """
    for level, below in pairwise(levels):
        names = {node.name for node in level.nodes}
        if (
            spec.places.broken.within(f"level.{below.name}")
            or not below.nodes
            or any(set(node.under or ()) - names for node in below.nodes)
        ):
            continue
        children = quoted(child.name for child in below.nodes)
        for node in level.nodes:
            if graph.out_degree((level.name, node.name)):
                continue
            findings.add(
                "E405",
                f"no node of level `{below.name}` lies under `{node.name}`",
                spec.places.of(f"level.{level.name}.node.{node.name}"),
                label="no path from here reaches a task",
                help=f"add it to the `under` of one of them ({children}), or delete it",
            )
