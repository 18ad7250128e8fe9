import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import metadata
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapters.calendars.nyse import nyse_sessions
from adapters.marketdata import packages
from adapters.marketdata.adjustment import adjusted_days, find_splits
from adapters.marketdata.packages import OHLCV, TradedDay, read_traded_days
from adapters.marketdata.parquet_store import ParquetMarketData
from tradeplane.clock import NS_PER_S, rfc3339
from tradeplane.errors import Misconfigured
from tradeplane.trading.market import Split

SRC = Path(__file__).parents[2] / "src"
CONVERT = """
import sys
from pathlib import Path
from adapters.marketdata.parquet_store import ParquetMarketData
print(len(ParquetMarketData(Path(sys.argv[1])).bars("AAPL", "raw")))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    ParquetMarketData(folder)
    return folder


@pytest.fixture
def copied_home(home, tmp_path):
    folder = tmp_path / "marketdata"
    folder.mkdir()
    for file in (home / "marketdata").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return tmp_path


def traded(session, close, adjusted):
    price = Decimal(close)
    return TradedDay(session, price, price, price, price, 100, Decimal(adjusted))


def test_the_numbers_of_the_packaged_data_come_out_exactly(home):
    data = ParquetMarketData(home)
    counts = {asset.symbol: len(data.bars(asset.symbol, "raw")) for asset in data.assets()}
    assert {symbol: count for symbol, count in counts.items() if count} == {
        "AAPL": 3270,
        "FB": 196,
        "GOOG": 2148,
        "IBM": 3270,
        "MSFT": 3270,
    }
    first, *_, last = data.bars("AAPL", "raw")
    assert (first.session, first.open, first.high, first.low, first.close, first.volume) == (
        "2000-03-01",
        Decimal("118.56"),
        Decimal("132.06"),
        Decimal("118.5"),
        Decimal("130.31"),
        9_616_100,
    )
    assert (last.session, last.open, last.high, last.low, last.close, last.volume) == (
        "2013-03-01",
        Decimal(438),
        Decimal("438.1799"),
        Decimal("429.98"),
        Decimal("430.47"),
        19_730_300,
    )


def test_the_three_splits_and_no_other_are_found(home):
    assert ParquetMarketData(home).splits() == (
        Split("AAPL", "2000-06-21", 2, 1),
        Split("MSFT", "2003-02-18", 2, 1),
        Split("AAPL", "2005-02-28", 2, 1),
    )


def test_adjusted_bars_are_scaled_by_the_adjusted_close(home):
    adjusted = {bar.session: bar for bar in ParquetMarketData(home).bars("AAPL", "all")}
    # 118.56 * 4.186662803811 / 130.31, and 4.186662803811 itself.
    assert adjusted["2000-03-01"].open == Decimal("3.8092")
    assert adjusted["2000-03-01"].close == Decimal("4.1867")


def test_the_two_sources_meet_without_a_jump(home):
    data = ParquetMarketData(home)
    for symbol in ("AAPL", "MSFT"):
        bars = data.bars(symbol, "all")
        assert (bars[0].session, bars[-1].session) == ("1990-01-02", "2022-12-28")
        by_session = {bar.session: bar.close for bar in bars}
        for before, after in (("2000-02-29", "2000-03-01"), ("2013-03-01", "2013-03-04")):
            assert abs(by_session[after] / by_session[before] - 1) < Decimal("0.15")


def test_symbols_with_closes_only_are_listed_and_not_tradable(home):
    assets = {asset.symbol: asset for asset in ParquetMarketData(home).assets()}
    assert len(assets) == 23
    assert assets["WMT"].exchange == "NYSE"
    assert assets["IBM"].exchange == "NYSE"
    assert assets["AAPL"].name == "Apple Inc. Common Stock"
    assert [symbol for symbol, asset in assets.items() if asset.tradable] == [
        "AAPL",
        "FB",
        "GOOG",
        "IBM",
        "MSFT",
    ]


def test_prices_are_decimals_in_the_file(home):
    schema = pq.read_schema(next((home / "marketdata").glob("bars-*.parquet")))
    for name in ("open", "high", "low", "close"):
        assert schema.field(name).type == pa.decimal128(18, 4)


def test_the_files_are_written_once(copied_home, monkeypatch):
    def fail(*_):
        pytest.fail("converted again")

    monkeypatch.setattr("adapters.marketdata.conversion.read_traded_days", fail)
    assert ParquetMarketData(copied_home).splits()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("bars", lambda content: content[:-7]),
        ("bars", lambda content: content[:50] + bytes([content[50] ^ 1]) + content[51:]),
        ("sessions", lambda content: content[:0]),
        ("manifest", lambda content: content[:-7]),
        ("manifest", lambda content: content.replace(b'"version":1', b'"version":0')),
    ],
    ids=["truncated", "one bit", "empty", "truncated manifest", "other version"],
)
def test_a_damaged_file_is_made_anew(copied_home, home, name, damage):
    file = next((copied_home / "marketdata").glob(f"{name}-*"))
    file.write_bytes(damage(file.read_bytes()))
    assert len(ParquetMarketData(copied_home).bars("FB", "raw")) == 196
    manifest = next((home / "marketdata").glob("manifest-*")).name
    assert (copied_home / "marketdata" / manifest).read_bytes() == (
        home / "marketdata" / manifest
    ).read_bytes()


def test_nothing_but_the_files_and_the_lock_is_left_in_the_folder(home):
    names = sorted(file.name.split("-")[0] for file in (home / "marketdata").iterdir())
    assert names == ["bars", "conversion.lock", "manifest", "sessions", "splits"]


def test_two_processes_may_convert_at_once(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CONVERT, str(tmp_path)],
            cwd=SRC,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == ["3270"] * 2
    assert all(process.returncode == 0 for process in started)


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages.metadata, "distribution", missing)
    with pytest.raises(Misconfigured, match="pip install --no-deps bokeh-sampledata=="):
        ParquetMarketData(tmp_path)


def test_a_package_without_the_file_is_told_apart_from_a_missing_one():
    other = msgspec.structs.replace(OHLCV, path="bokeh_sampledata/_data/prices.csv.gz")
    with pytest.raises(Misconfigured, match=r"has no file bokeh_sampledata/_data/prices\.csv\.gz"):
        read_traded_days(other)


def test_a_file_of_another_format_is_refused():
    other = msgspec.structs.replace(OHLCV, header=("Symbol", "Date"))
    with pytest.raises(Misconfigured, match="another format"):
        read_traded_days(other)


def test_a_home_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "marketdata").write_text("in the way")
    with pytest.raises(Misconfigured, match="TRADEPLANE_HOME"):
        ParquetMarketData(tmp_path)


def test_a_dividend_is_no_split():
    days = [traded("2004-11-12", "29.97", "20.00"), traded("2004-11-15", "27.39", "20.3")]
    assert find_splits("MSFT", days) == []


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        ("100", "50", (2, 1)),
        ("100", "66.67", (3, 2)),
        ("10", "50.01", (1, 5)),
        ("70", "10", (7, 1)),
    ],
)
def test_a_split_is_a_ratio_of_small_numbers(before, after, ratio):
    days = [traded("2001-01-02", before, "10"), traded("2001-01-03", after, "10")]
    assert find_splits("X", days) == [Split("X", "2001-01-03", *ratio)]


def test_closes_beyond_the_traded_days_are_scaled_to_meet_them():
    days = [traded("2001-01-03", "50", "10"), traded("2001-01-04", "60", "12")]
    closes = {
        session: Decimal(close)
        for session, close in {
            "2001-01-02": "4.5",
            "2001-01-03": "5",
            "2001-01-04": "4",
            "2001-01-05": "4.1",
        }.items()
    }
    series = adjusted_days(days, closes)
    assert [(day.session, day.close) for day in series] == [
        ("2001-01-02", Decimal(9)),
        ("2001-01-03", Decimal(10)),
        ("2001-01-04", Decimal(12)),
        ("2001-01-05", Decimal("12.3")),
    ]


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2012-03-09", "2012-03-09T14:30:00Z", "2012-03-09T21:00:00Z"),
        ("2012-03-12", "2012-03-12T13:30:00Z", "2012-03-12T20:00:00Z"),
        ("2012-11-02", "2012-11-02T13:30:00Z", "2012-11-02T20:00:00Z"),
        ("2012-11-05", "2012-11-05T14:30:00Z", "2012-11-05T21:00:00Z"),
        ("2012-07-03", "2012-07-03T13:30:00Z", "2012-07-03T17:00:00Z"),
        ("2012-11-23", "2012-11-23T14:30:00Z", "2012-11-23T18:00:00Z"),
        ("2012-12-24", "2012-12-24T14:30:00Z", "2012-12-24T18:00:00Z"),
    ],
)
def test_sessions_follow_daylight_saving_and_early_closes(day, opens, closes):
    (session,) = nyse_sessions(date.fromisoformat(day), date.fromisoformat(day))
    assert (rfc3339(session.open_ns), rfc3339(session.close_ns)) == (opens, closes)


def test_holidays_and_weekends_have_no_session():
    # The storm Sandy closed the exchange on two days.
    dates = [session.date for session in nyse_sessions(date(2012, 10, 26), date(2012, 11, 2))]
    assert dates == ["2012-10-26", "2012-10-31", "2012-11-01", "2012-11-02"]
    assert nyse_sessions(date(2012, 12, 25), date(2012, 12, 25)) == ()


def test_session_times_are_nanoseconds_since_the_epoch():
    (session,) = nyse_sessions(date(2013, 3, 1), date(2013, 3, 1))
    opened = datetime(2013, 3, 1, 14, 30, tzinfo=UTC)
    assert session.open_ns == int(opened.timestamp()) * NS_PER_S
