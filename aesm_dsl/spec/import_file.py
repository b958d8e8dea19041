"""The path of an `import` -> the text of its file; what is wrong is reported at the path (E212-E214, E218)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aesm_dsl.findings.diagnostic import Findings, suggest
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.spec_file import read_text
from aesm_dsl.syntax import tree

_MOST_FILES = 5000
"""Files and folders that are looked at for suggestions, about."""

UnsavedTexts = Mapping[Path, str]
"""Path of a file, links resolved -> the text that an editor has open in its target, saved or not."""


def resolve_path(path: str | Path) -> Path:
    """Returns the absolute path of a file or folder, links resolved."""
    return Path(os.path.realpath(path))


def read_import(path: tree.Text, root: Path, texts: UnsavedTexts, findings: Findings) -> Source | None:
    """Returns the text that an import's path names, or None after adding why there is none.

    Args:
        path: as it is written: relative to the file that has it.
        root: the folder of the spec; nothing outside of it is read.
        texts: texts that an editor has open.
    """
    folder = Path(path.span.source.path).parent
    shown = os.path.normpath(folder / path.text)
    try:
        target = resolve_path(folder / path.text)
    except ValueError:  # a null character
        label, help = "it holds a null character", "delete the character"
        findings.add("E213", "no file has such a name", path.span, label=label, help=help)
        return None
    if Path(path.text).is_absolute() or not target.is_relative_to(root):
        absolute = Path(path.text).is_absolute()
        findings.add(
            "E214",
            f"`{path.text}` is an absolute path" if absolute else f"`{shown}` lies outside the folder of the spec",
            path.span,
            label="only files beside the spec or below can be imported",
            help="write the path as seen from this file" if absolute else "move the file there",
        )
        return None
    if target.suffix == ".json":
        help = "write its features in a .aesm file, which both can take them from"
        findings.add("E218", f"`{shown}` is JSON", path.span, label="only .aesm files can be imported", help=help)
        return None
    text = texts[target] if target in texts else _read_text(path, target, root, findings)
    return Source(shown, text, included_from=path.span) if text is not None else None


def _read_text(path: tree.Text, target: Path, root: Path, findings: Findings) -> str | None:
    shown = os.path.normpath(Path(path.span.source.path).parent / path.text)
    try:
        if target.exists() and not target.is_file():
            noun = "a folder" if target.is_dir() else "no ordinary file"
            help = "name a .aesm file"
            findings.add("E213", f"`{shown}` is {noun}", path.span, label="expected a .aesm file", help=help)
            return None
        with target.open("rb") as file:
            return read_text(file)
    except (FileNotFoundError, NotADirectoryError):
        others = importable_paths(root, resolve_path(path.span.source.path))
        # If files have the same name, one of them is meant, wherever it is.
        others = [other for other in others if Path(other).name == target.name] or others
        guess = suggest(f'"{path.text}"', [f'"{other}"' for other in others], path.span)
        ways = [guess, "a path counts from the folder of this file"]
        findings.add("E212", f"no file `{shown}`", path.span, label="not there", help=ways)
    except UnicodeDecodeError as error:
        message = f"`{shown}` is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02X}"
        findings.add("E213", message, path.span, label="cannot be read", help="save it as UTF-8")
    except OSError as error:
        message, help = f"`{shown}` cannot be read: {error.strerror}", "make it readable, or name another file"
        findings.add("E213", message, path.span, label="cannot be read", help=help)
    return None


def importable_paths(root: Path, file: Path) -> list[str]:
    """Returns the paths by which a file can import the others below the root, in order; of a large folder only some."""
    importable: list[str] = []
    looked_at = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(folder, name) for name in sorted(files) if name.endswith(".aesm"))
        importable += [Path(os.path.relpath(path, file.parent)).as_posix() for path in paths if path != file]
        looked_at += len(files) + len(folders)
        if looked_at > _MOST_FILES:
            break
    return sorted(importable)
