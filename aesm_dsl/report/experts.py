"""What nodes and experts of every layer have to do with each other: as a table, in sentences, as plain values."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from aesm_dsl.findings.diagnostic import quoted
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import Sharing, sharing
from aesm_dsl.training.sharing.usage import Usage

MANY_DEAD_UNITS = 0.5
"""A share of dead output units from which an expert is named."""


def experts_table(usage: Usage, title: str) -> Table:
    """One line per layer: rows, how many experts are in use and of which role, evenness, mutual information."""
    table = Table(title=title, title_justify="left", caption=_CAPTION, caption_justify="left")
    table.add_column("level")
    for name in ("layer", "rows", "in use", "specific", "group", "shared", "dead", "evenness", "information"):
        table.add_column(name, justify="right")
    for layer in usage:
        seen = sharing(layer)
        kinds = [role.kind for role in seen.roles]
        table.add_row(
            layer.level,
            str(layer.layer + 1),
            f"{sum(layer.rows_N):,}",
            f"{seen.in_use} of {len(kinds)}",
            *(str(kinds.count(kind)) for kind in ("specific", "group", "shared", "dead")),
            f"{seen.evenness:.0%}",
            f"{seen.mutual_information:.3f}",
        )
    return table


_CAPTION = (
    "In use: the fewest experts that carry 95 % of all mixture weight.\n"
    "Evenness: entropy of the experts' use, of the largest it could be.\n"
    "Information: what a row's expert tells about its node, in nats. `tasks` has a row for each task."
)


def experts_sentences(usage: Usage) -> list[str]:
    """In words what is worth a look in each layer; nothing about layers where all is well, or that no row passed."""
    return [f"{_name(layer, usage)}: {said}" for layer in usage if any(layer.rows_N) for said in _said(sharing(layer))]


def _said(seen: Sharing) -> list[str]:
    dead = [expert for expert, role in enumerate(seen.roles) if role.kind == "dead"]
    deaf = [
        (expert, share)
        for expert, share in enumerate(seen.dead_units)
        if share is not None and share >= MANY_DEAD_UNITS
    ]
    said = [f"{_experts(dead)} hardly used by any node"] if dead else []
    said += [f"expert {expert} is picked as shared, but by `{node}` alone" for expert, node in seen.occupied.items()]
    said += [f"{share:.0%} of the output units of expert {expert} are the same for all rows" for expert, share in deaf]
    return said


def _experts(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"expert {numbers[0]} is"
    return f"experts {', '.join(str(number) for number in numbers)} are"


def _name(layer: LayerUsage, usage: Usage) -> str:
    alone = len(usage.level(layer.level)) == 1
    return quoted([layer.level]) + ("" if alone else f", layer {layer.layer + 1}")


def experts_data(usage: Usage) -> list[dict[str, Any]]:
    """One value per layer, with all that `Sharing` and the usage say; lists run over nodes, then experts."""
    found = []
    for layer in usage:
        seen = sharing(layer)
        found.append(
            {
                "level": layer.level,
                "layer": layer.layer,
                "nodes": list(layer.nodes),
                "rows": list(layer.rows_N),
                "in_use": seen.in_use,
                "entropy": seen.entropy,
                "evenness": seen.evenness,
                "mutual_information": seen.mutual_information,
                "sharing": seen.matrix.matrix.tolist(),
                "experts": seen.experts().to_dicts(),
                "specific": [list(row) for row in layer.specific_NE],
                "shared": [list(row) for row in layer.shared_NE],
                "weight": [list(row) for row in layer.weight_NE],
            }
        )
    return found
