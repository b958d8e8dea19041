"""Draws DOT as a picture file with Graphviz: the installed `dot`, or the libraries inside pygraphviz's wheels."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from aesm_dsl.files.whole import write_bytes
from aesm_dsl.report.text_width import FONT, fix_text_widths

ENDINGS = (".svg", ".png", ".pdf", ".dot")

PNG_DPI = 144

BROWSER_FONTS = (
    f"{FONT}, Noto Sans SC, Source Han Sans SC, PingFang SC, Hiragino Sans GB, Microsoft YaHei, "
    "WenQuanYi Micro Hei, Helvetica, Arial, sans-serif"
)
"""Font families that an SVG names, so that a browser without our font still picks one with Chinese."""

PYGRAPHVIZ_SCRIPT = """
import sys, pygraphviz
sys.stdin.reconfigure(encoding="utf-8")
picture = pygraphviz.AGraph(string=sys.stdin.read()).draw(format=sys.argv[1], prog="dot")
sys.stdout.buffer.write(picture)
"""


class DrawingError(Exception):
    """A picture cannot be drawn; the message is a sentence for the user that says what to do."""


def draw(dot: str, path: Path) -> None:
    """Writes the picture in the format of the path's ending: .svg, .png, .pdf, or .dot for the DOT text.

    The file appears complete or not at all; an older one stays until the new one is complete.

    Raises:
        DrawingError: the path has another ending, no engine is installed, or the engine fails.
        OSError: the folder cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DrawingError(f"cannot draw {path.name}: a picture's name ends in {', '.join(ENDINGS)}")
    write_bytes(path, dot.encode() if ending == ".dot" else picture_bytes(dot, ending[1:]))


def picture_bytes(dot: str, ending: str) -> bytes:
    """Returns the picture as "svg", "png" or "pdf".

    Raises:
        DrawingError: no engine is installed, or it fails.
    """
    if ending == "png":
        # Both engines read a resolution inside the DOT. An SVG must not have one: it would be scaled.
        dot = dot[: dot.rindex("}")] + f"graph [dpi={PNG_DPI}]\n}}\n"
    with _fonts():
        if shutil.which("dot"):
            picture = _with_dot(dot, ending)
        elif importlib.util.find_spec("pygraphviz"):
            picture = _with_pygraphviz(dot, ending)
        else:
            raise DrawingError(
                "no Graphviz found: `pip install 'aesm-dsl[draw]'` brings it along, "
                "or write the picture's text to a name ending in .dot"
            )
    if ending == "svg":
        text = picture.decode().replace(f'font-family="{FONT}"', f'font-family="{BROWSER_FONTS}"')
        picture = fix_text_widths(text).encode()
    return picture


def _with_dot(dot: str, ending: str) -> bytes:
    import graphviz

    try:
        return bytes(graphviz.pipe("dot", ending, dot.encode(), quiet=True))
    except graphviz.CalledProcessError as error:
        raise _failed(error.stderr) from error


def _with_pygraphviz(dot: str, ending: str) -> bytes:
    # In a process of its own: the library prints warnings of its font system straight to standard error, it reads the
    # font configuration only once per process, and a crash inside it must not end a training.
    command = [sys.executable, "-P", "-c", PYGRAPHVIZ_SCRIPT, ending]
    process = subprocess.run(command, input=dot.encode(), capture_output=True, check=False)
    if process.returncode or not process.stdout:
        raise _failed(process.stderr)
    return process.stdout


def _failed(output: bytes | str | None) -> DrawingError:
    """The error for what Graphviz wrote to standard error: its last line that is not about fonts."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    messages = [line.strip() for line in text.splitlines() if line.strip() and "Fontconfig" not in line]
    return DrawingError(f"Graphviz could not draw the picture: {messages[-1] if messages else 'it said nothing'}")


@contextmanager
def _fonts() -> Iterator[None]:
    """Lets Graphviz find the system's fonts and, if it is installed, the Chinese font of manimgx_fonts_cjk.

    A user's own FONTCONFIG_FILE is left alone. The system's configuration is not included: the old fontconfig inside
    the wheels of pygraphviz warns about newer ones.
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
    folders += [Path(path) for path in (bundled.submodule_search_locations or ())] if bundled else []
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "aesm" / "fontconfig"
    listed = "".join(f"<dir>{escape(str(folder))}</dir>" for folder in folders if folder.is_dir())
    return f"<fontconfig>{listed}<cachedir>{escape(str(cache))}</cachedir></fontconfig>\n"
