"""The site of these documents: `make docs` builds it into build/docs; any warning fails."""

from importlib.metadata import version as version_of

from pygments.lexers import TextLexer
from sphinx.application import Sphinx

from aesm_dsl.syntax.pygments_lexer import AesmLexer

project = "aesm"
author = "the aesm developers"
version = release = version_of("aesm-dsl")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
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

napoleon_numpy_docstring = False


def setup(app: Sphinx) -> None:
    """Blocks of ```aesm are coloured by the lexer that the package brings; those of ```csv are plain."""
    app.add_lexer("aesm", AesmLexer)
    app.add_lexer("csv", TextLexer)
