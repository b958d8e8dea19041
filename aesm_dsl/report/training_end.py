"""What the end of a training says beside the metrics: how it went, what was not learnt, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from aesm_dsl.training.metrics.scores import ALL
from aesm_dsl.training.run.folder import Run

MOST_NAMED = 5
FEW_STEPS = 2
"""So few steps change nothing that a metric could show."""


def training_sentences(run: Run) -> list[str]:
    """Returns sentences about a run that has just been trained."""
    return [*_course(run), *_measured(run), *_worse_than_the_rate(run), *_next(run)]


def _course(run: Run) -> Iterator[str]:
    steps, best, training = int(run.info["steps"]), int(run.info["best step"]), run.plan.training
    epochs = len(run.history)
    kept = next((epoch.epoch for epoch in run.history if epoch.step == best), epochs)
    trained = f"Trained for {_count(steps, 'step')} in {_count(epochs, 'epoch')}"
    watched = training.watched.replace("_", " ").replace("auc", "AUC").replace("gAUC", "GAUC")
    if not any(epoch.valid_losses for epoch in run.history):
        yield f"{trained}; the weights are the last ones: without validation rows no epoch can be called the best."
    elif training.patience_epochs is None:
        yield f"{trained}; the weights are the last ones, as `stop` asks for."
    elif run.info["stopped early"]:
        waited = _count(training.patience_epochs, "epoch")
        yield f"{trained}: stopped early, after {waited} without a better {watched}."
        yield f"The weights are those of epoch {kept}."
    else:
        yield f"{trained}, not stopped early; the weights are those of epoch {kept}, the best by {watched}."
    if steps <= FEW_STEPS:
        rows = int(run.info["rows"]["train"])
        batches = _count(-(-rows // training.batch_rows), "batch", "batches")
        yield (
            f"{_count(steps, 'step')} {'is' if steps == 1 else 'are'} too few to learn anything: {rows:,} training "
            f"rows make {batches} of {training.batch_rows:,} rows. Write a smaller `batch`, or a longer `length`."
        )


def _measured(run: Run) -> Iterator[str]:
    part = run.info["measured on"]
    if part == "train":
        yield "The figures are of the training rows: set rows aside, by `test = split(random: 10%)` in `data`."
    elif part == "valid" and run.plan.training.patience_epochs is not None:
        yield "The figures are of the validation rows, which chose the best epoch: test rows (`test`) would be fairer."


def _worse_than_the_rate(run: Run) -> Iterator[str]:
    known = [score for score in run.scores if score.normalised_entropy is not None]
    worse = [score for score in known if score.normalised_entropy is not None and score.normalised_entropy >= 1]
    if not worse:
        return
    overall = [score.task for score in worse if score.leaf == ALL]
    if overall:
        tasks = ", ".join(f"`{task}`" for task in overall)
        yield f"On all rows together {tasks} is worse than always predicting its rate (NE above 1)."
    leaves = sorted((score for score in worse if score.leaf != ALL), key=lambda score: -score.rows)
    if leaves:
        named = ", ".join(
            f"`{score.leaf}` ({score.task}, NE {score.normalised_entropy:.3f})" for score in leaves[:MOST_NAMED]
        )
        more = f" and {len(leaves) - MOST_NAMED:,} more" if len(leaves) > MOST_NAMED else ""
        of = sum(score.leaf != ALL for score in known)
        yield f"Worse than always predicting the rate, {len(leaves):,} of {of:,} pairs of leaf and task: {named}{more}."


def _next(run: Run) -> Iterator[str]:
    folder = shlex.quote(str(run.folder))
    experts = "" if run.plan.baseline is not None else f"`aesm experts {folder}` says who shares with whom, "
    yield f"Next: {experts}`aesm visualize {folder} -o report.html` makes a page of it all."


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
