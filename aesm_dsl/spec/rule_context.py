"""`RuleContext`: the argument of the rules of rules.py, name_rules.py and feature_rules.py."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.findings.diagnostic import Findings, Help, Related
from aesm_dsl.findings.source import Span
from aesm_dsl.spec.model import Spec


@dataclass(frozen=True, slots=True)
class RuleContext:
    """A spec that is being checked."""

    spec: Spec
    lost: frozenset[str]
    """Words of the text that could not be read: a name among them may be declared there, so it is not unknown."""
    findings: Findings

    def span_of_key(self, path: str) -> Span | None:
        """Returns the place of the key at a path, or of the nearest value or block around it."""
        return self.spec.places.keys.get(path) or self.spec.places.of(path)

    def report_conflict(self, words: str, path: str, other_path: str, help: Help) -> None:
        """Reports E308 for two settings or arguments of which only one may be given; the mark is on the second one."""
        self.findings.add(
            "E308",
            f"{words} do not go together",
            self.span_of_key(other_path),
            label="this one",
            help=help,
            second=Related.at(self.span_of_key(path), "and this one"),
        )
