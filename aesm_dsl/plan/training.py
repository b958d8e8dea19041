"""`TrainingPlan`: the settings of the `train` block, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NoisePlan:
    """The noise sigma (method.md eq. 2) over the course of a training."""

    schedule: str
    """"constant", or "anneal": linear from `start` to 0."""
    start: float
    over: float
    """Share of training, in (0, 1], after which annealed noise is 0."""
    mixture: bool
    """Whether noise also enters the mixture, not only the selection."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a network is trained."""

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
    """Epochs without a better `watched` on the validation rows before training stops; None for no early stop."""
    noise: NoisePlan
    specific_loss: float
    """Weight lambda_sp of the loss on specific experts."""
    shared_loss: float
    """Weight lambda_sh of the loss on shared experts."""
    seed: int
    balance: float = 0.0
    """Weight of the load-balancing loss L_balance."""
    weights: str = "fixed"
    """Weight of a task's loss: "fixed" is the task's own; "uncertainty", "gradnorm", "dwa" and "famo" multiply it by a
    factor that training finds."""
    weights_rate: float = 0.025
    """Learning rate of the factors of "gradnorm" and "famo"."""
    weights_decay: float = 0.0
    """Weight decay of the factors' logits of "famo"."""
    weights_alpha: float = 1.5
    """How much longer "gradnorm" makes the gradient of a task that learns slowly: the exponent of how slowly."""
    weights_temperature: float = 2.0
    """Temperature of the softmax of "dwa"."""
    sparse_from: float | None = None
    """Embedding tables with at least this many rows per id that a batch looks up in them get sparse updates: a step
    changes only the rows that were looked up. None: a step changes all rows of all tables."""
    sharded: bool = False
    """Whether the rows of the tables with sparse updates are divided among the processes of a training."""
    checkpoint_steps: int | None = None
    """Steps from one checkpoint to the next; None if `checkpoint_minutes` decides."""
    checkpoint_minutes: float | None = None
    """Minutes from one checkpoint to the next; if `checkpoint_steps` is None too, only a stop writes a checkpoint."""
    hours: float | None = None
    """Length of the training in hours, if neither `epochs` nor `steps` is set."""
    watched: str = "mean_auc"
    """Validation metric, averaged over the tasks: "mean_auc", "mean_gauc", "mean_ndcg", "log_loss" or
    "normalised_entropy"."""
    warmup: float = 0.0
    """Share of training in which the learning rate rises; in (0, 1) for "one_cycle"."""
    plateau_factor: float = 0.5
    """Factor by which "plateau" multiplies the learning rate."""
    plateau_patience: int = 0
    """Epochs without a better value before "plateau" multiplies the learning rate by its factor."""
    momentum: float = 0.0
    """Momentum of "sgd"."""
    embeddings_decay: float | None = None
    """Weight decay of the embedding tables; None for `weight_decay`."""
    clip: float | None = None
    """Largest norm of a step's gradient; None for no clipping."""
    ema_decay: float | None = None
    """Decay of the exponential moving average of the weights, which is evaluated and saved; None: the weights
    themselves are."""
    combine: str = "sum"
    """How the tasks' gradients are combined: "sum", or the name of a method."""
    precision: str = "float32"
    """Type of a step's large matrix products: "float32" or "bf16"."""
    compile: str | None = None
    """Compiler of the network's training steps: "inductor", or None."""
