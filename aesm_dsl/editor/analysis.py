"""`Analysis`: everything that one look at a text gives. Every question about a position starts from it."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Diagnostic, Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.plan.compiled import Compiled, compile_loaded
from aesm_dsl.spec.import_file import UnsavedTexts
from aesm_dsl.spec.imports import resolve_imports
from aesm_dsl.spec.load import load
from aesm_dsl.spec.use import Imports
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.parse import parse


@dataclass(frozen=True, slots=True)
class Analysis:
    """A text, and everything that is known about it."""

    source: Source
    file: tree.File
    """Its tree, as far as it can be read."""
    findings: tuple[Diagnostic, ...]
    """What is wrong with it."""
    compiled: Compiled | None
    """What it compiles to; None if it has errors."""
    imports: Imports
    """What it imports, by name."""
    texts: UnsavedTexts
    """Texts that are open in the editor, and take the place of the files that it imports."""


def analyse(source: Source, texts: UnsavedTexts | None = None) -> Analysis:
    """Returns everything that `aesm check` finds in a text, with the tree and the compiled form."""
    findings, texts = Findings(), texts or {}
    spec = load(source, findings, texts=texts, groups=True)
    compiled = compile_loaded(spec, findings) if spec is not None else None
    file = parse(source, Findings())
    imports = resolve_imports(file, (), Findings(), texts).imports
    return Analysis(source, file, tuple(findings.sorted()), compiled, imports, texts)
