"""The specs that a command is about: files, and folders of them."""

from __future__ import annotations

from pathlib import Path

from aesm_dsl.findings.diagnostic import Findings


def spec_files(specs: list[Path], findings: Findings) -> list[Path]:
    """The files, each once, a folder's own and those below it in its place; adds E110 for a folder that has none.

    What a folder hides, such as `.venv`, is not looked at.
    """
    found: list[Path] = []
    for path in specs:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(
            one
            for one in path.rglob("*.aesm")
            if one.is_file() and not any(part.startswith(".") for part in one.relative_to(path).parts)
        )
        if not inside:
            findings.add("E110", f"no .aesm file in the folder `{path}`", help="name a .aesm file, or a folder of them")
        found.extend(inside)
    return list(dict.fromkeys(found))
