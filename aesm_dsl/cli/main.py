"""The app and its entry point. Exit codes: 0 done, 1 findings or a failure, 2 wrong usage."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from aesm_dsl.cli import (
    check,
    compare,
    compile,
    diff,
    evaluate,
    experts,
    explain,
    export,
    fmt,
    init,
    lsp,
    predict,
    serve,
    show,
    simulate,
    train,
    tune,
    visualize,
)
from aesm_dsl.cli.interrupt import ends_while_loading
from aesm_dsl.cli.output import say, warn
from aesm_dsl.files.whole import NO_ROOM
from aesm_dsl.findings.error import AesmError

app = typer.Typer(
    name="aesm",
    help="One ranking model for many scenarios and many tasks, from a small spec.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(asked: bool) -> None:
    if asked:
        from aesm_dsl.version import VERSION

        sys.stdout.write(f"aesm {VERSION}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that go before a command."""


app.command()(init.init)
app.command()(check.check)
app.command()(fmt.fmt)
app.command()(show.show)
app.command()(explain.explain)
app.command("compile")(compile.compile_)
app.command()(simulate.simulate)
app.command()(train.train)
app.command()(diff.diff)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command()(tune.tune)
app.command()(predict.predict)
app.command()(experts.experts)
app.command()(visualize.visualize)
app.command()(export.export)
app.command()(serve.serve)
app.command()(lsp.lsp)


def main() -> None:
    """The entry point: a user's mistake is reported, never shown as a traceback."""
    # Where a stream was closed by whoever started us, Python has none.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        with ends_while_loading():
            try:
                app()
            finally:
                if not sys.stdout.closed:  # a language server closes it
                    sys.stdout.flush()
    except AesmError as error:
        warn(error.findings)
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; nothing was written")
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has stopped reading. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # Errors in files have their names (`naming_place`): what is full and has none is standard output.
        place = error.filename or ("standard output" if error.errno in NO_ROOM else "the system")
        say(f"error: {place}: {error.strerror or error}")
        sys.exit(1)
