"""Rules about features that only rows of some nodes have: who reads their columns, and what is made of them."""

from __future__ import annotations

from aesm_dsl.findings.diagnostic import Related, quoted
from aesm_dsl.spec.features import CrossFeature, FeatureDefinition, ListFeature, SequenceFeature, columns_of, only_of
from aesm_dsl.spec.rule_context import RuleContext


def features_of_nodes_are_consistent(context: RuleContext) -> None:
    """Reports features whose `only` does not go together with that of others (E308)."""
    spec = context.spec
    paths, onlys = dict[str, str](), dict[str, frozenset[str]]()
    for group in spec.features:
        for name, feature in group.members.items():
            paths[name], onlys[name] = f"features.{group.name}.{name}", frozenset(only_of(group, feature))
    nodes = [(level.name, node.name) for level in spec.levels for node in level.nodes]
    known = {name for level, node in nodes for name in (node, f"{level}.{node}")}
    onlys = {name: only if only <= known else frozenset() for name, only in onlys.items()}  # others are told already
    first: dict[str, str] = {}
    for group in spec.features:
        for name, feature in group.members.items():
            if not spec.places.is_broken(paths[name]):
                _check(context, name, feature, paths, onlys)
                for column in columns_of(name, feature):
                    _check_column(context, name, first.setdefault(column, name), paths, onlys)


def _check(
    context: RuleContext,
    name: str,
    feature: FeatureDefinition,
    paths: dict[str, str],
    onlys: dict[str, frozenset[str]],
) -> None:
    """A cross is where all its parts are, and values of a list are where the list is."""
    if isinstance(feature, ListFeature | SequenceFeature) and getattr(feature.of, "only", None) is not None:
        context.findings.add(
            "E308",
            f"the values of `{name}` are in the rows in which `{name}` is",
            context.span_of_key(f"{paths[name]}.of.only"),
            label="not needed",
            help="write `only` beside `of`",
        )
    if not isinstance(feature, CrossFeature):
        return
    for position, part in enumerate(feature.of):
        if part in onlys and onlys[part] and not (onlys[name] and onlys[name] <= onlys[part]):
            nodes = quoted(sorted(onlys[part]))
            context.findings.add(
                "E308",
                f"only rows of {nodes} have `{part}`, of which `{name}` is made",
                context.spec.places.of(f"{paths[name]}.of.{position}"),
                label="missing in other rows",
                help=f"write `only: [{', '.join(sorted(onlys[part]))}]` in `{name}` too",
                second=Related.at(context.spec.places.of(paths[part]), "only in some rows"),
            )


def _check_column(
    context: RuleContext, name: str, other: str, paths: dict[str, str], onlys: dict[str, frozenset[str]]
) -> None:
    """A column is read in the same rows by all features that read it."""
    if onlys[name] != onlys[other]:
        context.findings.add(
            "E308",
            f"`{name}` and `{other}` read one column, but not in the same rows",
            context.spec.places.of(paths[name]),
            label=_rows(onlys[name]),
            help="give both the same `only`, or columns of their own",
            second=Related.at(context.spec.places.of(paths[other]), _rows(onlys[other])),
        )


def _rows(only: frozenset[str]) -> str:
    return f"in rows of {quoted(sorted(only))}" if only else "in all rows"
