"""`aesm experts`: which experts the nodes of every layer use, as a table, in sentences, and as plain values."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from aesm_dsl.findings.diagnostic import quoted
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import Sharing, sharing
from aesm_dsl.training.sharing.usage import Usage

MANY_DEAD_UNITS = 0.5
"""The share of dead output units from which on a sentence names an expert."""


def experts_table(usage: Usage, title: str) -> Table:
    """Returns a line for each layer: rows, experts in use, experts by role, evenness, mutual information."""
    table = Table(title=title, title_justify="left", caption=_CAPTION, caption_justify="left")
    table.add_column("level")
    for name in ("layer", "rows", "in use", "specific", "group", "shared", "dead", "evenness", "information"):
        table.add_column(name, justify="right")
    for layer in usage:
        layer_sharing = sharing(layer)
        kinds = [role.kind for role in layer_sharing.roles]
        table.add_row(
            layer.level,
            str(layer.layer + 1),
            f"{sum(layer.rows_N):,}",
            f"{layer_sharing.in_use} of {len(kinds)}",
            *(str(kinds.count(kind)) for kind in ("specific", "group", "shared", "dead")),
            f"{layer_sharing.evenness:.0%}",
            f"{layer_sharing.mutual_information:.3f}",
        )
    return table


_CAPTION = (
    "In use: the fewest experts that carry 95 % of all mixture weight.\n"
    "Evenness: entropy of the experts' use, divided by the largest possible entropy.\n"
    "Information: mutual information of expert and node, in nats. `tasks` has a row for each task."
)


def experts_sentences(usage: Usage) -> list[str]:
    """Returns sentences about experts that deserve attention.

    There are none about layers where all is well, or that no row passed.
    """
    return [
        f"{_layer_name(layer, usage)}: {sentence}"
        for layer in usage
        if any(layer.rows_N)
        for sentence in _layer_sentences(sharing(layer))
    ]


def _layer_sentences(layer_sharing: Sharing) -> list[str]:
    dead = [expert for expert, role in enumerate(layer_sharing.roles) if role.kind == "dead"]
    sentences = [f"{_experts(dead)} hardly used by any node"] if dead else []
    sentences += [
        f"expert {expert} is selected as shared, but only by `{node}`"
        for expert, node in layer_sharing.occupied.items()
    ]
    sentences += [
        f"{share:.0%} of the output units of expert {expert} are the same for all rows"
        for expert, share in enumerate(layer_sharing.dead_units)
        if share is not None and share >= MANY_DEAD_UNITS
    ]
    return sentences


def _experts(numbers: list[int]) -> str:
    """The subject and verb of a sentence: "expert 1 is" or "experts 1, 2 are"."""
    if len(numbers) == 1:
        return f"expert {numbers[0]} is"
    return f"experts {', '.join(str(number) for number in numbers)} are"


def _layer_name(layer: LayerUsage, usage: Usage) -> str:
    alone = len(usage.level(layer.level)) == 1
    return quoted([layer.level]) + ("" if alone else f", layer {layer.layer + 1}")


def experts_data(usage: Usage) -> list[dict[str, Any]]:
    """Returns a dict for each layer, with all that `Sharing` and the usage know; lists run over nodes, then experts.

    Layers count from 1, as in the table.
    """
    layers = []
    for layer in usage:
        layer_sharing = sharing(layer)
        layers.append(
            {
                "level": layer.level,
                "layer": layer.layer + 1,
                "nodes": list(layer.nodes),
                "rows": list(layer.rows_N),
                "in_use": layer_sharing.in_use,
                "entropy": layer_sharing.entropy,
                "evenness": layer_sharing.evenness,
                "mutual_information": layer_sharing.mutual_information,
                "sharing": layer_sharing.matrix.matrix.tolist(),
                "experts": layer_sharing.experts().to_dicts(),
                "specific": [list(row) for row in layer.specific_NE],
                "shared": [list(row) for row in layer.shared_NE],
                "weight": [list(row) for row in layer.weight_NE],
            }
        )
    return layers
