"""`aesm show`: the result of one stage of the pipeline for a spec, in the language's words or as JSON."""

from __future__ import annotations

import json
from typing import Any

from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import format_file, format_value

STAGES = ("tree", "spec", "hierarchy", "plan")


def show_tree(file: tree.File, as_json: bool) -> str:
    """Returns the tree of a spec: its formatted text, or as JSON its statements with their lines and columns."""
    return (
        _json_text({"statements": [_statement_data(statement) for statement in file.statements]})
        if as_json
        else format_file(file)
    )


def show_stage(stage: str, compiled: Compiled, as_json: bool) -> str:
    """Returns the result of a later stage.

    Args:
        stage: "spec", the resolved spec with the origin of every value; "hierarchy", its paths as arrows; or "plan".
        compiled: the compiled spec.
        as_json: whether the result is JSON; a plan always is.
    """
    if stage == "spec":
        if as_json:
            return _json_text(compiled.spec.model_dump(mode="json", by_alias=True))
        return compiled.resolved(origins=True)
    if stage == "hierarchy":
        if as_json:
            return compiled.hierarchy.to_json()
        return "".join(f"{path}\n" for path in compiled.hierarchy.arrows())
    return compiled.plan.to_json()


def _statement_data(statement: tree.Statement) -> dict[str, Any]:
    position = {"line": statement.span.line, "column": statement.span.column}
    if isinstance(statement, tree.Setting):
        return {"setting": statement.key.text, "value": format_value(statement.value), **position}
    return {
        "block": statement.kind.text,
        "name": statement.name.text if statement.name else None,
        "label": statement.label.text if statement.label else None,
        **position,
        "statements": [_statement_data(inner) for inner in statement.statements],
    }


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
