"""Source -> Spec: parse (the language, or JSON by the file's ending), resolve imports, read and check, in this order.

The findings of all four are collected together.
"""

from __future__ import annotations

from collections.abc import Sequence

from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.import_file import UnsavedTexts
from aesm_dsl.spec.imports import resolve_imports
from aesm_dsl.spec.json_tune import move_findings_to_json
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.read import read
from aesm_dsl.spec.read_json import tree_from_json
from aesm_dsl.spec.rules import check_rules
from aesm_dsl.spec.tune_block import take_search_space
from aesm_dsl.spec.use import USE
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.parse import parse


def load(
    source: Source,
    findings: Findings,
    overrides: Sequence[str | Source] = (),
    texts: UnsavedTexts | None = None,
    *,
    groups: bool = False,
) -> Spec | None:
    """Returns the spec of a text; None if it has no model. It may be used only if there are no errors in `findings`.

    Args:
        source: the text.
        overrides: texts such as `level.card.experts.count=4`, as given to `--set`, or the source of one given to
            another flag. If two are for one setting, the later one counts.
        texts: texts that an editor has open, in the place of imported files.
        groups: a file that holds nothing but feature groups, for others to import, is no mistake.
    """
    settings = [setting for text in overrides for setting in parse_override(text, findings)]
    file = tree_from_json(source, findings) if source.path.endswith(".json") else parse(source, findings)
    resolved = resolve_imports(file, settings, findings, texts)
    spec = None
    if not resolved.is_group_file:
        spec = _read(resolved.file, resolved.overrides, findings)
    elif not groups:
        findings.add(
            "E307",
            "there is no model in this file",
            source.span(0, 0),
            label="it has feature groups alone, for specs to import",
            help="name a spec, a file with `model NAME { ... }`",
        )
    if spec is not None:
        spec.places.broken.update([USE] if resolved.incomplete else [])
        check_rules(spec, file.damaged, findings)
    if source.path.endswith(".json"):
        move_findings_to_json(findings, source)
    # A mistake in an imported group is found in its file, and again in the model that uses the group.
    findings.items[:] = dict.fromkeys(findings.items)
    return spec


def _read(file: tree.File, overrides: Sequence[tree.Setting], findings: Findings) -> Spec | None:
    """Reads the spec, and what its `tune` may search: each value there is read as that of the setting would be."""
    rest, space = take_search_space(file, findings)
    spec = read(rest, findings, overrides)
    if spec is None:
        return None
    if space:
        candidates = [candidate for dimension in space for candidate in dimension.candidates()]
        of_candidates = Findings()
        read(rest, of_candidates, overrides, candidates)
        findings.extend(of_candidates)
    spec._space = space
    return spec


def parse_override(override: str | Source, findings: Findings) -> list[tree.Setting]:
    """Returns the setting of one flag; findings point into its text, under the flag's name."""
    parsed = parse(Source("--set", override) if isinstance(override, str) else override, findings)
    text = parsed.source.text
    settings = [statement for statement in parsed.statements if isinstance(statement, tree.Setting)]
    if len(settings) != len(parsed.statements) or (not settings and not parsed.damaged):
        findings.add(
            "E209",
            f"`{text}` is not a setting",
            parsed.source.span(0, len(text)),
            label="expected `path.of.setting=value`",
            help="for example `--set level.card.experts.count=4`",
        )
    return settings
