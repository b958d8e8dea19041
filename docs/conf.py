"""The site of these documents: `make docs` builds it into build/docs; any warning fails."""

import re
from importlib.metadata import version as version_of

from pygments.lexers import TextLexer
from sphinx.application import Sphinx

from aesm_dsl.syntax.pygments_lexer import AesmLexer

project = "aesm"
author = "the aesm developers"
version = release = version_of("aesm-dsl")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["editors"]
html_theme = "furo"
html_title = "aesm"
html_show_copyright = False
html_copy_source = False

myst_heading_anchors = 4
myst_links_external_new_tab = True

autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
autodoc_member_order = "bysource"


def fields(app: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]) -> None:
    """Lines of a docstring such as `seeds   how many`, with what is indented below them, become fields."""
    found: list[str] = []
    for line in lines:
        field = re.fullmatch(r"(\w+(?:, \w+)*) {2,}(\S.*)", line)
        if field and found and found[-1] and not found[-1].startswith((":", " ")):
            found.append("")
        if field is None and found and found[-1].startswith((":", " ")) and line and not line.startswith(" "):
            found.append("")
        kind = "returns" if field and field[1] == "returns" else f"param {field[1]}" if field else ""
        found.append(f":{kind}: {field[2]}" if field else line)
    lines[:] = found


def setup(app: Sphinx) -> None:
    """Blocks of ```aesm are coloured by the lexer that the package brings; those of ```csv are plain."""
    app.add_lexer("aesm", AesmLexer)
    app.add_lexer("csv", TextLexer)
    app.connect("autodoc-process-docstring", fields)
