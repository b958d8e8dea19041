"""DOT -> a picture file, by Graphviz: the installed `dot`, or the libraries inside pygraphviz's wheels."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from aesm_dsl.report.text_width import FONT, fix_text_widths

ENDINGS = (".svg", ".png", ".pdf", ".dot")

PNG_DPI = 144

BROWSER_FONTS = (
    f"{FONT}, Noto Sans SC, Source Han Sans SC, PingFang SC, Hiragino Sans GB, Microsoft YaHei, "
    "WenQuanYi Micro Hei, Helvetica, Arial, sans-serif"
)
"""Families that an SVG names, so that a browser without our font still picks one with Chinese."""

PYGRAPHVIZ_SCRIPT = """
import sys, pygraphviz
sys.stdin.reconfigure(encoding="utf-8")
picture = pygraphviz.AGraph(string=sys.stdin.read()).draw(format=sys.argv[1], prog="dot")
sys.stdout.buffer.write(picture)
"""


class DrawingError(Exception):
    """A picture cannot be drawn; the message is a sentence for the user, with what to do."""


def draw(dot: str, path: Path) -> None:
    """Writes the picture under `path` in the format of its ending: .svg, .png, .pdf, or .dot for the text.

    The file appears whole or not at all; one that was there stays until the new one is complete.
    Raises DrawingError for another ending, when no engine is installed, or when the engine fails; OSError
    when the folder cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DrawingError(f"cannot draw {path.name}: a picture's name ends in {', '.join(ENDINGS)}")
    picture = dot.encode() if ending == ".dot" else picture_bytes(dot, ending[1:])
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        partial.write_bytes(picture)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def picture_bytes(dot: str, ending: str) -> bytes:
    """The picture as "svg", "png" or "pdf". Raises DrawingError when no engine is installed, or when it fails."""
    if ending == "png":
        # A resolution inside the DOT reaches both engines; an SVG must not have one, it would be scaled.
        dot = dot[: dot.rindex("}")] + f"graph [dpi={PNG_DPI}]\n}}\n"
    with _fonts():
        if shutil.which("dot"):
            picture = _by_dot(dot, ending)
        elif importlib.util.find_spec("pygraphviz"):
            picture = _by_pygraphviz(dot, ending)
        else:
            raise DrawingError(
                "no Graphviz found: `pip install 'aesm-dsl[draw]'` brings it along, "
                "or write the picture's text to a name ending in .dot"
            )
    if ending == "svg":
        text = picture.decode().replace(f'font-family="{FONT}"', f'font-family="{BROWSER_FONTS}"')
        picture = fix_text_widths(text).encode()
    return picture


def _by_dot(dot: str, ending: str) -> bytes:
    import graphviz

    try:
        return bytes(graphviz.pipe("dot", ending, dot.encode(), quiet=True))
    except graphviz.CalledProcessError as error:
        raise _failed(error.stderr) from error


def _by_pygraphviz(dot: str, ending: str) -> bytes:
    """In a process of its own: the library prints warnings of its font system straight to standard error,
    reads the font configuration once per process, and a fault inside it must not take a training down."""
    command = [sys.executable, "-P", "-c", PYGRAPHVIZ_SCRIPT, ending]
    found = subprocess.run(command, input=dot.encode(), capture_output=True, check=False)
    if found.returncode or not found.stdout:
        raise _failed(found.stderr)
    return found.stdout


def _failed(complaint: bytes | str | None) -> DrawingError:
    text = complaint.decode(errors="replace") if isinstance(complaint, bytes) else complaint or ""
    said = [line.strip() for line in text.splitlines() if line.strip() and "Fontconfig" not in line]
    return DrawingError(f"Graphviz could not draw the picture: {said[-1] if said else 'it said nothing'}")


@contextmanager
def _fonts() -> Iterator[None]:
    """While open, Graphviz finds the system's fonts and the Chinese font of manimgx_fonts_cjk, if installed.

    A user's own FONTCONFIG_FILE is left alone. The system's configuration is not included: the old fontconfig
    inside the wheels warns of newer ones.
    """
    if os.environ.get("FONTCONFIG_FILE"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="aesm-fonts-") as folder:
        settings = Path(folder) / "fonts.conf"
        settings.write_text(_font_settings(), encoding="utf-8")
        os.environ["FONTCONFIG_FILE"] = str(settings)
        try:
            yield
        finally:
            os.environ.pop("FONTCONFIG_FILE", None)


def _font_settings() -> str:
    home = Path.home()
    folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts"]
    folders += [home / ".local/share/fonts", home / "Library/Fonts", Path("/Library/Fonts")]
    folders += [Path("/System/Library/Fonts"), Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts"]
    bundled = importlib.util.find_spec("manimgx_fonts_cjk")
    folders += [Path(place) for place in (bundled.submodule_search_locations or ())] if bundled else []
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "aesm" / "fontconfig"
    listed = "".join(f"<dir>{escape(str(folder))}</dir>" for folder in folders if folder.is_dir())
    return f"<fontconfig>{listed}<cachedir>{escape(str(cache))}</cachedir></fontconfig>\n"
