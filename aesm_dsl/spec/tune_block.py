"""Takes the block `tune` out of a file, as dimensions of a search; E309 for what cannot be searched."""

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
    """Returns the file without its block `tune`, and the dimensions of the block; adds E309 for wrong ones."""
    reporter, dimensions = SpecReporter(findings, file.damaged), list[Dimension]()
    statements = tuple(_take(statement, reporter, dimensions) for statement in file.statements)
    return replace(file, statements=statements), tuple(dimensions)


def _take(statement: tree.Statement, reporter: SpecReporter, dimensions: list[Dimension]) -> tree.Statement:
    """The statement without the block `tune`, whose settings are added to `dimensions`."""
    if not isinstance(statement, tree.Block) or statement.kind.text != "model":
        return statement
    blocks = [inner for inner in statement.statements if isinstance(inner, tree.Block) and inner.kind.text == TUNE]
    for again in blocks[1:]:
        report_block_twice(reporter, blocks[0], again, statement)
    for inner in blocks[0].statements if blocks else ():
        if isinstance(inner, tree.Setting):
            dimension = Dimension(inner)
            if _can_be_searched(dimension, reporter):
                dimensions.append(dimension)
        else:
            reporter.report("E309", "`tune` has no blocks", inner.head, label="expected a setting", help=FORM)
    return replace(statement, statements=tuple(inner for inner in statement.statements if inner not in blocks))


def _can_be_searched(dimension: Dimension, reporter: SpecReporter) -> bool:
    calls = placeholder_calls(dimension.value)
    if not calls:
        help = ["write `choice(...)`, `int(from, to)`, `float(from, to)` or `log(from, to)` in it", FORM]
        message = f"`{dimension.path}` has one value, and nothing to search"
        reporter.report("E309", message, dimension.value.span, label="one value", help=help)
        return False
    for call in calls:
        wrong = _fault(call)
        if wrong:
            reporter.report(
                "E309", f"`{placeholder_kind(call)}` {wrong}", call.span, label="cannot be searched", help=FORM
            )
            return False
    return True


def _fault(call: tree.Call) -> str:
    """What is wrong with a placeholder, as a predicate; empty if nothing is."""
    values = [argument.value for argument in call.arguments]
    if any(argument.name is not None for argument in call.arguments):
        return "takes values without names"
    if nested := [inner for value in values for inner in placeholder_calls(value)]:
        return f"holds another `{placeholder_kind(nested[0])}`"
    if placeholder_kind(call) == "choice":
        return "" if len(values) > 1 else "needs two values or more"
    plain = (value for value in values if isinstance(value, tree.Number) and value.unit is None and not value.percent)
    numbers = [number.value for number in plain]
    if len(values) != 2 or len(numbers) != 2:
        return "takes two numbers, the least and the most"
    low, high = numbers
    if not low < high:
        return f"goes from {low} to {high}, which is not more"
    if placeholder_kind(call) == "int" and not all(isinstance(number, int) for number in numbers):
        return "takes whole numbers"
    return "takes numbers above 0" if placeholder_kind(call) == "log" and not (low > 0 and math.isfinite(high)) else ""
