"""Bidirectional controls in a text: what a person sees is not what is read (W108)."""

from __future__ import annotations

import re
import unicodedata

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.printable import BIDI
from aesm_dsl.findings.source import Source

_BIDI = re.compile(f"[{BIDI}]")


def report_bidi(source: Source, findings: Findings) -> None:
    """Warns once about the bidirectional controls of a text, at the first of them (W108)."""
    places = list(_BIDI.finditer(source.text))
    if not places:
        return
    first = places[0]
    code = f"{ord(first[0]):04X}"
    others = f", and {len(places) - 1} more such signs follow" if len(places) > 1 else ""
    findings.add(
        "W108",
        f"an invisible sign, U+{code}, changes the order in which the text is shown{others}",
        source.span(first.start(), first.end()),
        label=unicodedata.name(first[0]).lower(),
        help=f"remove it; if a value has it, write `\\u{code.lower()}` between its quotes",
    )
