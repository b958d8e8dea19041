"""The command `aesm compile`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli.arguments import Arch, AsResult, Overrides, ResultFormat, SpecPath
from aesm_dsl.cli.output import print_json, print_table, print_text, say, warn


def compile_(
    spec: SpecPath,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for plan.json, hierarchy.json and spec.aesm.")
    ] = None,
    arch: Arch = None,
    form: AsResult = ResultFormat.text,
    overrides: Overrides = None,
) -> None:
    """Compile a spec to a plan and print its layers: nodes, experts, widths, K, parameters, FLOPs per row."""
    from aesm_dsl.api import compile as api
    from aesm_dsl.plan.cost import cost
    from aesm_dsl.plan.tables import embedding_tables
    from aesm_dsl.report.baseline import size_data
    from aesm_dsl.report.hashed_ids import hashed_ids_text
    from aesm_dsl.report.tables import cost_data, layer_table

    compiled = api.compile_spec(spec, out, overrides or (), arch=arch, warn=warn)
    plan = compiled.plan
    if form is ResultFormat.json:
        size = {} if plan.baseline is None else {"size": size_data(plan, plan.baseline)}
        tables = [asdict(table) for table in embedding_tables(plan)]
        levels, paths = cost_data(cost(plan)), compiled.hierarchy.arrows()
        print_json({"name": plan.name, "levels": levels, **size, "tables": tables, "paths": paths})
    else:
        print_table(layer_table(plan))
        if text := hashed_ids_text(plan):
            print_text(f"{text}\n")
    if out is not None:
        say(f"wrote {out / 'plan.json'}, {out / 'hierarchy.json'}, {out / 'spec.aesm'}")
