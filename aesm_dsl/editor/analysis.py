"""`Analysis`: all that one look at a text gives. What is asked at a place of the text starts from it."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.compiled import Compiled, compile_loaded
from aesm_dsl.diagnostic import Diagnostic, Findings
from aesm_dsl.source import Source
from aesm_dsl.spec.load import load
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.parse import parse


@dataclass(frozen=True, slots=True)
class Analysis:
    """A text, its tree as far as it can be read, what is wrong with it, and what it compiles to if nothing is."""

    source: Source
    file: tree.File
    findings: tuple[Diagnostic, ...]
    compiled: Compiled | None


def analyse(source: Source) -> Analysis:
    """Everything that `aesm check` finds in a text, and the tree and compiled form that the answers are made from."""
    findings = Findings()
    spec = load(source, findings)
    compiled = compile_loaded(spec, findings) if spec is not None else None
    return Analysis(source, parse(source, Findings()), tuple(findings.sorted()), compiled)
