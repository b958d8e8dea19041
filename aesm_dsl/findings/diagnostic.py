"""`Diagnostic`: one finding as data; `Findings` collects them. render.py prints them.

Families of codes: E1 text and syntax, E2 names, E3 settings, values and units, E4 hierarchy, E5 data against the spec,
E6 runs and other files, W warnings. The meaning of each code is in its page (codes.py).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from aesm_dsl.findings.fix import Fix, HelpWithFix, replacement
from aesm_dsl.findings.known_names import MOST_LETTERS, KnownNames
from aesm_dsl.findings.lookalike import lookalike_help, skeleton
from aesm_dsl.findings.printable import shortened
from aesm_dsl.findings.source import Span

Help = str | HelpWithFix
"""A line of help, with fixes if it amounts to changes of the text; an empty string is left out."""


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that a finding is about, with a label for it."""

    span: Span
    label: str

    @staticmethod
    def at(span: Span | None, label: str) -> Related | None:
        """Returns the second place, or None if it is nowhere in the text, such as a default."""
        return Related(span, label) if span is not None else None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: an error or a warning about the user's spec, files or options."""

    code: str
    """Its code, such as "E203"; `aesm explain` prints the page of a code."""
    message: str
    """What is wrong, in lower case, without a full stop, with the user's words in backticks."""
    span: Span | None = None
    """The place in the text, if it is about one."""
    label: str = ""
    """A few words for the marked place."""
    help: tuple[str, ...] = ()
    """Lines that say what to do."""
    second: Related | None = None
    """A second place, such as the first of two definitions of a name."""
    fixes: tuple[Fix, ...] = ()
    """Alternative changes of the text, each of which corrects the mistake; often empty."""

    @property
    def severity(self) -> str:
        """ "error" or "warning"."""
        return "warning" if self.code.startswith("W") else "error"


@dataclass(slots=True)
class Findings:
    """The list to which every stage adds its findings.

    Stages never stop at a user's mistake; the functions of api/ stop between stages, with `AesmError`.
    """

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
        """Adds a finding; the arguments are the fields of `Diagnostic`.

        Empty lines of help are left out, and long values in the message are cut.
        """
        helps = [entry for entry in ([help] if isinstance(help, Help) else help) if entry]
        lines = tuple(shortened(entry.line if isinstance(entry, HelpWithFix) else entry) for entry in helps)
        fixes = tuple(fix for entry in helps if isinstance(entry, HelpWithFix) for fix in entry.fixes)
        # Fixes are written in the language, so they cannot be applied to a spec in JSON.
        is_json = span is not None and span.source.path.endswith(".json")
        message, label = shortened(message), shortened(label)
        self.items.append(Diagnostic(code, message, span, label, lines, second, () if is_json else fixes))

    def extend(self, others: Iterable[Diagnostic]) -> None:
        """Adds findings, except those that are already there: two specs may import the same file."""
        self.items[:] = dict.fromkeys((*self.items, *others))

    @property
    def errors(self) -> list[Diagnostic]:
        """The findings that are errors."""
        return [item for item in self.items if item.severity == "error"]

    def sorted(self) -> list[Diagnostic]:
        """Returns the findings in the order of their places.

        Each file that the user named comes before the files that it imports. Findings without a place come last, in the
        order in which they were added.
        """

        def place(item: Diagnostic) -> tuple[bool, str, bool, str, int]:
            if item.span is None:
                return (True, "", False, "", 0)
            source = item.span.source
            named_file = source.inclusions[-1].source if source.inclusions else source
            return (False, named_file.path, source is not named_file, source.path, item.span.start)

        return sorted(self.items, key=place)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def nearest_name(word: str, known: Iterable[str], own: str = "") -> str | None:
    """Returns the known name most similar to a word, for a message; None if none is similar.

    Args:
        word: the word.
        known: the names; `KnownNames` if many words may be looked up in them.
        own: a name that is not looked at.
    """
    return (known if isinstance(known, KnownNames) else KnownNames(known)).nearest(word, own)


def did_you_mean(word: str, known: Iterable[str], own: str = "") -> str:
    """Returns a help line that names the known name most similar to a word; empty if none is similar."""
    name = nearest_name(word, known, own)
    return (lookalike_help(word, name) or f"did you mean `{name}`?") if name is not None else ""


def suggest(word: str, known: Iterable[str], span: Span, own: str = "") -> Help:
    """Returns `did_you_mean` with a fix at the word's span; the fix is certain if the two words hardly differ."""
    name = nearest_name(word, known, own)
    return replacement(name, span, did_you_mean(word, [name]), certain=_hardly_differ(word, name)) if name else ""


def _hardly_differ(word: str, name: str) -> bool:
    """Whether two words differ only in look-alikes, capitals, the order of letters, or about one letter."""
    seen_word, seen_name = skeleton(word).casefold(), skeleton(name).casefold()
    if sorted(seen_word) == sorted(seen_name):
        return True
    if max(len(word), len(name)) > MOST_LETTERS:
        return False
    return difflib.SequenceMatcher(None, seen_word, seen_name).ratio() >= 0.8


def guess_word(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that a misspelt one probably means, so that reading can go on with it; None if unclear."""
    if len(word) > MOST_LETTERS:
        return None
    by_skeleton = {skeleton(name).casefold(): name for name in known}
    matches = difflib.get_close_matches(skeleton(word).casefold(), by_skeleton, n=1, cutoff=0.7)
    return by_skeleton[matches[0]] if matches else None


def quoted(names: Iterable[str], most: int = 8) -> str:
    """Returns the names in backticks, separated by commas; after `most`, only the number of the others."""
    names = names if isinstance(names, Collection) else list(names)
    shown = ", ".join(f"`{name}`" for name in islice(names, most))
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
