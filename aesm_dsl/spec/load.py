"""Source -> Spec: parse (the language, or JSON by its ending), read and check, in this order.

All findings of the three go into one bag.
"""

from __future__ import annotations

from collections.abc import Sequence

from aesm_dsl.diagnostic import Findings
from aesm_dsl.source import Source
from aesm_dsl.spec.check import check
from aesm_dsl.spec.json import tree_of_json
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.read import read
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.parse import parse


def load(source: Source, findings: Findings, overrides: Sequence[str] = ()) -> Spec | None:
    """The spec of a text, or None when it has no model to speak of. Good for use only without errors in `findings`.

    overrides  texts such as `level.card.experts.count=4`, as given to `--set`
    """
    settings = [one for text in overrides for one in override(text, findings)]
    file = tree_of_json(source, findings) if source.path.endswith(".json") else parse(source, findings)
    spec = read(file, findings, settings)
    if spec is not None:
        check(spec, file.damaged, findings)
    return spec


def override(text: str, findings: Findings) -> list[tree.Setting]:
    """The setting of one `--set` text; findings point into the text under the name `--set`."""
    parsed = parse(Source("--set", text), findings)
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
