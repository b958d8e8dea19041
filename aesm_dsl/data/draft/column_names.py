"""What the name of a column says: its words in English, whatever the style of writing, and the roles they suggest."""

from __future__ import annotations

import re
import unicodedata

CHINESE = {
    "加入购物车": "add_to_cart",
    "搜索词": "query",
    "关键词": "query",
    "查询词": "query",
    "购物车": "cart",
    "理财师": "agent",
    "卡片": "card",
    "用户": "user",
    "会员": "member",
    "客户": "customer",
    "顾客": "customer",
    "访客": "visitor",
    "商品": "item",
    "物品": "item",
    "产品": "product",
    "基金": "fund",
    "店铺": "shop",
    "门店": "store",
    "商家": "merchant",
    "商户": "merchant",
    "品牌": "brand",
    "作者": "author",
    "视频": "video",
    "文章": "article",
    "广告": "ad",
    "场景": "scene",
    "入口": "entry",
    "页面": "page",
    "首页": "home",
    "频道": "channel",
    "渠道": "channel",
    "坑位": "position",
    "位置": "position",
    "排位": "position",
    "序号": "no",
    "查询": "query",
    "搜索": "search",
    "曝光": "impression",
    "展示": "impression",
    "点击": "click",
    "购买": "buy",
    "下单": "order",
    "订单": "order",
    "支付": "pay",
    "付款": "pay",
    "成交": "purchase",
    "申购": "purchase",
    "赎回": "redeem",
    "转化": "conversion",
    "加购": "cart",
    "收藏": "favourite",
    "点赞": "like",
    "分享": "share",
    "转发": "share",
    "关注": "follow",
    "评论": "comment",
    "注册": "regist",
    "退货": "return",
    "退款": "refund",
    "取消": "cancel",
    "流失": "churn",
    "违约": "default",
    "标签": "label",
    "目标": "target",
    "是否": "is",
    "日期": "date",
    "时间": "time",
    "时刻": "time",
    "年份": "year",
    "月份": "month",
    "小时": "hour",
    "星期": "weekday",
    "时长": "duration",
    "编号": "id",
    "编码": "code",
    "代码": "code",
    "标识": "id",
    "账号": "account",
    "城市": "city",
    "省份": "province",
    "地区": "region",
    "国家": "country",
    "类目": "category",
    "类别": "category",
    "品类": "category",
    "类型": "type",
    "职业": "occupation",
    "性别": "gender",
    "年龄": "age",
    "价格": "price",
    "单价": "price",
    "金额": "amount",
    "销售额": "sales",
    "数量": "num",
    "次数": "count",
    "评分": "rating",
    "得分": "score",
    "权重": "weight",
    "状态": "status",
    "结果": "result",
    "历史": "history",
    "最近": "last",
    "上次": "last",
    "上一": "last",
    "平均": "avg",
}
"""Chinese words in the names of columns, and the English words that mean the same role."""
_CHINESE = re.compile("|".join(sorted(CHINESE, key=len, reverse=True)))
_CASES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

