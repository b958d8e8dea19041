"""The command `aesm show`."""

from __future__ import annotations

from typing import Annotated

import typer

from aesm_dsl.cli.arguments import Overrides, ShowFormat, SpecPath
from aesm_dsl.cli.output import print_table, print_text, warn


def show(
    spec: SpecPath,
    stage: Annotated[
        str, typer.Option("--stage", help="Of `tree`, `spec`, `hierarchy`, `plan`; several with commas.")
    ] = "spec",
    form: Annotated[
        ShowFormat, typer.Option("--format", help="In the language's words, or as JSON.")
    ] = ShowFormat.aesm,
    overrides: Overrides = None,
) -> None:
    """Print what a stage makes of a spec: its tree, the resolved spec with every value's origin, paths, or plan."""
    from aesm_dsl.api.compile import compile_spec
    from aesm_dsl.report.stages import STAGES, show_stage, show_tree
    from aesm_dsl.report.tables import layer_table
    from aesm_dsl.spec.spec_file import read_tree

    stages = [name.strip() for name in stage.split(",")]
    unknown = [name for name in stages if name not in STAGES]
    if unknown:
        raise typer.BadParameter(f"no stage `{unknown[0]}`; stages are {', '.join(STAGES)}", param_hint="--stage")
    as_json = form is ShowFormat.json
    compiled = None if stages == ["tree"] else compile_spec(spec, overrides=overrides or (), warn=warn)
    for name in stages:
        if name == "tree" or compiled is None:
            print_text(show_tree(read_tree(spec), as_json))
        elif name == "plan" and not as_json:
            print_table(layer_table(compiled.plan))
        else:
            print_text(show_stage(name, compiled, as_json))
