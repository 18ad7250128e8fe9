"""What every source of market data must do; run against each implementation."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest

from adapters.marketdata.memory import MemoryMarketData
from adapters.marketdata.parquet_store import ParquetMarketData
from tradeplane.clock import NS_PER_S
from tradeplane.trading.market import Split
from tradeplane.trading.replay import Replay, ReplaySettings

NEW_YORK = ZoneInfo("America/New_York")
ADJUSTMENTS = ("raw", "all")


def memory_market_data():
    sample = MemoryMarketData.sample(("AAPL", "IBM", "MSFT"))
    raw = [bar for symbol in ("AAPL", "IBM") for bar in sample.bars(symbol, "raw")]
    return MemoryMarketData(
        raw,
        splits=[Split("IBM", "2012-05-24", 3, 2), Split("AAPL", "2012-05-23", 2, 1)],
        closes_only=[
            msgspec.structs.replace(bar, open=bar.close, high=bar.close, low=bar.close, volume=0)
            for bar in sample.bars("MSFT", "all")
        ],
    )


@pytest.fixture(scope="module", params=["packaged", "memory"])
def data(request, tmp_path_factory):
    if request.param == "memory":
        return memory_market_data()
    return ParquetMarketData(tmp_path_factory.mktemp("home"))


def every_bar(data):
    for asset in data.assets():
        for adjustment in ADJUSTMENTS:
            yield from data.bars(asset.symbol, adjustment)


def test_assets_come_by_symbol_without_duplicates(data):
    symbols = [asset.symbol for asset in data.assets()]
    assert symbols
    assert symbols == sorted(set(symbols))


def test_an_asset_has_a_uuid_a_name_and_an_exchange_as_alpaca_spells_it(data):
    for asset in data.assets():
        assert str(uuid.UUID(asset.asset_id)) == asset.asset_id
        assert asset.name
        assert asset.exchange in {"NASDAQ", "NYSE", "ARCA"}
    assert len({asset.asset_id for asset in data.assets()}) == len(data.assets())


def test_tradable_are_exactly_the_assets_with_prices_as_traded(data):
    for asset in data.assets():
        assert asset.tradable == bool(data.bars(asset.symbol, "raw"))
        assert data.bars(asset.symbol, "all")
    assert any(asset.tradable for asset in data.assets())


def test_an_unknown_symbol_has_no_bars(data):
    for adjustment in ADJUSTMENTS:
        assert not data.bars("NOPE", adjustment)


def test_bars_come_oldest_first_one_a_session(data):
    for asset in data.assets():
        for adjustment in ADJUSTMENTS:
            bars = data.bars(asset.symbol, adjustment)
            assert all(a.session < b.session for a, b in pairwise(bars))
            assert {bar.symbol for bar in bars} <= {asset.symbol}


def test_bars_lie_in_sessions_of_the_calendar(data):
    assert {bar.session for bar in every_bar(data)} <= {s.date for s in data.sessions()}


def test_a_bar_starts_at_midnight_in_new_york(data):
    for bar in {bar.session: bar for bar in every_bar(data)}.values():
        midnight = datetime.fromtimestamp(bar.start_ns // NS_PER_S, NEW_YORK)
        assert midnight.date() == date.fromisoformat(bar.session)
        assert (midnight.hour, midnight.minute, midnight.second) == (0, 0, 0)


def test_prices_are_exact_positive_and_in_order(data):
    for bar in every_bar(data):
        prices = (bar.open, bar.high, bar.low, bar.close)
        assert all(isinstance(price, Decimal) and price > 0 for price in prices)
        assert all(price == price.quantize(Decimal("0.0001")) for price in prices)
        assert bar.low <= min(bar.open, bar.close)
        assert max(bar.open, bar.close) <= bar.high
        assert isinstance(bar.volume, int)
        assert bar.volume >= 0


def test_adjusted_bars_cover_every_session_of_the_raw_ones(data):
    for asset in data.assets():
        raw = {bar.session for bar in data.bars(asset.symbol, "raw")}
        assert raw <= {bar.session for bar in data.bars(asset.symbol, "all")}


def test_without_prices_as_traded_all_four_prices_are_the_close(data):
    for asset in data.assets():
        if not asset.tradable:
            for bar in data.bars(asset.symbol, "all"):
                assert bar.open == bar.high == bar.low == bar.close


def test_splits_come_oldest_first_and_belong_to_tradable_assets(data):
    splits = data.splits()
    tradable = {asset.symbol for asset in data.assets() if asset.tradable}
    assert splits
    assert [split.session for split in splits] == sorted(split.session for split in splits)
    assert {split.symbol for split in splits} <= tradable
    assert all(split.numerator > 0 and split.denominator > 0 for split in splits)


def test_the_adjusted_close_goes_on_over_a_split_as_if_there_were_none(data):
    for split in data.splits():
        raw = {bar.session: bar for bar in data.bars(split.symbol, "raw")}
        adjusted = {bar.session: bar for bar in data.bars(split.symbol, "all")}
        before = max(session for session in raw if session < split.session)
        ratio = Decimal(split.numerator) / split.denominator
        moved_raw = raw[split.session].close / raw[before].close * ratio
        moved = adjusted[split.session].close / adjusted[before].close
        assert abs(moved / moved_raw - 1) < Decimal("0.001")


def test_sessions_follow_each_other_and_open_before_they_close(data):
    sessions = data.sessions()
    assert all(session.open_ns < session.close_ns for session in sessions)
    assert all(a.close_ns < b.open_ns and a.date < b.date for a, b in pairwise(sessions))


def test_a_session_opens_at_half_past_nine_in_new_york_on_its_date(data):
    for session in data.sessions():
        opened = datetime.fromtimestamp(session.open_ns // NS_PER_S, NEW_YORK)
        assert opened.date() == date.fromisoformat(session.date)
        assert (opened.hour, opened.minute) == (9, 30)


def test_every_answer_is_the_same_again(data):
    assert data.assets() == data.assets()
    assert data.splits() == data.splits()
    assert data.sessions() == data.sessions()
    symbol = data.assets()[0].symbol
    assert data.bars(symbol, "all") == data.bars(symbol, "all")


def test_the_replay_runs_on_it(data):
    symbol = next(asset.symbol for asset in data.assets() if asset.tradable)
    bars = data.bars(symbol, "raw")
    settings = ReplaySettings(first_session=bars[0].session, last_session=bars[-1].session)
    assert Replay(data, settings).view.segment is None
