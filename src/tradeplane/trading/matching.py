"""The fill rules: pure functions, the same for the venue and for the backtester."""

from __future__ import annotations

import decimal
from decimal import Decimal

from tradeplane.money import EXACT, ROUNDING, ZERO
from tradeplane.trading.market import Print
from tradeplane.trading.orders import OrderType, Side

_ONE = Decimal(1)
_PRICE_STEP = Decimal("0.0001")


def fillable(print_volume: int, participation: Decimal, used_qty: Decimal) -> Decimal:
    """Return how many whole shares an account may still trade on one print.

    Args:
        print_volume: shares that the print stands for.
        participation: the share of that volume that one account may take, 0 to 1.
        used_qty: shares that the account has traded on this print already.
    """
    cap = EXACT.multiply(participation, Decimal(print_volume)).quantize(
        _ONE, rounding=decimal.ROUND_FLOOR, context=ROUNDING
    )
    left = EXACT.subtract(cap, used_qty)
    if left <= ZERO:
        return ZERO
    return left.quantize(_ONE, rounding=decimal.ROUND_FLOOR, context=ROUNDING)


def marketable(side: Side, limit_price: Decimal, price: Decimal) -> bool:
    """Return whether a limit of *limit_price* allows a trade at *price*."""
    return price <= limit_price if side == "buy" else price >= limit_price


def execution_price(  # noqa: PLR0913  # the facts of an order and of two prints, no object of either engine
    side: Side,
    order_type: OrderType,
    limit_price: Decimal | None,
    traded: Print,
    *,
    resting: bool,
    previous_price: Decimal | None = None,
) -> Decimal | None:
    """Return the price at which an order executes against *traded*, or None when it does not.

    A market order takes the print's price. A limit order takes it on arrival, at an open (a gap),
    and while it was marketable before (*previous_price* allowed it, so the rest of it waited for
    volume). Otherwise the price moved through its limit, and it executes at the limit.

    Args:
        side: the order's side.
        order_type: its type.
        limit_price: its limit, US dollars a share; None for a market order.
        traded: the print.
        resting: False when the order arrives after *traded*, True when it was there before.
        previous_price: the symbol's price before *traded*, if known; only a resting order needs it.
    """
    if order_type == "market":
        return traded.price
    assert limit_price is not None, "a limit order has a limit price"
    if not marketable(side, limit_price, traded.price):
        return None
    if not resting or traded.kind == "open":
        return traded.price
    if previous_price is not None and marketable(side, limit_price, previous_price):
        return traded.price
    return limit_price


def affordable(qty: Decimal, price: Decimal, dollars: Decimal) -> Decimal:
    """Return *qty* when *dollars* pay for it at *price*, else the whole shares that they pay."""
    if EXACT.multiply(qty, price) <= dollars:
        return qty
    return EXACT.divide_int(dollars, price) if dollars > ZERO else ZERO


def reserve_price(limit_price: Decimal | None, last_price: Decimal, collar: Decimal) -> Decimal:
    """Return the dollars a share that a buy holds back.

    Args:
        limit_price: the order's limit, or None for a market order.
        last_price: the symbol's last traded price; not used for a limit order.
        collar: how far the price may rise before a market order executes, 1.04 for 4 percent.

    Returns:
        The limit, or the last price with the collar, rounded up to 4 decimals.
    """
    if limit_price is not None:
        return limit_price
    collared = EXACT.multiply(last_price, collar)
    return collared.quantize(_PRICE_STEP, rounding=decimal.ROUND_CEILING, context=ROUNDING)
