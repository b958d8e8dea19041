"""Arguments and options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.findings.diagnostic import Findings


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
    pepnet = "pepnet"
    adatt = "adatt"
    aitm = "aitm"
    hinet = "hinet"
    m3oe = "m3oe"
    cross_stitch = "cross_stitch"


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


def spec_files(specs: list[Path], findings: Findings) -> list[Path]:
    """Returns the files, each once, with the .aesm files below a folder in the folder's place.

    Adds E110 for a folder that has none. Hidden folders, such as `.venv`, are not searched.
    """
    files: list[Path] = []
    for path in specs:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(
            file
            for file in path.rglob("*.aesm")
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
        if not inside:
            findings.add("E110", f"no .aesm file in the folder `{path}`", help="name a .aesm file, or a folder of them")
        files.extend(inside)
    return list(dict.fromkeys(files))
