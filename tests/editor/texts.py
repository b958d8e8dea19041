"""Specs with a place marked in them, as the tests of the editor type them: `|` is where the cursor stands."""

from __future__ import annotations

from aesm_dsl.editor.analysis import Analysis, analyse
from aesm_dsl.findings.source import Source

SHOP = """\
aesm = 1

## Everything the shop shows.
model shop "店" {
  budget = 2M parameters
  features user {
    age  = number(quantiles: 8)
    city = category
  }
  experts { count = auto }
  level page {
    ## Where everybody 🙂 arrives.
    node home "首页"
    node cart        { value = ["cart", "basket"] }
  }
  level card "卡片" {
    under = page
    node fund
    node bond { under = [home, cart] }
    node note { under = home }
    experts { count = 4 }
  }
  tasks {
    under = card
    task click
    task buy   "购买" { after = click }
  }
  train {
    batch  = 512 rows
    length = 3 epochs
  }
}
"""


def at(text: str) -> tuple[Analysis, int]:
    """The text without its mark, looked at, and where the mark stood."""
    before, _, after = text.partition("|")
    return analyse(Source("shop.aesm", before + after)), len(before)


def changed(old: str, new: str, text: str = SHOP) -> str:
    """The shop with a piece of its text replaced; the piece stands in it once."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
    return text.replace(old, new)
