"""A progress bar for a terminal: steps, losses per task, rows a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aesm_dsl.training.run import history


@contextmanager
def bar(console: Console) -> Iterator[Callable[[history.Progress], None]]:
    """Yields the callback to hand to training as `watch`. It draws nothing if the console is no terminal."""
    columns = (
        TextColumn("train"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        line = progress.add_task("train", total=None, losses="", speed="")

        def watch(now: history.Progress) -> None:
            losses = "  ".join(f"{name} {value:.4f}" for name, value in now.losses.items())
            speed = f"{now.rows / max(now.seconds, 1e-9):,.0f} rows/s"
            progress.update(line, total=now.steps, completed=now.step, losses=losses, speed=speed)

        yield watch
