"""Source -> Spec: parse (the language, or JSON by its ending), resolve imports, read and check, in this order.

All findings of the four go into one bag.
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
    """The spec of a text, or None when it has no model to speak of. Good for use only without errors in `findings`.

    overrides  texts such as `level.card.experts.count=4`, as given to `--set`, or the source of one given to another
               flag; of two for one setting the later one counts
    texts      what counts instead of the imported files at these places
    groups     a file of feature groups alone, for others to import, is no mistake
    """
    settings = [one for text in overrides for one in parse_override(text, findings)]
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
        spec.places.broken |= {USE} if resolved.incomplete else set()
        check_rules(spec, file.damaged, findings)
    if source.path.endswith(".json"):
        move_findings_to_json(findings, source)
    # What is wrong in an imported group is seen in its file and again in the model that takes it.
    findings.items[:] = dict.fromkeys(findings.items)
    return spec


def _read(file: tree.File, overrides: Sequence[tree.Setting], findings: Findings) -> Spec | None:
    """The spec with what its `tune` may search; each value there is read as the setting's own would be."""
    rest, space = take_search_space(file, findings)
    spec = read(rest, findings, overrides)
    if spec is None:
        return None
    before = len(findings.items)
    for candidate in [one for dimension in space for one in dimension.candidates()]:
        tried = Findings()
        read(rest, tried, [*overrides, candidate])
        findings.extend(one for one in tried if one not in findings.items[:before])
    spec._space = space
    return spec


def parse_override(given: str | Source, findings: Findings) -> list[tree.Setting]:
    """The setting of one flag; findings point into its text under the flag's name."""
    parsed = parse(Source("--set", given) if isinstance(given, str) else given, findings)
    text = parsed.source.text
    settings = [one for one in parsed.statements if isinstance(one, tree.Setting)]
    if len(settings) != len(parsed.statements) or (not settings and not parsed.damaged):
        findings.add(
            "E209",
            f"`{text}` is not a setting",
            parsed.source.span(0, len(text)),
            label="expected `path.of.setting=value`",
            help="for example `--set level.card.experts.count=4`",
        )
    return settings
