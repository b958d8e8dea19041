"""Rules about sequences that describe the same steps, and about what a sequence is asked with."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import Related, did_you_mean, quoted, suggest
from aesm_dsl.findings.known_names import KnownNames
from aesm_dsl.spec import form_rules
from aesm_dsl.spec.encodings import Elapsed
from aesm_dsl.spec.features import SequenceFeature, only_of
from aesm_dsl.spec.rule_context import RuleContext

Sequences = dict[str, tuple[str, SequenceFeature]]
"""Maps the name of each sequence to its path and definition."""


def sequences_are_consistent(context: RuleContext) -> None:
    """Checks every sequence."""
    sequences, others = Sequences(), dict[str, str]()
    for group in context.spec.features:
        for name, feature in group.members.items():
            path = f"features.{group.name}.{name}"
            if isinstance(feature, SequenceFeature):
                sequences[name] = path, feature
            else:
                others[name] = path
    for name, (path, feature) in sequences.items():
        if context.spec.places.is_broken(path):
            continue
        if isinstance(feature.of, Elapsed):
            _check_elapsed(context, path, feature.of)
        if feature.lead is not None:
            _check_lead(context, name, sequences, others)
        elif feature.pool == "attention":
            _check_attention(context, name, sequences)


def _check_elapsed(context: RuleContext, path: str, elapsed: Elapsed) -> None:
    """Reports a format that cannot be read (E306), or of seconds (E308)."""
    readable = form_rules.check_date_format(context, f"{path}.of.format", elapsed.format)
    if readable and elapsed.until is None and elapsed.format is not None:
        context.findings.add(
            "E308",
            "seconds have no `format`",
            context.span_of_key(f"{path}.of.format"),
            label="not needed",
            help="write `until: COLUMN`, the row's own time, if the values are dates or times; else delete it",
        )


def _check_lead(context: RuleContext, name: str, sequences: Sequences, others: dict[str, str]) -> None:
    """Reports a `with` that names no sequence of its own (E203, E308), and what both say differently (E308)."""
    path, feature = sequences[name]
    place, lead = f"{path}.with", feature.lead or ""
    fitting = KnownNames(other for other, (_, one) in sequences.items() if one.lead is None and other != name)
    if lead not in sequences and lead not in others:
        if lead not in context.lost and not context.spec.places.broken:
            span = context.spec.places.of(place)
            guess = suggest(lead, fitting, span) if span is not None else did_you_mean(lead, fitting)
            known = f"sequences are {quoted(fitting)}" if fitting else "there is no other sequence"
            context.findings.add("E203", f"no feature called `{lead}`", span, label="not declared", help=[guess, known])
        return
    other_path, other = sequences.get(lead, (others.get(lead, ""), None))
    if other is None or other.lead is not None or lead == name:
        why = "is itself" if lead == name else "is no sequence" if other is None else "stands with another itself"
        context.findings.add(
            "E308",
            f"`{name}` cannot stand with `{lead}`, which {why}",
            context.spec.places.of(place),
            label="expected a sequence without a `with`",
            help=_lead_help(other.lead if other is not None else None, fitting),
            second=None if lead == name else Related.at(context.spec.places.of(other_path), f"`{lead}`"),
        )
        return
    defaults = SequenceFeature.model_fields
    for word in ("last", "pool"):
        value, of_lead = getattr(feature, word), getattr(other, word)
        if value not in (of_lead, defaults[word].default):
            _report_difference(context, word, (name, path), (lead, other_path), f"delete `{word}` in `{name}`")
    if feature.training_only != other.training_only:
        same = "write the same `training_only` in both"
        _report_difference(context, "training_only", (name, path), (lead, other_path), same)
    if _only(context, name) != _only(context, lead):
        _report_difference(context, "only", (name, path), (lead, other_path), "write the same `only` in both")


def _lead_help(lead_of_lead: str | None, fitting: KnownNames) -> str:
    if lead_of_lead is not None and lead_of_lead in fitting:
        return f"write `with: {lead_of_lead}`"
    return f"sequences without a `with` are {quoted(fitting)}" if fitting else "delete `with`"


def _report_difference(context: RuleContext, word: str, one: tuple[str, str], lead: tuple[str, str], help: str) -> None:
    context.findings.add(
        "E308",
        f"`{one[0]}` and `{lead[0]}` describe the same steps, but have another `{word}`",
        context.span_of_key(f"{one[1]}.{word}"),
        label=f"another `{word}`",
        help=help,
        second=Related.at(context.span_of_key(f"{lead[1]}.{word}"), "of the same steps"),
    )


def _only(context: RuleContext, name: str) -> frozenset[str]:
    group = next(group for group in context.spec.features if name in group.members)
    return frozenset(only_of(group, group.members[name]))


def _check_attention(context: RuleContext, name: str, sequences: Sequences) -> None:
    """Reports attention over steps none of whose values is that of a feature (E308)."""
    path, feature = sequences[name]
    members = [one for _, one in sequences.values() if one.lead == name]
    if not any(isinstance(one.of, str) for one in (feature, *members)):
        context.findings.add(
            "E308",
            f"attention over `{name}` has nothing to ask with",
            context.spec.places.of(f"{path}.pool"),
            label="it asks with the row's own value of a feature",
            help="write `of: FEATURE`, the name of a feature, or another `pool`",
            second=Related.at(context.spec.places.of(f"{path}.of"), "this is no feature"),
        )
