"""The path of an `import` -> the text of its file; what stands in the way is told at the path (E212-E214, E218)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aesm_dsl.diagnostic import Findings, did_you_mean
from aesm_dsl.source import Source
from aesm_dsl.syntax import tree

Texts = Mapping[Path, str]
"""Texts that count instead of the files at these places, links resolved: what an editor has not saved yet."""


def place_of(path: str | Path) -> Path:
    """Where a file or folder is, links resolved."""
    return Path(os.path.realpath(path))


def import_file(path: tree.Text, root: Path, texts: Texts, findings: Findings) -> Source | None:
    """The text that an import's path names, or None after telling why there is none.

    path  as it is written: relative to the file in which it stands
    root  the folder of the spec; nothing outside it is read
    """
    folder = Path(path.span.source.path).parent
    shown = os.path.normpath(folder / path.text)
    try:
        place = place_of(folder / path.text)
    except ValueError:  # a null character
        findings.add("E213", "no file has such a name", path.span, label="it holds a null character")
        return None
    if Path(path.text).is_absolute() or not place.is_relative_to(root):
        absolute = Path(path.text).is_absolute()
        findings.add(
            "E214",
            f"`{path.text}` is an absolute path" if absolute else f"`{shown}` lies outside the folder of the spec",
            path.span,
            label="only files beside the spec or below can be imported",
            help="write the path as seen from this file" if absolute else "move the file there",
        )
        return None
    if place.suffix == ".json":
        help = "write its features in a .aesm file, which both can take them from"
        findings.add("E218", f"`{shown}` is JSON", path.span, label="only .aesm files can be imported", help=help)
        return None
    text = texts[place] if place in texts else _text(path, place, shown, findings)
    return Source(shown, text, included_from=path.span) if text is not None else None


def _text(path: tree.Text, place: Path, shown: str, findings: Findings) -> str | None:
    try:
        if place.exists() and not place.is_file():
            what = "a folder" if place.is_dir() else "no ordinary file"
            findings.add("E213", f"`{shown}` is {what}", path.span, label="expected a .aesm file")
            return None
        return place.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        help = [did_you_mean(f'"{path.text}"', _beside(path, place)), "a path counts from the folder of this file"]
        findings.add("E212", f"no file `{shown}`", path.span, label="not there", help=help)
    except UnicodeDecodeError as error:
        message = f"`{shown}` is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02X}"
        findings.add("E213", message, path.span, label="cannot be read", help="save it as UTF-8")
    except OSError as error:
        findings.add("E213", f"`{shown}` cannot be read: {error.strerror}", path.span, label="cannot be read")
    return None


def importable(folder: Path, deep: bool = False) -> list[str]:
    """The .aesm files of a folder, or with `deep` also of the folders below, as seen from it."""
    try:
        found = folder.rglob("*.aesm") if deep else folder.glob("*.aesm")
        return sorted(one.relative_to(folder).as_posix() for one in found if one.is_file())
    except OSError:
        return []


def _beside(path: tree.Text, place: Path) -> list[str]:
    """The paths, in quotes, of the files that may have been meant."""
    folder, _, _ = path.text.rpartition("/")
    named = [f"{folder}/{one}" if folder else one for one in importable(place.parent)]
    own = place_of(path.span.source.path)
    here = importable(own.parent)
    return [f'"{one}"' for one in dict.fromkeys([*named, *here]) if place_of(own.parent / one) != own]
