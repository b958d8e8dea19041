"""`TrainingPlan`: how a network learns, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoisePlan:
    """sigma of eq. 2 over training: from `start`, constant ("constant") or linear to 0 ("anneal")."""

    schedule: str
    start: float
    over: float
    """Share of training, in (0, 1], after which annealed noise is 0."""
    mixture: bool
    """Whether noise enters the mixture too, not the selection alone."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    optimizer: str
    """"adam", "adamw", "sgd" or "adagrad"."""
    rate: float
    weight_decay: float
    schedule: str
    """"one_cycle", "constant", "cosine" or "plateau"."""
    batch_rows: int
    epochs: float | None
    steps: int | None
    patience_epochs: int | None
    """Epochs without a better `watched` on the validation rows before training stops; None never stops early."""
    noise: NoisePlan
    specific_loss: float
    """lambda_sp."""
    shared_loss: float
    """lambda_sh."""
    seed: int
    balance: float = 0.0
    """Weight of L_balance."""
    weights: str = "fixed"
    """What a task's loss counts: "fixed", its own weight, or "uncertainty", that times exp(-s) with a learnt s."""
    sparse_from: float | None = None
    """Of embedding tables with at least so many rows for every id that a batch looks up in them, a step moves only the
    rows that were looked up; None: it moves all rows of all tables."""
    sharded: bool = False
    """Whether several processes share the rows of those tables."""
    checkpoint_steps: int | None = None
    """Steps from one checkpoint to the next; None: see `checkpoint_minutes`."""
    checkpoint_minutes: float | None = None
    """Minutes from one checkpoint to the next; None with no `checkpoint_steps` either writes one on a stop only."""
    hours: float | None = None
    """How long to train, where neither `epochs` nor `steps` says so."""
    watched: str = "mean_auc"
    """"mean_auc", "mean_gauc", "log_loss" or "normalised_entropy", the mean over the tasks."""
    warmup: float = 0.0
    """Share of training in which the learning rate rises; in (0, 1) for "one_cycle"."""
    plateau_factor: float = 0.5
    plateau_patience: int = 0
    """Epochs without a better value that "plateau" lets pass before it multiplies the learning rate with its factor."""
    momentum: float = 0.0
    """Of "sgd"."""
    embeddings_decay: float | None = None
    """Weight decay of the embedding tables; None: `weight_decay`."""
    clip: float | None = None
    """The largest norm of a step's gradient."""
    ema_decay: float | None = None
    """Of the average of the weights that is measured and kept; None: the weights themselves are."""
    combine: str = "sum"
    """How the tasks' gradients become one: "sum", "pcgrad" or "aligned_mtl"."""
    precision: str = "float32"
    """Type of a step's large products: "float32" or "bf16"."""
    compile: str | None = None
    """What compiles the network for its steps: "inductor"; None: nothing does."""
