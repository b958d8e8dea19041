"""Commands about a spec's text: check, show."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import FindingsFormat, Overrides, ShowFormat, SpecPath
from aesm_dsl.cli.files import spec_files
from aesm_dsl.cli.output import colour, console, print_json, say, warn
from aesm_dsl.findings.diagnostic import Findings


def check(
    specs: Annotated[
        list[Path],
        typer.Argument(
            metavar="SPEC...", help="One or more specs, or folders of .aesm files.", autocompletion=completion.specs
        ),
    ],
    data: Annotated[bool, typer.Option("--data", help="Also read and check the tables the specs name.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="As --data, and also print what the training rows are like.")
    ] = False,
    form: Annotated[FindingsFormat, typer.Option("--format", help="How findings are printed.")] = FindingsFormat.full,
    overrides: Overrides = None,
) -> None:
    """Find every mistake in specs: text, names, values, hierarchy, and with --data the tables."""
    from aesm_dsl.api import train
    from aesm_dsl.findings.render import render

    findings = Findings()
    files = spec_files(specs, findings)
    profiles: dict[str, Any] = {}
    for spec in files:
        if profile:
            found, profiles[str(spec)] = train.profile(spec, overrides or ())
        else:
            found = train.check(spec, overrides or (), data=data)
        findings.extend(found)
    told = render(findings, form.value, colour=colour(sys.stdout))
    if profile and form is FindingsFormat.json:
        print_json({"findings": json.loads(told), "profiles": profiles})
    else:
        sys.stdout.write(told)
        _print_profiles([one for one in profiles.values() if one is not None])
    if form is FindingsFormat.full and not findings.items:
        say(f"{len(files)} spec{'s' * (len(files) > 1)} checked, no findings")
    if findings.errors:
        raise typer.Exit(1)


def _print_profiles(profiles: list[dict[str, Any]]) -> None:
    from aesm_dsl.report.profile import advice, profile_tables

    for one in profiles:
        for table in profile_tables(one):
            console(sys.stdout).print(table)
        sys.stdout.write("".join(f"{line}\n" for line in advice(one)))


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
    from aesm_dsl.api import train
    from aesm_dsl.report.stages import STAGES, show_stage, show_tree
    from aesm_dsl.report.tables import layer_table
    from aesm_dsl.spec.spec_file import read_tree

    stages = [one.strip() for one in stage.split(",")]
    unknown = [one for one in stages if one not in STAGES]
    if unknown:
        raise typer.BadParameter(f"no stage `{unknown[0]}`; stages are {', '.join(STAGES)}", param_hint="--stage")
    as_json = form is ShowFormat.json
    compiled = None if stages == ["tree"] else train.compile_spec(spec, overrides=overrides or (), warn=warn)
    for one in stages:
        if one == "tree" or compiled is None:
            sys.stdout.write(show_tree(read_tree(spec), as_json))
        elif one == "plan" and not as_json:
            console(sys.stdout).print(layer_table(compiled.plan))
        else:
            sys.stdout.write(show_stage(one, compiled, as_json))
