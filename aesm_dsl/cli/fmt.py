"""The command `aesm fmt`."""

from __future__ import annotations

import difflib
import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from aesm_dsl.cli import completion
from aesm_dsl.cli.arguments import spec_files
from aesm_dsl.cli.output import print_text, say, warn
from aesm_dsl.files.whole import write_text
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.spec_file import read_source, read_text


def fmt(
    specs: Annotated[
        list[Path],
        typer.Argument(
            metavar="SPEC...",
            help="One or more .aesm files, or folders of them; `-` reads standard input, writes output.",
            autocompletion=completion.specs,
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; name the files that would change, exit 1 if any.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; print what would change.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Also mend the mistakes of which it is certain what was meant.")
    ] = False,
) -> None:
    """Bring specs into the one layout. Comments stay; a missing `aesm = 1` is added; a faulty file is left alone.

    Two blanks a level, neighbouring settings and blocks aligned, lines of up to 100 columns, LF line ends.
    """
    findings = Findings()
    files = spec_files(specs, findings)
    warn(findings)
    changed, faulty = 0, len(findings.errors)
    for path in files:
        source = _read(path)
        text = _tidy(source, fix) if source is not None else None
        if source is None or text is None:
            faulty += 1
            continue
        different = text != source.text
        changed += different
        if diff:
            print_text(_difference(source, text))
        if check:
            print_text(f"{source.path}\n" * (different and not diff))
        elif not diff and path == Path("-"):
            print_text(text)
        elif not diff and different:
            write_text(path.resolve(), text)
            say(f"formatted {path}")
    if len(files) > 1 or check:
        say(_summary(len(files), changed, faulty, wrote=not check and not diff))
    if faulty or (check and changed):
        raise typer.Exit(1)


def _read(path: Path) -> Source | None:
    """The text of a file, with its line ends as they are; None after printing why it cannot be formatted."""
    findings = Findings()
    source = None
    if path.suffix == ".json":
        findings.add("E110", f"`{path}` is JSON", help="`aesm fmt` formats .aesm files")
    elif path == Path("-"):
        try:
            source = Source("<stdin>", read_text(sys.stdin.buffer))
        except UnicodeDecodeError as error:
            findings.add("E110", f"standard input is not UTF-8 at byte {error.start}")
        except OSError as error:
            help = "`aesm fmt -` formats a spec"
            findings.add("E110", f"standard input cannot be read: {error.strerror}", help=help)
    else:
        source = read_source(path, findings)
    warn(findings)
    return source


def _tidy(source: Source, fix: bool) -> str | None:
    from aesm_dsl.spec.auto_fix import apply_certain_fixes
    from aesm_dsl.spec.format_text import format_text

    findings = Findings()
    sound, done = apply_certain_fixes(source) if fix else (source, [])
    if (text := format_text(sound, Findings())) is None:
        format_text(source, findings)  # told from the file as it is
    warn(findings)
    if text is None and not fix and apply_certain_fixes(source)[1]:
        say("`aesm fmt --fix` mends what is certain")
    for finding, change in done if text is not None else ():
        place = f"{finding.span.source.path}:{finding.span.line}:{finding.span.column}: " if finding.span else ""
        say(f"{place}{finding.message}: {change.title}")
    return text


def _difference(source: Source, text: str) -> str:
    before, after = list(io.StringIO(source.text, newline="\n")), list(io.StringIO(text, newline="\n"))
    lines = difflib.unified_diff(before, after, source.path, f"{source.path} (formatted)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _summary(files: int, changed: int, faulty: int, wrote: bool) -> str:
    done = "formatted" if wrote else "would change"
    parts = [f"{changed} {done}", f"{files - changed - faulty} as they should be", f"{faulty} with mistakes"]
    counts = [part for part, count in zip(parts, (changed, files - changed - faulty, faulty), strict=True) if count]
    return f"{files} file{'s' * (files > 1)}: {', '.join(counts)}"
