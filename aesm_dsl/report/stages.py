"""What a stage of the pipeline makes of a spec, for `aesm show`: in the language's words, or as JSON."""

from __future__ import annotations

import json
from typing import Any

from aesm_dsl.plan.compiled import Compiled
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.format import format_file, format_value

STAGES = ("tree", "spec", "hierarchy", "plan")


def show_tree(file: tree.File, as_json: bool) -> str:
    """The tree of a spec: its text in the one layout, or its statements with their places."""
    return _dump(_file_data(file)) if as_json else format_file(file)


def show_stage(stage: str, compiled: Compiled, as_json: bool) -> str:
    """The resolved spec with the origin of every value, the paths as arrows, or the plan; each also as JSON."""
    if stage == "spec":
        return (
            _dump(compiled.spec.model_dump(mode="json", by_alias=True)) if as_json else compiled.resolved(origins=True)
        )
    if stage == "hierarchy":
        return compiled.hierarchy.to_json() if as_json else "".join(f"{one}\n" for one in compiled.hierarchy.arrows())
    return compiled.plan.to_json()


def _file_data(file: tree.File) -> dict[str, Any]:
    return {"statements": [_statement_data(one) for one in file.statements]}


def _statement_data(statement: tree.Statement) -> dict[str, Any]:
    place = {"line": statement.span.line, "column": statement.span.column}
    if isinstance(statement, tree.Setting):
        return {"setting": statement.key.text, "value": format_value(statement.value), **place}
    return {
        "block": statement.kind.text,
        "name": statement.name.text if statement.name else None,
        "label": statement.label.text if statement.label else None,
        **place,
        "statements": [_statement_data(one) for one in statement.statements],
    }


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
