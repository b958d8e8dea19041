"""What is wrong, as data: `Diagnostic`, gathered in `Findings`. Words for the terminal are added in render.py.

Families: E1 text and syntax, E2 names, E3 settings, values and units, E4 hierarchy, E5 data against the spec,
W warnings. Each code's meaning stands once, in codes.py.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from aesm_dsl.findings.fix import Fix, Mend, write
from aesm_dsl.findings.lookalike import skeleton, tell_apart, twin
from aesm_dsl.findings.source import Span

Help = str | Mend
"""A line of help, with the change that it offers if it is as good as one; an empty one says nothing."""


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that a finding is about, with what is to be seen there."""

    span: Span
    label: str

    @staticmethod
    def at(span: Span | None, label: str) -> Related | None:
        """The second place, if it was written at all."""
        return Related(span, label) if span is not None else None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `message` is lower case, without full stop, the user's words in backticks.

    fixes  changes of the text of which each mends it, where the help is as good as one
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    help: tuple[str, ...] = ()
    second: Related | None = None
    fixes: tuple[Fix, ...] = ()

    @property
    def severity(self) -> str:
        return "warning" if self.code.startswith("W") else "error"


@dataclass(slots=True)
class Findings:
    """The bag that every stage adds to. Stages never stop at a user's mistake; the pipeline does."""

    items: list[Diagnostic] = field(default_factory=list)

    def add(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        label: str = "",
        help: Help | Sequence[Help] = (),
        second: Related | None = None,
    ) -> None:
        helps = [one for one in ([help] if isinstance(help, Help) else help) if one]
        lines = tuple(one.line if isinstance(one, Mend) else one for one in helps)
        fixes = tuple(fix for one in helps if isinstance(one, Mend) for fix in one.fixes)
        # Help is in the words of the language: in JSON it cannot be written as it stands.
        is_json = span is not None and span.source.path.endswith(".json")
        self.items.append(Diagnostic(code, message, span, label, lines, second, () if is_json else fixes))

    def extend(self, others: Iterable[Diagnostic]) -> None:
        """Adds findings, except those that are there already: two specs may import the same file."""
        self.items.extend(item for item in others if item not in self.items)

    @property
    def errors(self) -> list[Diagnostic]:
        return [item for item in self.items if item.severity == "error"]

    def sorted(self) -> list[Diagnostic]:
        """By place: the asked-for file, then what it imports; findings without a place last, as they were told."""

        def place(item: Diagnostic) -> tuple[bool, str, bool, str, int]:
            if item.span is None:
                return (True, "", False, "", 0)
            source = item.span.source
            asked_for = source.inclusions[-1].source if source.inclusions else source
            return (False, asked_for.path, source is not asked_for, source.path, item.span.start)

        return sorted(self.items, key=place)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def fold(name: str) -> str:
    """The form under which two names count as the same: NFKC."""
    return unicodedata.normalize("NFKC", name)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, or None when none is close."""
    known = list(known)
    if same := twin(word, known):
        return same
    folded = {fold(name).casefold(): name for name in known}
    close = difflib.get_close_matches(fold(word).casefold(), folded, n=1, cutoff=0.65)
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A help line that names the closest known word, or an empty string when none is close."""
    name = nearest(word, known)
    return (tell_apart(word, name) or f"did you mean `{name}`?") if name is not None else ""


def suggest(word: str, known: Iterable[str], place: Span) -> Help:
    """`did_you_mean`, and the change that it means at the word's place; certain where the two hardly differ."""
    name = nearest(word, known)
    return write(name, place, did_you_mean(word, [name]), certain=_hardly_differ(word, name)) if name else ""


def _hardly_differ(word: str, name: str) -> bool:
    """Whether two words differ in look-alikes, capitals, the order of letters, or one letter or so."""
    one, other = skeleton(word).casefold(), skeleton(name).casefold()
    return sorted(one) == sorted(other) or difflib.SequenceMatcher(None, one, other).ratio() >= 0.8


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    folded = {skeleton(name).casefold(): name for name in known}
    close = difflib.get_close_matches(skeleton(word).casefold(), folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else None


def quoted(names: Iterable[str], most: int = 8) -> str:
    """The names in backticks, separated by commas, cut after `most`."""
    names = list(names)
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
