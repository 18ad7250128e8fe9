"""The trading account as Alpaca shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from serve.wire.decimals import DecimalText, Timestamp, Uuid
from tradeplane.clock import rfc3339
from tradeplane.money import EXACT, plain
from tradeplane.trading.account import Account


class AccountBody(msgspec.Struct, frozen=True):
    """A cash account: multiplier 1, no shorting, nothing on margin.

    *last_equity* is null when the account made more trades in the day than it remembers.
    """

    id: Uuid
    account_number: str
    created_at: Timestamp
    cash: DecimalText
    buying_power: DecimalText
    regt_buying_power: DecimalText
    non_marginable_buying_power: DecimalText
    portfolio_value: DecimalText
    equity: DecimalText
    last_equity: DecimalText | None
    long_market_value: DecimalText
    position_market_value: DecimalText
    status: Literal["ACTIVE"] = "ACTIVE"
    crypto_status: Literal["INACTIVE"] = "INACTIVE"
    currency: Literal["USD"] = "USD"
    short_market_value: DecimalText = "0"
    daytrading_buying_power: DecimalText = "0"
    options_buying_power: DecimalText = "0"
    initial_margin: DecimalText = "0"
    maintenance_margin: DecimalText = "0"
    last_maintenance_margin: DecimalText = "0"
    sma: DecimalText = "0"
    accrued_fees: DecimalText = "0"
    pending_transfer_in: DecimalText = "0"
    pending_transfer_out: DecimalText = "0"
    multiplier: Literal["1"] = "1"
    shorting_enabled: bool = False
    trading_blocked: bool = False
    transfers_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False


def account_body(
    account: Account, long_market_value: Decimal, last_equity: Decimal | None
) -> AccountBody:
    """Return the body of *account*, whose positions are worth *long_market_value*."""
    buying_power = plain(account.buying_power())
    equity = plain(EXACT.add(account.cash, long_market_value))
    return AccountBody(
        id=account.account_id,
        account_number=account.account_number,
        created_at=rfc3339(account.opened_ns),
        cash=plain(account.cash),
        buying_power=buying_power,
        regt_buying_power=buying_power,
        non_marginable_buying_power=buying_power,
        portfolio_value=equity,
        equity=equity,
        last_equity=None if last_equity is None else plain(last_equity),
        long_market_value=plain(long_market_value),
        position_market_value=plain(long_market_value),
    )
