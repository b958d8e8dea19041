"""Reads spec files as UTF-8."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.source import Source

if TYPE_CHECKING:
    from aesm_dsl.spec.model import Spec
    from aesm_dsl.syntax.tree import File

MOST_SPEC_BYTES = 16 * 2**20
"""A larger file is no spec."""


def read_text(file: IO[bytes]) -> str:
    """Returns the text of a spec.

    Raises:
        OSError: it cannot be read, or is too large.
        UnicodeDecodeError: it is not UTF-8.
    """
    content = file.read(MOST_SPEC_BYTES + 1)
    if len(content) > MOST_SPEC_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_SPEC_BYTES // 2**20} MiB, which no spec is")
    return content.decode("utf-8")


def read_source(path: str | Path, findings: Findings) -> Source | None:
    """Returns the text of a spec file; None if it cannot be read, which is reported as E110."""
    try:
        with Path(path).open("rb") as file:
            return Source(str(path), read_text(file))
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
        help = "give the path of a .aesm file, and make it readable"
        findings.add("E110", f"`{path}` cannot be read: {error.strerror}", help=help)
    return None


def read_tree(path: str | Path) -> File:
    """Returns the syntax tree of a spec file in the language.

    Raises:
        AesmError: the file cannot be read, is JSON, or has syntax errors.
    """
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
    """Returns the folders in which relative paths of tables are looked up, in order.

    They are the folder of the spec, the working folder, and the folder named by the environment variable AESM_DATA.
    """
    span = spec.places.of("")
    spec_folder = [Path(span.source.path).parent.absolute()] if span else []
    data_folder = os.environ.get("AESM_DATA")
    roots = [*spec_folder, Path.cwd(), *([Path(data_folder).absolute()] if data_folder else [])]
    return list(dict.fromkeys(roots))
