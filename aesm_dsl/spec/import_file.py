"""The path of an `import` -> the text of its file; what stands in the way is told at the path (E212-E214, E218)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aesm_dsl.findings.diagnostic import Findings, suggest
from aesm_dsl.findings.source import Source
from aesm_dsl.syntax import tree

_MOST_FILES = 5000

UnsavedTexts = Mapping[Path, str]
"""Texts that count instead of the files at these places, links resolved: what an editor has not saved yet."""


def resolve_path(path: str | Path) -> Path:
    """Where a file or folder is, links resolved."""
    return Path(os.path.realpath(path))


def read_import(path: tree.Text, root: Path, texts: UnsavedTexts, findings: Findings) -> Source | None:
    """The text that an import's path names, or None after telling why there is none.

    path  as it is written: relative to the file in which it stands
    root  the folder of the spec; nothing outside it is read
    """
    folder = Path(path.span.source.path).parent
    shown = os.path.normpath(folder / path.text)
    try:
        place = resolve_path(folder / path.text)
    except ValueError:  # a null character
        label, help = "it holds a null character", "delete the character"
        findings.add("E213", "no file has such a name", path.span, label=label, help=help)
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
    text = texts[place] if place in texts else _text(path, place, root, shown, findings)
    return Source(shown, text, included_from=path.span) if text is not None else None


def _text(path: tree.Text, place: Path, root: Path, shown: str, findings: Findings) -> str | None:
    try:
        if place.exists() and not place.is_file():
            what = "a folder" if place.is_dir() else "no ordinary file"
            help = "name a .aesm file"
            findings.add("E213", f"`{shown}` is {what}", path.span, label="expected a .aesm file", help=help)
            return None
        return place.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        others = importable_paths(root, resolve_path(path.span.source.path))
        # Of the files that are called the same one is meant, wherever it is.
        others = [one for one in others if Path(one).name == place.name] or others
        meant = suggest(f'"{path.text}"', [f'"{one}"' for one in others], path.span)
        helps = [meant, "a path counts from the folder of this file"]
        findings.add("E212", f"no file `{shown}`", path.span, label="not there", help=helps)
    except UnicodeDecodeError as error:
        message = f"`{shown}` is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02X}"
        findings.add("E213", message, path.span, label="cannot be read", help="save it as UTF-8")
    except OSError as error:
        message, help = f"`{shown}` cannot be read: {error.strerror}", "make it readable, or name another file"
        findings.add("E213", message, path.span, label="cannot be read", help=help)
    return None


def importable_paths(root: Path, file: Path) -> list[str]:
    """The paths by which a file can import the others below the root, in order; of a large folder only some."""
    found: list[str] = []
    looked_at = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        paths = (Path(folder, one) for one in sorted(files) if one.endswith(".aesm"))
        found += [Path(os.path.relpath(one, file.parent)).as_posix() for one in paths if one != file]
        looked_at += len(files) + len(folders)
        if looked_at > _MOST_FILES:
            break
    return sorted(found)
