"""The width of text in the pictures' font, and texts cut to fit a width.

Pictures are laid out with the widths in this table: those that Graphviz measures depend on the fonts of the machine.
"""

from __future__ import annotations

import html
import re
import unicodedata

FONT = "Noto Sans CJK SC"
"""Font of all pictures: it covers Latin and Chinese. draw.py makes it known to Graphviz if it is installed."""

# Advance widths of U+0020 to U+007E, in thousandths of the font size, at weights 400 and 700.
# fmt: off
_REGULAR = (
    224, 323, 474, 555, 555, 921, 680, 278, 338, 338, 467, 555, 278, 347, 278, 392, 555, 555, 555, 555, 555, 555,
    555, 555, 555, 555, 278, 278, 555, 555, 555, 474, 946, 608, 657, 638, 688, 589, 552, 689, 728, 293, 535, 646,
    543, 812, 723, 742, 633, 742, 635, 596, 599, 721, 575, 878, 573, 531, 603, 338, 392, 338, 555, 559, 606, 563,
    618, 510, 620, 554, 325, 564, 607, 275, 275, 552, 284, 926, 610, 606, 620, 620, 388, 468, 377, 607, 521, 802,
    498, 521, 475, 338, 270, 338, 555,
)
_BOLD = (
    227, 370, 574, 590, 590, 963, 740, 325, 378, 378, 507, 590, 325, 370, 325, 387, 590, 590, 590, 590, 590, 590,
    590, 590, 590, 590, 325, 325, 590, 590, 590, 514, 1007, 641, 681, 656, 714, 615, 585, 717, 757, 330, 568, 686,
    578, 853, 749, 770, 667, 770, 682, 624, 625, 748, 619, 915, 627, 580, 613, 378, 387, 378, 590, 567, 626, 591,
    644, 527, 644, 581, 372, 597, 640, 304, 306, 604, 315, 964, 641, 626, 644, 644, 437, 495, 421, 637, 576, 863,
    562, 574, 511, 378, 296, 378, 590,
)
# fmt: on

_UNKNOWN_WIDTH = 0.65
"""Assumed for characters that the table lacks: Greek and Cyrillic letters have from 0.3 to 0.9."""

_TEXT = re.compile(r"<text ([^>]*)>([^<]*)</text>")
_SIZE = re.compile(r'font-size="([\d.]+)"')


def width_ems(text: str, *, bold: bool = False) -> float:
    """Returns the width of the text, in multiples of the font size."""
    return sum(_UNKNOWN_WIDTH if (width := _width(character, bold)) is None else width for character in text)


def shortened(text: str, ems: float, *, bold: bool = False) -> str:
    """Returns the text on one line, cut with an ellipsis if it is wider than `ems`."""
    text = one_line(text)
    if width_ems(text, bold=bold) <= ems:
        return text
    room = ems - 1
    for end, character in enumerate(text):
        room -= width_ems(character, bold=bold)
        if room < 0:
            return text[:end].rstrip() + "…"
    return text + "…"


def one_line(text: str) -> str:
    """Returns the text on one line: white space becomes one space; characters that XML forbids are dropped."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    allowed = (character for character in spaced if unicodedata.category(character) not in ("Cc", "Cs", "Cn"))
    return " ".join("".join(allowed).split())


def fix_text_widths(svg: str) -> str:
    """Returns the picture with the width of each text fixed to that in our font (SVG's `textLength`).

    A browser may lack the font and take a wider one. Texts with characters of unknown width are left as they are.
    """

    def fix(element: re.Match[str]) -> str:
        look, text = element[1], html.unescape(element[2])
        size = _SIZE.search(look)
        widths = [_width(character, 'font-weight="bold"' in look) for character in text]
        if size is None or not text.strip() or None in widths:
            return element[0]
        length = float(size[1]) * sum(width for width in widths if width is not None)
        return f'<text {look} textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs">{element[2]}</text>'

    return _TEXT.sub(fix, svg)


def _width(character: str, bold: bool) -> float | None:
    """Returns the width of a character in multiples of the font size; None if it is unknown."""
    # An accent takes no room of its own.
    base = unicodedata.normalize("NFD", character)[:1]
    if " " <= base <= "~":
        return (_BOLD if bold else _REGULAR)[ord(base) - ord(" ")] / 1000
    if unicodedata.combining(character):
        return 0.0
    kind = unicodedata.east_asian_width(character)
    if kind in ("W", "F") or (kind == "A" and not character.isalpha()):
        return 1.0
    return 0.5 if kind == "H" else None
