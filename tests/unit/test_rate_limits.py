import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.rate_limits import KeptCounts, RateLimiter
from tradeplane.clock import NS_PER_S
from tradeplane.errors import Misconfigured

MINUTE_NS = 60 * NS_PER_S


def test_a_key_may_use_its_budget_and_no_more():
    limiter = RateLimiter(3)

    decisions = [limiter.check("key", 5 * NS_PER_S) for _ in range(5)]

    assert [decision.allowed for decision in decisions] == [True, True, True, False, False]
    assert [decision.remaining for decision in decisions] == [2, 1, 0, 0, 0]


def test_the_budget_is_back_at_the_next_full_minute():
    limiter = RateLimiter(1)

    assert limiter.check("key", MINUTE_NS - 1).allowed
    refused = limiter.check("key", MINUTE_NS - 1)
    again = limiter.check("key", MINUTE_NS)

    assert (refused.allowed, refused.reset_s, refused.retry_after_s) == (False, 60, 1)
    assert (again.allowed, again.reset_s, again.retry_after_s) == (True, 120, 60)


def test_keys_do_not_share_a_budget():
    limiter = RateLimiter(1)

    assert limiter.check("a", 0).allowed
    assert limiter.check("b", 0).allowed
    assert not limiter.check("a", 0).allowed


def test_limiters_on_the_same_counts_share_a_budget_and_other_names_do_not():
    counts = KeptCounts()
    one, two = RateLimiter(2, counts, name="key "), RateLimiter(2, counts, name="key ")

    assert one.check("a", 0).allowed
    assert two.check("a", 0).remaining == 0
    assert not one.check("a", 0).allowed
    assert RateLimiter(2, counts, name="address ").check("a", 0).allowed


def test_a_full_table_forgets_the_key_that_came_first():
    counts = KeptCounts(keys_max=2)
    limiter = RateLimiter(1, counts)

    for key in ("a", "b", "c"):
        assert limiter.check(key, 0).allowed

    assert len(counts) == 2
    assert not limiter.check("c", 0).allowed
    assert limiter.check("a", 0).allowed


@pytest.mark.parametrize(("limit", "keys_max"), [(0, 1), (1, 0), (-1, 1)])
def test_limits_below_one_are_refused(limit, keys_max):
    with pytest.raises(Misconfigured):
        RateLimiter(limit, KeptCounts(keys_max))


@given(
    limit=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40 * NS_PER_S)), max_size=60),
)
def test_no_window_lets_more_than_the_limit_pass(limit, steps):
    limiter, now_ns = RateLimiter(limit), 0
    passed: dict[tuple[str, int], int] = {}

    for key, later_ns in steps:
        now_ns += later_ns
        decision = limiter.check(key, now_ns)
        window = (key, now_ns // MINUTE_NS)
        before = passed.get(window, 0)
        assert decision.allowed == (before < limit)
        passed[window] = before + decision.allowed
        assert decision.remaining == limit - passed[window]
        assert 1 <= decision.retry_after_s <= 60
        assert decision.reset_s * NS_PER_S > now_ns
