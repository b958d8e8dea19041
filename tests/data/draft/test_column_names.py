"""What the names of columns say."""

from __future__ import annotations

import pytest

from aesm_dsl.data.draft.column_names import EARLIER, LABEL, OUTCOME, STATE, USER, plain_name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("User ID", "user_id"),
        ("userId", "user_id"),
        ("UserID", "user_id"),
        ("user-id", "user_id"),
        ("用户ID", "user_id"),
        ("用户编号", "user_id"),
        ("卡片 Type", "card_type"),
        ("pageName", "page_name"),
        ("场景", "scene"),
        ("是否点击", "is_click"),
        ("曝光时间", "impression_time"),
        ("搜索词", "query"),
        ("ＵＩＤ", "uid"),
        ("__index_level_0__", "index_level_0"),
        ("Unnamed: 0", "unnamed_0"),
    ],
)
def test_the_words_of_a_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize("name", ["user_id", "UserIDHash", "Member No", "客户编号", "visitor"])
def test_users(name: str) -> None:
    assert USER.search(plain_name(name))


def test_labels_states_and_outcomes() -> None:
    assert all(LABEL.search(plain_name(name)) for name in ("isClick", "是否购买", "visit", "AddedToCart", "signup"))
    assert all(STATE.search(plain_name(name)) for name in ("has_account", "isVIP", "newbie", "is_mobile"))
    assert all(OUTCOME.search(plain_name(name)) for name in ("purchase_amount", "basketValue", "订单金额", "spend"))
    assert EARLIER.search(plain_name("lastPurchaseAmount"))
