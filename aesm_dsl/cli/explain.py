"""The command `aesm explain`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import AsResult, ResultFormat
from aesm_dsl.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from aesm_dsl.findings.codes import Page


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A code such as E203, or a family such as E2, in any case; without one, all are listed.",
            autocompletion=completion.codes,
        ),
    ] = None,
    form: AsResult = ResultFormat.text,
) -> None:
    """Explain a finding: what its code means, an example with its right form, and why aesm is strict about it."""
    from aesm_dsl.findings.codes import families, pages
    from aesm_dsl.findings.diagnostic import did_you_mean

    known = pages()
    chosen = [*families()] if code is None else [family for family in families() if family == code.upper()]
    page = known.get(code.upper()) if code is not None else None
    if page is None and not chosen and code is not None:
        family = [other for other in known if other.startswith(code.upper()[:2])]
        help = did_you_mean(code.upper(), family or known) or "`aesm explain` lists all codes"
        raise typer.BadParameter(f"there is no code `{code}`; {help}", param_hint="CODE")
    if form is ResultFormat.json:
        print_json(_data(page) if page else [_data(page) for page in known.values() if page.family in chosen])
    elif page is not None:
        show_page(page, console(sys.stdout))
    else:
        show_codes(chosen, console(sys.stdout))


def show_page(page: Page, out: Console) -> None:
    """Prints a page: laid out on a terminal, elsewhere as plain text."""
    from aesm_dsl.findings.codes import FENCE

    title = f"{page.code}: {page.title}"
    if out.is_terminal:
        from rich.markdown import Markdown  # loading it takes a tenth of the time that other commands take to start

        out.print(Markdown(f"# {title}\n\n{page.text}"))
        return
    plain = FENCE.sub(lambda match: indent(_named(match.group(2)) + match.group(3).rstrip(), "    "), page.text)
    out.file.write(f"{title}\n\n{plain}\n")


def show_codes(chosen: Sequence[str], out: Console) -> None:
    """Prints the codes of families such as E2, each with its title."""
    from rich.markup import escape

    from aesm_dsl.findings.codes import families, pages

    for family in chosen:
        out.print(f"[bold]{family}[/]  {families()[family]}")
        for page in pages().values():
            if page.family == family:
                out.print(f"  [bold]{page.code}[/]  {escape(page.title)}")
    out.print("`aesm explain CODE` says more about one.", markup=False)


def _named(table: str) -> str:
    return f"# {table}\n" if table else ""


def _data(page: Page) -> dict[str, object]:
    severity = "warning" if page.code.startswith("W") else "error"
    return {"severity": severity, **{key: value for key, value in asdict(page).items() if key != "text"}}