LABEL = re.compile(
    r"^(y|label|target)(_|$)|click|(^|_)(buy|bought|pay|paid|ctr|cvr|visit|visited|redeem|open)(_|$)|purchas|conver|"
    r"cancel|order|like|share|follow|favou?r|subscri|churn|fraud|default|respon|install|regist|return|booked|opened|"
    r"add(ed)?_to_cart|checkout|comment|(^|_)sign(ed)?_?up(_|$)"
)
"""Names of columns with two values that are labels rather than features."""
STATE = re.compile(
    r"(^|_)(has|had|with|vip|member|new|newbie|active|login|logged|registered|mobile|weekend|holiday)(_|$)"
)
"""Names of columns of 0 and 1 that say what was so before the row, unless their names also match LABEL."""
RATING = re.compile(r"(^|_)(rating|ratings|stars?|grade|relevance)(_|$)")
"""Names of graded answers."""
LATER = re.compile(
    r"(^|_)(status|assigned|actual|truth|final|outcome|result|closed|refund|settled|delivered|completed)(_|$)"
)
"""Names of columns that are known only afterwards."""
OUTCOME = re.compile(
    r"(^|_)(purchas\w*|orders?|ordered|pay|payment|paid|spend|spent|conver\w*|buy|bought|checkout|basket|cart|deal|click\w*|"
    r"redeem\w*|return\w*)_(amount|amt|value|price|total|sum|revenue|qty|quantity|num|count|gmv|time|ts|timestamp|date)$"
    r"|(^|_)(spend|spent|revenue|gmv|turnover)$"
)
"""Names of amounts and times of what is predicted, unless their names also match EARLIER."""
TIME = re.compile(r"(^|_)(date|day|dt|time|timestamp|ts|datetime)$")
"""Names of timestamps."""
USER = re.compile(
    r"^(user|member|customer|visitor|guest|account|client)(_?(id|no|key|code|hash|uuid|number))?$|^(uid|user_?id_\w+)$"
)
"""Names of the user of a row."""
QUERY = re.compile(r"^(query|request|req|session|search|impression)(_?(id|no|key|hash|uuid))$|^(qid|query_?id_\w+)$")
"""Names of what is the same for all rows that were shown together."""
WEIGHT = re.compile(r"(^|_)weight$")
KEY = re.compile(r"(^|_)(ids?|codes?|keys?|uuid|no)$")
"""Names of numbers that identify things."""
THING = re.compile(
    r"(^|_)(user|member|customer|visitor|guest|account|client|item|product|goods|sku|fund|movie|book|song|video|author|"
    r"artist|seller|shop|store|merchant|brand|agent|agency|company|campaign|advertiser|creative|ad|city|province|region|"
    r"country|district|zip|zipcode|postcode|category|cate|genre|occupation)$"
)
"""Names of whole numbers that identify things too, unless their names also match COUNTED."""
COUNTED = re.compile(r"(^|_)(n|num|nb|count|number|total|sum|avg|mean|max|min|rate|ratio|share)_")
"""Names of counts and amounts."""
GROWS = re.compile(
    r"(^|_)(changes?|changed|updates?|edits?|requests?|complaints?|duration|dwell|((watch|play|stay)(ed)?_?time))(_|$)"
)
"""Names of columns that may grow after the prediction."""
EARLIER = re.compile(r"(^|_)(prev|previous|prior|past|last|hist|history|historical|avg|mean|recent)(_|$)")
"""Names of columns that were complete before the row."""
INDEX = re.compile(r"^(index_level_\d+|unnamed_\d+|level_0|index)$|^$")
"""Names under which pandas writes the numbers of the rows."""
POSITION = re.compile(r"(^|_)(position|pos|rank|slot_no)$")
"""Names of the place at which a row was shown."""
SCENARIO = frozenset(
    (
        "scenario",
        "scene",
        "entry",
        "entrance",
        "page",
        "tab",
        "card",
        "slot",
        "domain",
        "surface",
        "placement",
        "site",
        "hotel",
        "shop",
        "store",
        "market",
        "segment",
        "channel",
    )
)
"""Words in the names of columns that say where a row happened."""


def plain_name(name: str) -> str:
    """Returns the words of a column's name in lower case, joined by `_`.

    Words are told apart by blanks, signs and capitals, and the Chinese words of CHINESE are translated: "User ID",
    "userId" and "用户ID" are all "user_id".
    """
    text = unicodedata.normalize("NFKC", name)
    text = _CHINESE.sub(lambda match: f"_{CHINESE[match[0]]}_", text)
    text = re.sub(r"(?<=[^\x00-\x7f])(?=[A-Za-z])", "_", text)
    return split_words(text).casefold()


def split_words(name: str) -> str:
    """Returns the words of a name joined by `_`, told apart by blanks, signs and capitals."""
    return re.sub(r"[\W_]+", "_", _CASES.sub("_", name)).strip("_")
