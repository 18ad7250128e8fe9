"""Identity tokens: whom they prove, whatever becomes of it later.

The attacks on a whole login are in ``tests/edge/test_external_login.py``.
"""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.oidc.id_token import Expected, key_wanted, proven_subject
from adapters.oidc.key_cache import usable_keys
from tradeplane.clock import NS_PER_S
from tradeplane.errors import NotAuthenticated

NOW_S = 1_700_000_000
PRIVATE = Ed25519PrivateKey.generate()
ROW = {
    **jwt.get_algorithm_by_name("EdDSA").to_jwk(PRIVATE.public_key(), as_dict=True),
    "kid": "one",
}
KEY = usable_keys([ROW])["one"]
EXPECTED = Expected("https://provider.test", "venue", "nonce")
CLAIMS = {
    "iss": "https://provider.test",
    "sub": "248289761001",
    "aud": "venue",
    "exp": NOW_S + 60,
    "iat": NOW_S,
    "nonce": "nonce",
}


def token(**changes: object) -> str:
    return jwt.encode({**CLAIMS, **changes}, PRIVATE, "EdDSA", headers={"kid": "one"})


def subject(text: str, now_s: float = NOW_S) -> str:
    return proven_subject(text, KEY, EXPECTED, int(now_s * NS_PER_S))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["venue"]},
        {"aud": ["venue", "another"], "azp": "venue"},
        {"azp": "venue"},
        {"iat": NOW_S + 0.5},
        {"nbf": NOW_S},
        {"email": "tess@firm.test", "groups": [1, {"a": None}]},
    ],
    ids=json.dumps,
)
def test_an_honest_token_proves_its_subject(changes: dict[str, object]) -> None:
    assert key_wanted(token(**changes)) == ("one", "EdDSA")
    assert subject(token(**changes)) == "248289761001"


@pytest.mark.parametrize("bad", ["", "s" * 256, "a\nb", "a\x00b", "\u202etess"], ids=ascii)
def test_a_subject_that_no_provider_may_give_proves_nobody(bad: str) -> None:
    assert subject(token(sub="s" * 255)) == "s" * 255

    with pytest.raises(NotAuthenticated):
        subject(token(sub=bad))


@pytest.mark.parametrize(
    ("second", "good"), [(-31, False), (-29, True), (60, True), (89, True), (90, False)]
)
def test_a_token_is_good_for_its_time_and_half_a_minute(second: int, *, good: bool) -> None:
    if good:
        assert subject(token(), NOW_S + second)
        return
    with pytest.raises(NotAuthenticated):
        subject(token(), NOW_S + second)


def test_the_private_half_of_a_published_key_is_not_kept() -> None:
    secret = jwt.get_algorithm_by_name("EdDSA").to_jwk(PRIVATE, as_dict=True)
    assert "d" in secret

    [kept] = usable_keys([{**secret, "kid": "one"}]).values()

    assert not hasattr(kept.key, "private_bytes")
