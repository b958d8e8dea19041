"""Arguments and options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion


class FindingsFormat(StrEnum):
    full = "full"
    concise = "concise"
    json = "json"
    github = "github"


class ResultFormat(StrEnum):
    text = "text"
    json = "json"


class ShowFormat(StrEnum):
    aesm = "aesm"
    json = "json"


class Layers(StrEnum):
    best = "best"
    first = "first"
    last = "last"
    all = "all"


class Architecture(StrEnum):
    aes = "aes"
    shared_bottom = "shared_bottom"
    mmoe = "mmoe"
    ple = "ple"
    star = "star"
    esmm = "esmm"
    single = "single"


class Picture(StrEnum):
    graph = "graph"
    heat = "heat"
    flow = "flow"
    training = "training"


By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="A feature or level: its values in place of the nodes of every level."),
]
SpecPath = Annotated[
    Path, typer.Argument(metavar="SPEC", help="A spec, a .aesm or .json file.", autocompletion=completion.specs)
]
RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help="The folder of a trained run.", autocompletion=completion.runs)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a setting: `--set level.card.experts.count=4`. Repeatable; the last one counts.",
    ),
]
Arch = Annotated[
    Architecture | None,
    typer.Option("--arch", help="Another architecture than the spec's, as `--set architecture=ARCH`."),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", help="`auto` (CUDA when there is one), `cpu`, `cuda`, `cuda:1`.", autocompletion=completion.devices
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an older result, once the new one is complete.")]
AsResult = Annotated[ResultFormat, typer.Option("--format", help="How the result is printed.")]
