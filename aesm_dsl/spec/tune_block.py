"""`take_search_space`: the block `tune` out of a file, as dimensions (space.py). E309 for what cannot be searched."""

from __future__ import annotations

import math
from dataclasses import replace

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.spec.misplaced import report_block_twice
from aesm_dsl.spec.search_space import TUNE, Dimension, placeholder_calls, placeholder_kind
from aesm_dsl.spec.value_errors import SpecReporter
from aesm_dsl.syntax import tree

FORM = "for example `level.card.experts.count = choice(4, 8, 16)`, or `embed = int(8, 64)`"


def take_search_space(file: tree.File, findings: Findings) -> tuple[tree.File, tuple[Dimension, ...]]:
    """The file without its block `tune`, and what stands in that; E309 for what cannot be searched."""
    reporter, found = SpecReporter(findings, file.damaged), list[Dimension]()
    statements = tuple(_without(one, reporter, found) for one in file.statements)
    return replace(file, statements=statements), tuple(found)


def _without(statement: tree.Statement, reporter: SpecReporter, found: list[Dimension]) -> tree.Statement:
    if not isinstance(statement, tree.Block) or statement.kind.text != "model":
        return statement
    blocks = [one for one in statement.statements if isinstance(one, tree.Block) and one.kind.text == TUNE]
    for again in blocks[1:]:
        report_block_twice(reporter, blocks[0], again, statement)
    for one in blocks[0].statements if blocks else ():
        if isinstance(one, tree.Setting):
            dimension = Dimension(one)
            if _sound(dimension, reporter):
                found.append(dimension)
        else:
            reporter.report("E309", "`tune` has no blocks", one.head, label="expected a setting", help=FORM)
    return replace(statement, statements=tuple(one for one in statement.statements if one not in blocks))


def _sound(dimension: Dimension, reporter: SpecReporter) -> bool:
    calls = placeholder_calls(dimension.value)
    if not calls:
        help = ["write `choice(...)`, `int(from, to)`, `float(from, to)` or `log(from, to)` in it", FORM]
        said = f"`{dimension.path}` has one value, and nothing to search"
        reporter.report("E309", said, dimension.value.span, label="one value", help=help)
        return False
    for call in calls:
        wrong = _wrong(call)
        if wrong:
            reporter.report(
                "E309", f"`{placeholder_kind(call)}` {wrong}", call.span, label="cannot be searched", help=FORM
            )
            return False
    return True


def _wrong(call: tree.Call) -> str:
    values = [one.value for one in call.arguments]
    if any(one.name is not None for one in call.arguments):
        return "takes values without names"
    if inner := [one for value in values for one in placeholder_calls(value)]:
        return f"holds another `{placeholder_kind(inner[0])}`"
    if placeholder_kind(call) == "choice":
        return "" if len(values) > 1 else "needs two values or more"
    numbers = [one.value for one in values if isinstance(one, tree.Number) and one.unit is None and not one.percent]
    if len(values) != 2 or len(numbers) != 2:
        return "takes two numbers, the least and the most"
    low, high = numbers
    if not low < high:
        return f"goes from {low} to {high}, which is not more"
    if placeholder_kind(call) == "int" and not all(isinstance(one, int) for one in numbers):
        return "takes whole numbers"
    return "takes numbers above 0" if placeholder_kind(call) == "log" and not (low > 0 and math.isfinite(high)) else ""
