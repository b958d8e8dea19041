"""The command `aesm check`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import FindingsFormat, Overrides, spec_files
from aesm_dsl.cli.output import colour, print_json, print_line, print_table, say
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
    from aesm_dsl.api import check as api
    from aesm_dsl.findings.render import render

    findings = Findings()
    files = spec_files(specs, findings)
    profiles: dict[str, Any] = {}
    for spec in files:
        if profile:
            own, profiles[str(spec)] = api.profile(spec, overrides or ())
        else:
            own = api.check(spec, overrides or (), data=data)
        findings.extend(own)
    text = render(findings, form.value, colour=colour(sys.stdout))
    if profile and form is FindingsFormat.json:
        print_json({"findings": json.loads(text), "profiles": profiles})
    else:
        sys.stdout.write(text)
        _print_profiles([profile for profile in profiles.values() if profile is not None])
    if form is FindingsFormat.full and not findings.items:
        say(f"{len(files)} spec{'s' * (len(files) > 1)} checked, no findings")
    if findings.errors:
        raise typer.Exit(1)


def _print_profiles(profiles: list[dict[str, Any]]) -> None:
    from aesm_dsl.report.profile import advice, profile_tables

    for profile in profiles:
        for table in profile_tables(profile):
            print_table(table)
        for line in advice(profile):
            print_line(line)
