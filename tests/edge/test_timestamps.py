from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.wire.timestamps import (
    midnight_ns,
    new_york,
    new_york_midnight_ns,
    new_york_time,
    parse_date,
    parse_instant,
)
from tradeplane.clock import NS_PER_S, rfc3339
from tradeplane.errors import InvalidRequest

instants = st.integers(86_400 * NS_PER_S, 9_000_000_000 * NS_PER_S)


@given(at_ns=instants)
def test_every_printed_instant_is_read_back_exactly(at_ns):
    assert parse_instant("after", rfc3339(at_ns)) == at_ns
    assert parse_instant("after", new_york(at_ns)) == at_ns


@given(at_ns=instants)
def test_a_plus_that_became_a_space_is_understood(at_ns):
    text = datetime.fromtimestamp(at_ns // NS_PER_S, UTC).isoformat()

    assert parse_instant("after", text.replace("+", " ")) == at_ns // NS_PER_S * NS_PER_S


@given(text=st.text(alphabet="0123456789-:.TZ+ ", max_size=30) | st.text(max_size=12))
def test_any_text_is_an_instant_or_refused_by_name(text):
    for parse in (parse_instant, parse_date):
        try:
            parse("until", text)
        except InvalidRequest as error:
            assert error.message.startswith("until must")  # noqa: PT017  # both ways are right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2012-05-18", "2012-05-18T04:00:00Z"),
        ("2012-01-18", "2012-01-18T05:00:00Z"),
        ("2012-05-18T14:30:00", "2012-05-18T14:30:00Z"),
        ("2012-05-18 14:30:00", "2012-05-18T14:30:00Z"),
        ("2012-05-18t14:30:00z", "2012-05-18T14:30:00Z"),
        ("2012-05-18T10:30:00.5-04:00", "2012-05-18T14:30:00.5Z"),
        ("2012-05-18T14:30:00.123456789+00:00", "2012-05-18T14:30:00.123456789Z"),
    ],
)
def test_dates_are_new_yorks_and_times_are_utc(text, expected):
    assert rfc3339(parse_instant("start", text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2012", "2012-05", "2012-02-30", "18.05.2012", "2012-05-18T24:00:01", "2012-05-18T10",
     "2012-05-18T10:00:00+99:99", "2012-05-18T10:00:00.1234567890", "1969-12-31", "2262-01-01",
     "9999-12-31T23:59:59-23:59", "0000-01-01", "\u0662012-05-18"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidRequest, match="start must"):
        parse_instant("start", text)


def test_midnight_follows_daylight_saving():
    # 2012-11-04 has 25 hours.
    days = [datetime(2012, 11, 4, tzinfo=UTC) + timedelta(days=n) for n in range(2)]
    first, second = (midnight_ns(day.date()) for day in days)

    assert second - first == 25 * 3_600 * NS_PER_S
    assert new_york_midnight_ns(second - 1) == first
    assert (new_york_time(first), new_york_time(second - NS_PER_S)) == ("00:00", "23:59")


def test_a_date_may_be_cut_out_of_an_instant():
    assert parse_date("start", "2012-05-18T23:00:00-04:00") == "2012-05-18"
