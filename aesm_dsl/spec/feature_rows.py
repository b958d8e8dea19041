"""The arguments that say which rows have a feature: those of some nodes, or training rows alone."""

from __future__ import annotations

from typing import Annotated

from aesm_dsl.spec.block_model import setting
from aesm_dsl.spec.kinds import ListKind, ReferenceKind, SwitchKind

Only = Annotated[tuple[str, ...] | None, ListKind(ReferenceKind("node"), 1, True)]
ONLY = setting(
    "the nodes whose rows have the feature, of any level: `wealth`, or `card.wealth` if several levels have one; in "
    "other rows it contributes nothing, whatever its column holds; by default all rows have it",
    None,
)
TrainingOnly = Annotated[bool, SwitchKind()]
TRAINING_ONLY = setting(
    "the feature is known in training only, such as the position at which a row was shown: it adds to the logits "
    "there; evaluation and serving do without it, and without its column",
    False,
)
