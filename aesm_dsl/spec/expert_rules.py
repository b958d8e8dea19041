"""Rules about experts: a level has enough of them for what it selects."""

from __future__ import annotations

from collections.abc import Iterator

from aesm_dsl.findings.diagnostic import Related
from aesm_dsl.spec.levels import ExpertsBlock, RunsShared
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.rule_context import RuleContext


def selects_from_enough_experts(context: RuleContext) -> None:
    """No level selects more experts for a row than it has."""
    places = context.spec.places
    for path, experts in _all_experts(context.spec):
        for word in ("specific", "shared"):
            selected, count = getattr(experts, word), experts.count
            if isinstance(selected, int) and isinstance(count, int) and selected > count:
                word_path = _written_path(context.spec, path, word)
                count_path = _written_path(context.spec, path, "count")
                if places.is_broken(word_path) or places.is_broken(count_path):
                    continue
                context.findings.add(
                    "E408",
                    f"`{word} = {selected}` is more than there are experts",
                    places.of(word_path),
                    label=f"{selected} of {count}",
                    help=f"write `{word} = {count}` or less, or a larger `count`",
                    second=Related.at(places.of(count_path), f"{count} experts"),
                )


def budget_keeps_best_experts(context: RuleContext) -> None:
    """The budget of experts is large enough for the best expert of every task."""
    tasks, places = context.spec.tasks, context.spec.places
    count = len(tasks.tasks)
    needed = count if tasks.experts.count == "auto" else min(count, tasks.experts.count)
    if tasks.budget is None or tasks.budget >= needed or context.lost or places.is_broken("tasks"):
        return
    context.findings.add(
        "E411",
        f"`budget = {tasks.budget} experts` is too small for {count} tasks",
        places.of("tasks.budget"),
        label="every task keeps its best expert",
        help=f"write `budget = {needed} experts` or more",
        second=Related.at(places.of("tasks"), f"{count} tasks"),
    )


def unknown_nodes_have_experts(context: RuleContext) -> None:
    """A level that accepts unknown nodes has shared experts for their rows."""
    places = context.spec.places
    for level in context.spec.levels:
        unknown = f"level.{level.name}.unknown"
        shared = _written_path(context.spec, f"level.{level.name}.experts", "shared")
        if not isinstance(level.unknown, RunsShared) or level.experts.shared != 0:
            continue
        if places.is_broken(unknown) or places.is_broken(shared):
            continue
        context.findings.add(
            "E412",
            f"rows of unknown nodes of level `{level.name}` have no experts to run on",
            places.of(unknown),
            label="they run on the shared experts alone",
            help="write `shared = 1` or more, or `unknown = error`",
            second=Related.at(places.of(shared), "there are none"),
        )


def _all_experts(spec: Spec) -> Iterator[tuple[str, ExpertsBlock]]:
    for level in spec.levels:
        yield f"level.{level.name}.experts", level.experts
    yield "tasks.experts", spec.tasks.experts


def _written_path(spec: Spec, path: str, word: str) -> str:
    """The path where a level's setting was written: in the level, or in the model's own `experts`."""
    level_path = f"{path}.{word}"
    return level_path if level_path in spec.places.values else f"experts.{word}"
