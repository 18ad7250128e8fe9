import pytest

from tradeplane.trading.orders import OPEN, TRANSITIONS, OrderStatus

TERMINAL = {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED}


def test_the_table_covers_every_status():
    assert set(TRANSITIONS) == set(OrderStatus)


def test_exactly_the_terminal_statuses_absorb():
    assert {status for status, followers in TRANSITIONS.items() if not followers} == TERMINAL
    assert set(OPEN) == set(OrderStatus) - TERMINAL


@pytest.mark.parametrize("status", sorted(OPEN))
def test_every_open_status_can_end_in_every_terminal_one(status):
    assert TRANSITIONS[status] >= TERMINAL


def test_an_order_never_becomes_new_again_after_a_fill():
    assert OrderStatus.NEW not in TRANSITIONS[OrderStatus.PARTIALLY_FILLED]
    assert OrderStatus.NEW not in TRANSITIONS[OrderStatus.NEW]
    assert all(OrderStatus.PENDING_NEW not in followers for followers in TRANSITIONS.values())
    assert all(OrderStatus.ACCEPTED not in followers for followers in TRANSITIONS.values())
