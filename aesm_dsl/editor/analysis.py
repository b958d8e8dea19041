"""`Analysis`: all that one look at a text gives. What is asked at a place of the text starts from it."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import Compiled, compile_loaded
from aesm_dsl.spec.import_file import Texts
from aesm_dsl.spec.imports import resolve
from aesm_dsl.spec.load import load
from aesm_dsl.spec.use import Imports
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.parse import parse


@dataclass(frozen=True, slots=True)
class Analysis:
    """A text, its tree as far as it can be read, what is wrong with it, and what it compiles to if nothing is.

    imports  what it imports, by name
    texts    the texts that count instead of the files it imports: those that are open
    """

    source: Source
    file: tree.File
    findings: tuple[Diagnostic, ...]
    compiled: Compiled | None
    imports: Imports
    texts: Texts


def analyse(source: Source, texts: Texts | None = None) -> Analysis:
    """Everything that `aesm check` finds in a text, and the tree and compiled form that the answers are made from."""
    findings, texts = Findings(), texts or {}
    spec = load(source, findings, texts=texts, groups=True)
    compiled = compile_loaded(spec, findings) if spec is not None else None
    file = parse(source, Findings())
    imports = resolve(file, (), Findings(), texts).imports
    return Analysis(source, file, tuple(findings.sorted()), compiled, imports, texts)
