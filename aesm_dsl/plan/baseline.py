"""`BaselinePlan`: the sizes of a network that is not AES, as plain numbers (docs/architectures.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BaselinePlan:
    """What a plan holds instead of AES layers.

    A leaf is a path of the scenario levels; without levels there is one. Where a level takes unknown nodes, one leaf
    more, the last, is that of all rows with one. A number that the architecture has no use for is 0 or empty.
    """

    architecture: str
    """"shared_bottom", "mmoe", "ple", "star", "esmm" or "single"."""
    leaves: int
    hidden: tuple[int, ...]
    """Widths of the Linear layers below the towers, in MMoE and PLE of each expert; the last is the towers' input."""
    experts: int
    """Experts of MMoE."""
    specific: int
    """Experts of each (leaf, task) in each layer of PLE."""
    shared: int
    """Experts of all (leaf, task) together in each layer of PLE."""
    repeat: int
    """Layers of experts in PLE."""
    embed: int
    """Width of the leaf embedding: an input of ESMM, and of STAR's auxiliary network."""
    auxiliary: tuple[int, ...]
    """Hidden widths of STAR's auxiliary network."""
    norm: str
    """Norm after each Linear below the towers: "layer" or "none"."""
    activation: str
    """"silu" or "relu"."""
    dropout: float
    match: str
    """What automatic widths make equal to the AES model's: "parameters", or "flops" a row."""
    aes_parameters: int
    """Of the same spec's AES model, embedding tables aside."""
    aes_flops: int
    """FLOPs a row of the same spec's AES model, with the chosen experts."""

    @property
    def output(self) -> int:
        return self.hidden[-1]
