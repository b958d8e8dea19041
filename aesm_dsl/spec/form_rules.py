"""Rules about forms: how numbers and dates are written in columns of text."""

from __future__ import annotations

from aesm_dsl.spec.data import Split
from aesm_dsl.spec.date_format import SECONDS, SIGNS, format_error, has_year
from aesm_dsl.spec.features import NumberFeature
from aesm_dsl.spec.rule_context import RuleContext
from aesm_dsl.spec.tasks import Above

_DIGITS = "0123456789"


def labels_and_splits_have_forms(context: RuleContext) -> None:
    """The forms of labels and of splits can be read."""
    spec = context.spec
    for task in spec.tasks.tasks:
        path = f"tasks.task.{task.name}.label"
        if isinstance(task.label, Above) and not spec.places.is_broken(path):
            check_number_form(context, path, task.label)
    for word in ("valid", "test"):
        split, path = getattr(spec.data, word, None), f"data.{word}"
        if isinstance(split, Split) and split.format is not None and not spec.places.is_broken(path):
            _check_split(context, path, split, split.format)


def check_number_form(context: RuleContext, path: str, arguments: NumberFeature | Above) -> None:
    """Reports signs that cannot be told from a number or from each other (E306, E308)."""
    decimal, thousands, strip = arguments.decimal or ".", arguments.thousands, arguments.strip or ""
    for word, sign in (("decimal", arguments.decimal), ("thousands", thousands)):
        if sign is not None and (len(sign) != 1 or sign in _DIGITS + "+-" or (word == "decimal" and sign.isspace())):
            _report(context, f"{path}.{word}", f"`{sign}` is no sign for `{word}`", "expected one sign, no digit")
            return
    if thousands == decimal:
        if arguments.decimal is None:
            _report(
                context,
                f"{path}.thousands",
                f"`{thousands}` is the decimal sign, too",
                "numbers have a decimal point by default",
                'write the decimal sign beside it: `decimal: ","`',
            )
        else:
            words = "an equal `decimal` and `thousands`"
            context.report_conflict(words, f"{path}.decimal", f"{path}.thousands", "delete one of them")
    within = {sign for sign in strip if sign in _DIGITS + "+-" + decimal + (thousands or "").strip()}
    if within:
        _report(
            context,
            f"{path}.strip",
            f"`strip` would take a part of numbers, `{min(within)}`",
            "a part of numbers",
            "write the signs around the number: a currency, a unit, blanks",
        )


def check_date_format(context: RuleContext, path: str, form: str | None) -> bool:
    """Reports a format that cannot be read (E306); returns whether it can."""
    error = format_error(form) if form is not None else ""
    if error:
        known = ", ".join(f"`%{sign}`" for sign in SIGNS)
        help = f"its signs are {known}; `{SECONDS}` alone is for seconds since 1970"
        _report(context, path, f"`{form}` is no format of dates", error, help)
    return not error


def _check_split(context: RuleContext, path: str, split: Split, form: str) -> None:
    """Reports a format where nothing is compared (E308), and one that cannot be read or ordered (E306)."""
    word = "equals" if split.equals is not None else "random" if split.random is not None else ""
    if word:
        context.report_conflict(f"`format` and `{word}`", f"{path}.format", f"{path}.{word}", "delete `format`")
    elif check_date_format(context, f"{path}.format", form) and not has_year(form):
        _report(context, f"{path}.format", "dates without a year have no order", "no `%Y` in it", "write their year")


def _report(context: RuleContext, path: str, message: str, label: str, help: str = "") -> None:
    context.findings.add("E306", message, context.spec.places.of(path), label=label, help=help)
