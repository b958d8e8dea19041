"""Files of specs: read as UTF-8 or told why not, and written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.source import Source

if TYPE_CHECKING:
    from aesm_dsl.spec.model import Spec
    from aesm_dsl.syntax.tree import File


def read_source(path: str | Path, findings: Findings) -> Source | None:
    """The text of a spec file; None after telling why it cannot be read."""
    try:
        return Source(str(path), Path(path).read_bytes().decode("utf-8"))
    except FileNotFoundError:
        findings.add("E110", f"no file `{path}`", help="give the path of a .aesm file")
    except IsADirectoryError:
        findings.add("E110", f"`{path}` is a folder", help="give the path of a .aesm file")
    except UnicodeDecodeError as error:
        findings.add(
            "E110",
            f"`{path}` is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02X}",
            help="save it as UTF-8",
        )
    except OSError as error:
        findings.add("E110", f"`{path}` cannot be read: {error.strerror}")
    return None


def read_tree(path: str | Path) -> File:
    """The tree of a spec file in the language. Raises AesmError when its syntax is not sound."""
    from aesm_dsl.syntax.parse import parse

    findings = Findings()
    source = read_source(path, findings)
    if source is not None and source.path.endswith(".json"):
        findings.add("E110", f"`{path}` is JSON", help="`--stage spec` shows it in the language")
    file = parse(source, findings) if source is not None and not findings.errors else None
    if file is None or findings.errors:
        raise AesmError(findings)
    return file


def data_roots(spec: Spec) -> list[Path]:
    """The folders in which relative paths of tables are looked up, in this order.

    They are the folder of the spec, the working folder, and the folder that the environment variable AESM_DATA names.
    """
    place = spec.places.of("")
    beside = [Path(place.source.path).parent.absolute()] if place else []
    named = os.environ.get("AESM_DATA")
    roots = [*beside, Path.cwd(), *([Path(named).absolute()] if named else [])]
    return list(dict.fromkeys(roots))


def write_text(path: Path, text: str) -> None:
    """Writes a file of UTF-8 whole or not at all, as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, as `replaced` does."""
    with replaced(path) as new:
        new.write_bytes(content)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, to be written, which then takes its name; nothing of it stays after an error.

    Makes the folder, keeps the mode of a file that is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    new = Path(name)
    try:
        yield new
        new.chmod(mode)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)
