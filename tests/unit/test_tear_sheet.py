"""The tear sheet is one page without a network, true to the run, and safe from its input."""

import json
import re
from decimal import Decimal

import msgspec
import plotly.graph_objects as go
import pytest

from adapters.marketdata.memory import MemoryMarketData
from jobs.figure_text import dollars, key_figures, percent, ratio, times
from jobs.study import Study, run_study
from jobs.tear_sheet import tear_sheet
from tradeplane.research.backtest import Refusal
from tradeplane.research.strategies import OrderRequest
from tradeplane.trading.market import Split

D = Decimal
DATES = tuple(f"2012-{month:02d}-{day:02d}" for month in (5, 6) for day in range(1, 29))
EVIL = "</script><script>alert('x')</script>"


def study(**changes):
    values = {
        "symbol": "AAPL",
        "fast": 2,
        "slow": 5,
        "first": "2012-05-03",
        "last": "2012-06-20",
        "cash": D(100_000),
        "fraction": D(1),
        "participation": D("0.1"),
        "seed": 7,
        "home": "unused",
    }
    return Study(**(values | changes))


@pytest.fixture(scope="module")
def outcome():
    sample = MemoryMarketData.sample(("AAPL",), DATES)
    wave = [
        msgspec.structs.replace(
            bar,
            **{
                name: getattr(bar, name) + (n % 14) * 4 for name in ("open", "high", "low", "close")
            },
        )
        for n, bar in enumerate(sample.bars("AAPL", "raw"))
    ]
    data = MemoryMarketData(wave, splits=[Split("AAPL", "2012-05-10", 2, 1)])
    return run_study(study(), data)


@pytest.fixture(scope="module")
def page(outcome):
    return tear_sheet(outcome)


def plots_of(page):
    (text,) = re.findall(r'<script type="application/json" id="plots">(.*?)</script>', page)
    return json.loads(text)


def own_part(page):
    """Return the page without the source of the plotting library."""
    scripts = re.findall(r"<script>.*?</script>", page, re.DOTALL)
    return page.replace(max(scripts, key=len), "")


def test_the_page_says_what_ran_and_how_it_ended(outcome, page):
    marks = outcome.result.marks

    assert f"<h1>AAPL · {study().strategy().name}</h1>" in page
    assert f"{outcome.company}, 2012-05-03 to 2012-06-20, {len(marks)} sessions" in page
    assert f"<strong>{dollars(marks[-1].equity)}</strong>" in page
    for figure in key_figures(outcome.result, outcome.benchmark):
        assert f'<div class="value">{figure.strategy}</div>' in page
    assert outcome.result.digest in page


def test_every_round_trip_has_a_row(outcome, page):
    rows = re.findall(r"<tr><td>(2012-\d\d-\d\d)</td>", page)

    sides = [fill.side for fill in outcome.result.fills]
    assert len(rows) >= 2
    assert len(rows) >= sides.count("sell") > 0


def test_the_page_loads_nothing_from_a_network(page):
    rest = own_part(page)

    assert "default-src 'none'" in rest
    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import|https?://""", rest)


def test_every_plot_is_a_valid_figure_with_a_value_for_each_session(outcome, page):
    plots = plots_of(page)

    assert set(plots) == {"drawdown", "equity", "price"}
    for plot in plots.values():
        go.Figure(plot)
        for trace in plot["data"]:
            assert len(trace["x"]) == len(trace["y"])
    sessions = [mark.session for mark in outcome.result.marks]
    assert plots["equity"]["data"][1]["x"] == sessions
    assert plots["price"]["data"][0]["x"] == sessions
    assert plots["equity"]["data"][1]["y"][-1] == float(outcome.result.marks[-1].equity)


def test_the_averages_of_the_first_plotted_session_use_the_history_before_it(page):
    fast, slow = plots_of(page)["price"]["data"][1:3]

    assert (fast["name"], slow["name"]) == ("SMA 2", "SMA 5")
    assert fast["y"][0] is not None
    assert slow["y"][:2] == [None, None]
    assert slow["y"][2] is not None


def test_a_trade_before_a_split_is_marked_on_the_adjusted_line(outcome, page):
    buys = plots_of(page)["price"]["data"][3]
    fill = outcome.result.fills[0]

    assert fill.session < "2012-05-10"
    assert buys["x"][0] == fill.session
    assert buys["y"][0] == pytest.approx(float(fill.price) / 2)


def test_input_is_text_on_the_page_and_never_markup(outcome):
    evil = msgspec.structs.replace(
        outcome,
        company=EVIL,
        study=study(symbol=EVIL),
        result=msgspec.structs.replace(
            outcome.result,
            refusals=(Refusal("2012-05-03", OrderRequest("buy", D(1)), EVIL),),
        ),
    )

    page = tear_sheet(evil)

    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") == 4
    assert page.count("<script") == tear_sheet(outcome).count("<script")


def test_input_inside_a_plot_cannot_end_its_script(outcome):
    session = outcome.result.marks[0].session
    fill = msgspec.structs.replace(outcome.result.fills[0], session=EVIL)
    bars = (*outcome.tape.raw, msgspec.structs.replace(outcome.tape.raw[0], session=EVIL))
    evil = msgspec.structs.replace(
        outcome,
        tape=msgspec.structs.replace(outcome.tape, raw=bars, adjusted=bars),
        result=msgspec.structs.replace(outcome.result, fills=(fill,)),
    )

    page = tear_sheet(evil)

    assert "<script>alert" not in page
    assert plots_of(page)["price"]["data"][3]["x"] == [EVIL]
    assert session in page


def test_equal_outcomes_give_equal_pages(outcome, page):
    assert tear_sheet(outcome) == page


def test_a_run_without_a_trade_has_a_page_too():
    data = MemoryMarketData.sample(("AAPL",), DATES[:3])

    page = tear_sheet(run_study(study(first=DATES[0], slow=50), data))

    assert "The strategy never held a share." in page
    assert "NaN" not in own_part(page)


def test_the_heat_map_has_a_cell_for_every_month_of_the_year(page):
    (row,) = re.findall(r"<tr><th>2012</th>(.*?)</tr>", page)

    cells = re.findall(r'<td class="(\w*)"[^>]*>([^<]*)</td>', row)
    assert len(cells) == 13
    assert [text != "" for _, text in cells] == [month in {5, 6, 13} for month in range(1, 14)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.1234), "12.3%"),
        (percent(-0.00001), "0.0%"),
        (percent(12.109), "1,210.9%"),
        (percent(None), "-"),
        (ratio(-1.5), "-1.50"),
        (ratio(None), "-"),
        (times(None), "-"),
        (times(1.256), "1.26x"),
        (dollars(D("-1234.5")), "-$1,234.50"),
    ],
)
def test_figures_read_well(text, expected):
    assert text == expected
