"""`BaselinePlan`: the sizes of a network of another architecture than AES, as plain numbers (docs/architectures.md)."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.spec.baseline import LEAF_FEATURE


@dataclass(frozen=True, slots=True)
class BaselinePlan:
    """What a plan holds instead of AES layers.

    A leaf is a path of the scenario levels; without levels there is one leaf. If a level accepts unknown nodes, one
    more leaf, the last, holds all rows with an unknown node. A number that the architecture does not use is 0 or empty.
    """

    architecture: str
    """A name of `spec.baseline.ARCHITECTURES` other than "aes"."""
    leaves: int
    hidden: tuple[int, ...]
    """Widths of the Linear layers below the towers (or of each expert); the last is the towers' input."""
    experts: int
    """Experts of MMoE."""
    specific: int
    """Experts of each (leaf, task) in each layer of PLE, of each task in each layer of AdaTT, of each leaf and of each
    task in HiNet."""
    shared: int
    """Experts of all leaves and tasks together: in each layer of PLE and AdaTT, in both stages of HiNet, in M3oE."""
    repeat: int
    """Layers of experts in PLE and AdaTT."""
    embed: int
    """Width of the leaf embedding: the leaf as a feature, if that is asked for; an input of ESMM, of STAR's auxiliary
    network, of the gates of PEPNet and of the attention of HiNet."""
    auxiliary: tuple[int, ...]
    """Hidden widths of STAR's auxiliary network, and of the gates of PEPNet."""
    norm: str
    """Norm after each Linear below the towers: "layer" or "none"."""
    activation: str
    """"silu" or "relu"."""
    dropout: float
    match: str
    """The cost that automatic widths match to the AES model's: "parameters", or "flops" per row."""
    aes_parameters: int
    """Parameters of the same spec's AES model, without embedding tables."""
    aes_flops: int
    """FLOPs per row of the same spec's AES model, if only the selected experts run."""

    @property
    def output(self) -> int:
        """Width of the towers' input."""
        return self.hidden[-1]

    @property
    def leaf_feature(self) -> bool:
        """Whether the leaf's embedding stands beside x, in an architecture that has no other use for it."""
        return self.embed > 0 and self.architecture in LEAF_FEATURE

    def input_width(self, width: int) -> int:
        """Returns the width of the body's input, for this width of x."""
        return width + (self.embed if self.leaf_feature else 0)

    @property
    def extracted_parts(self) -> int:
        """Vectors of width `output` that HiNet's scenarios extract: shared, of the leaf, and of the others if any."""
        return 3 if self.leaves > 1 else 2
