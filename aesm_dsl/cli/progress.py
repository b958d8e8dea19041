"""How training goes: on a terminal a bar, elsewhere plain lines, one for each phase and each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aesm_dsl.cli.output import say
from aesm_dsl.training.run import history


@dataclass(frozen=True, slots=True)
class Watchers:
    """The callbacks to hand to a training."""

    watch: Callable[[history.Progress], None]
    ended: Callable[[history.Epoch], None]
    phase: Callable[[str], None]


@contextmanager
def progress(console: Console) -> Iterator[Watchers]:
    """Yields the callbacks: for a bar if the console is a terminal, else for plain lines on standard error."""
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task("reading", total=None, losses="", speed="")

        def watch(now: history.Progress) -> None:
            losses = "  ".join(f"{name} {value:.4f}" for name, value in now.losses.items())
            bar.update(line, total=now.steps, completed=now.step, losses=losses, speed=_speed(now.rows, now.seconds))

        yield Watchers(watch, lambda epoch: None, lambda name: bar.update(line, description=name))


def _lines() -> Watchers:
    """Callbacks that say what begins, and how every epoch ended."""
    last: list[history.Progress] = []
    said: set[str] = set()

    def phase(name: str) -> None:
        # The rows are validated after every epoch, which says so itself.
        if name != "validating" and name not in said:
            said.add(name)
            say(f"{name} ...")

    def ended(epoch: history.Epoch) -> None:
        planned = last[-1].steps if last else epoch.step
        parts = [f"loss {_named(epoch.train_losses)}"]
        if known := {name: loss for name, loss in epoch.valid_losses.items() if loss is not None}:
            means = {"AUC": epoch.valid_mean_auc, "GAUC": epoch.valid_mean_gauc, "NDCG": epoch.valid_mean_ndcg}
            named = "".join(f"mean {name} {value:.4f}, " for name, value in means.items() if value is not None)
            parts.append(f"validation: {named}loss {_named(known)}")
        speed = _speed(last[-1].rows, last[-1].seconds) if last else ""
        parts.append(", ".join(part for part in (f"{epoch.seconds:,.0f} s", speed) if part))
        say(f"epoch {epoch.epoch}, step {epoch.step:,} of {planned:,}: {'; '.join(parts)}")

    return Watchers(lambda now: last.__setitem__(slice(None), [now]), ended, phase)


def _named(losses: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in losses.items())


def _speed(rows: int, seconds: float) -> str:
    return f"{rows / max(seconds, 1e-9):,.0f} rows/s"
