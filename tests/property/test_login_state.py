"""The state of an external login passes through strangers: what they change opens nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.oidc.login_state import LIFE_S, RANDOM_BYTES, LoginStates
from tradeplane.clock import NS_PER_S
from tradeplane.encryption.seal_key import NONCE_BYTES, SealKey
from tradeplane.errors import NotAuthenticated

NOW_NS = 1_700_000_000 * NS_PER_S


class CountingSealer:
    def __init__(self) -> None:
        self._key = SealKey(1, b"k" * 32)
        self._count = 0

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        self._count += 1
        return self._key.seal(self._count.to_bytes(NONCE_BYTES, "big"), plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        return self._key.open(sealed, context)


STATES = LoginStates(CountingSealer(), "https://provider.test", "venue")
RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
LATER_NS = st.integers(min_value=0, max_value=LIFE_S * NS_PER_S - 1)


@given(random=RANDOM, later_ns=LATER_NS)
def test_its_own_browser_opens_a_login_until_it_ends(random: bytes, later_ns: int) -> None:
    login, state, browser_secret = STATES.begin(random, NOW_NS)

    assert STATES.open(state, browser_secret, NOW_NS + later_ns) == login
    with pytest.raises(NotAuthenticated):
        STATES.open(state, browser_secret, NOW_NS + LIFE_S * NS_PER_S)
    assert browser_secret not in state
    assert login.verifier not in repr(login)


@given(
    random=RANDOM,
    place=st.integers(min_value=0),
    put=st.text(alphabet=st.characters(), max_size=3),
    cut=st.integers(min_value=0, max_value=3),
)
def test_an_edited_state_is_refused_or_is_the_same_login(
    random: bytes, place: int, put: str, cut: int
) -> None:
    login, state, browser_secret = STATES.begin(random, NOW_NS)
    start = place % (len(state) + 1)
    edited = state[:start] + put + state[start + cut :]

    try:
        opened = STATES.open(edited, browser_secret, NOW_NS)
    except NotAuthenticated:
        assert edited != state
        return
    # Base64 has several spellings of the same bytes. They are the same login, and it ends once.
    assert opened == login


@given(random=RANDOM, secret=st.text(max_size=60))
def test_no_other_cookie_opens_a_login(random: bytes, secret: str) -> None:
    _, state, browser_secret = STATES.begin(random, NOW_NS)
    if secret != browser_secret:
        with pytest.raises(NotAuthenticated):
            STATES.open(state, secret, NOW_NS)
