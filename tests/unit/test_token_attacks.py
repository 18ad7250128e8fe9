"""The attack table of access tokens: a token that is not one of ours, or not good now, a row."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tradeplane.auth.signing import thumbprint
from tradeplane.auth.tokens import AUDIENCE, Claims, TokenCheck, jwk_set, make_token
from tradeplane.clock import NS_PER_S
from tradeplane.errors import NotAuthenticated

ISSUER = "http://venue.test"
NOW_S = 1_700_000_000
NOW_NS = NOW_S * NS_PER_S
SEED = bytes(range(32))
PRIVATE = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KID = thumbprint(PUBLIC)
OTHER_SEED = b"\1" * 32
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": KID}
CLAIMS = Claims(
    ISSUER, AUDIENCE, "user", "", "session", "default", "", NOW_S, NOW_S, NOW_S + 300, "token"
)
BODY = msgspec.to_builtins(CLAIMS)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: object = None, body: object = None, seed: bytes = SEED) -> str:
    """Return a token of any header and body under a right signature."""
    parts = [
        part if isinstance(part, str) else json.dumps(part)
        for part in (HEADER if header is None else header, BODY if body is None else body)
    ]
    text = ".".join(b64(part.encode()) for part in parts)
    return f"{text}.{b64(Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode()))}"


def with_header(**members: object) -> str:
    return signed({**HEADER, **members})


def with_body(**members: object) -> str:
    return signed(body={**BODY, **members})


def without(member: str) -> str:
    return signed(body={name: value for name, value in BODY.items() if name != member})


def hmac_with_the_public_key() -> str:
    text = (
        f"{b64(json.dumps({**HEADER, 'alg': 'HS256'}).encode())}.{b64(json.dumps(BODY).encode())}"
    )
    return f"{text}.{b64(hmac.digest(PUBLIC, text.encode(), hashlib.sha256))}"


def hmac_with_the_public_pem() -> str:
    pem = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = (
        f"{b64(json.dumps({**HEADER, 'alg': 'HS256'}).encode())}.{b64(json.dumps(BODY).encode())}"
    )
    return f"{text}.{b64(hmac.digest(pem, text.encode(), hashlib.sha256))}"


def rs256() -> str:
    key = rsa.generate_private_key(65_537, 2_048)
    return jwt.encode(BODY, key, algorithm="RS256", headers={"typ": "at+jwt", "kid": KID})


def es256() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(BODY, key, algorithm="ES256", headers={"typ": "at+jwt", "kid": KID})


def embedded_key() -> str:
    public = Ed25519PrivateKey.from_private_bytes(OTHER_SEED).public_key().public_bytes_raw()
    jwk = jwk_set({"k": public.hex()})["keys"][0]
    return signed({**HEADER, "jwk": jwk}, seed=OTHER_SEED)


def flipped(part: int) -> str:
    parts = signed().split(".")
    raw = bytearray(base64.urlsafe_b64decode(parts[part] + "=="))
    raw[len(raw) // 2] ^= 1
    parts[part] = b64(bytes(raw))
    return ".".join(parts)


def respelled() -> str:
    """The same bytes of the signature in another, not canonical spelling."""
    head, _, last = signed().rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return f"{head}.{last[:-1]}{alphabet[alphabet.index(last[-1]) + 1]}"


def malleable() -> str:
    """The signature with the order of the group added to its scalar."""
    head, _, last = signed().rpartition(".")
    raw = base64.urlsafe_b64decode(last + "==")
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(raw[32:], "little") + order
    return f"{head}.{b64(raw[:32] + scalar.to_bytes(32, 'little'))}"


def duplicate(where: str) -> str:
    header, body = json.dumps(HEADER), json.dumps(BODY)
    if where == "header":
        return signed(header[:-1] + f', "kid": "{KID}"}}')
    return signed(body=body[:-1] + ', "sub": "admin"}')


def nested() -> str:
    return signed(body="[" * 1_000 + "]" * 1_000)


ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: (
        f"{b64(json.dumps({**HEADER, 'alg': 'none'}).encode())}.{b64(json.dumps(BODY).encode())}."
    ),
    "alg none, signed": lambda: with_header(alg="none"),
    "alg None": lambda: with_header(alg="None"),
    "alg missing": lambda: signed({"typ": "at+jwt", "kid": KID}),
    "alg null": lambda: with_header(alg=None),
    "alg in another case": lambda: with_header(alg="eddsa"),
    "alg Ed448": lambda: with_header(alg="Ed448"),
    "HS256 with the public key": hmac_with_the_public_key,
    "HS256 with the public key as PEM": hmac_with_the_public_pem,
    "RS256 of another key": rs256,
    "ES256 of another key": es256,
    "jwk in the header": embedded_key,
    "jku": lambda: with_header(jku="https://evil.test/jwks.json"),
    "x5u": lambda: with_header(x5u="https://evil.test/cert.pem"),
    "x5c": lambda: with_header(x5c=["MIIB"]),
    "crit": lambda: with_header(crit=["exp"], exp=1),
    "b64 false": lambda: with_header(b64=False, crit=["b64"]),
    "zip": lambda: with_header(zip="DEF"),
    "cty of a nested token": lambda: with_header(cty="JWT"),
    "kid unknown": lambda: with_header(kid="unknown"),
    "kid of a path": lambda: with_header(kid="../../../dev/null"),
    "kid of SQL": lambda: with_header(kid="' UNION SELECT 'x"),
    "kid a list": lambda: with_header(kid=[KID]),
    "kid an object": lambda: with_header(kid={"kid": KID}),
    "kid null": lambda: with_header(kid=None),
    "kid missing": lambda: signed({"alg": "EdDSA", "typ": "at+jwt"}),
    "typ JWT": lambda: with_header(typ="JWT"),
    "typ of an id token": lambda: with_header(typ="id+jwt"),
    "typ missing": lambda: signed({"alg": "EdDSA", "kid": KID}),
    "another key under our kid": lambda: signed(seed=OTHER_SEED),
    "expired": lambda: with_body(exp=NOW_S),
    "long expired": lambda: with_body(iat=1, nbf=1, exp=2),
    "exp missing": lambda: without("exp"),
    "exp a string": lambda: with_body(exp=str(NOW_S + 300)),
    "exp a fraction": lambda: with_body(exp=NOW_S + 300.5),
    "exp infinite": lambda: signed(body=json.dumps({**BODY, "exp": float("inf")})),
    "exp not a number": lambda: signed(body=json.dumps({**BODY, "exp": float("nan")})),
    "exp true": lambda: with_body(exp=True),
    "exp null": lambda: with_body(exp=None),
    "not yet valid": lambda: with_body(nbf=NOW_S + 60),
    "issued in the future": lambda: with_body(iat=NOW_S + 60),
    "nbf missing": lambda: without("nbf"),
    "another audience": lambda: with_body(aud="other"),
    "several audiences": lambda: with_body(aud=[AUDIENCE, "other"]),
    "aud missing": lambda: without("aud"),
    "another issuer": lambda: with_body(iss="http://evil.test"),
    "issuer with a slash": lambda: with_body(iss=ISSUER + "/"),
    "iss missing": lambda: without("iss"),
    "sub missing": lambda: without("sub"),
    "sub empty": lambda: with_body(sub=""),
    "sub a number": lambda: with_body(sub=1),
    "sid missing": lambda: without("sid"),
    "a member too many": lambda: with_body(admin=True),
    "a member twice in the body": lambda: duplicate("body"),
    "a member twice in the header": lambda: duplicate("header"),
    "header flipped": lambda: flipped(0),
    "body flipped": lambda: flipped(1),
    "signature flipped": lambda: flipped(2),
    "signature spelled otherwise": respelled,
    "signature with the group's order added": malleable,
    "signature missing": lambda: signed().rpartition(".")[0] + ".",
    "signature cut": lambda: signed()[:-4],
    "signature of zeros": lambda: signed().rpartition(".")[0] + "." + b64(bytes(64)),
    "two parts": lambda: signed().rpartition(".")[0],
    "four parts": lambda: signed() + ".x",
    "five parts, as encrypted": lambda: signed() + ".x.y",
    "truncated": lambda: signed()[: len(signed()) // 2],
    "empty": lambda: "",
    "dots": lambda: "..",
    "padded": lambda: signed() + "=",
    "with a blank": lambda: " " + signed(),
    "with a line break": lambda: signed() + "\n",
    "with a null byte": lambda: signed() + "\0",
    "not ASCII": lambda: signed() + "\u00e9",
    "a surrogate": lambda: signed() + "\ud800",
    "standard base64": lambda: signed().replace("-", "+").replace("_", "/") + "+",
    "oversized": lambda: with_body(scope="x" * 5_000),
    "a megabyte": lambda: "a" * 1_000_000,
    "header a list": lambda: signed("[]"),
    "header a string": lambda: signed('"EdDSA"'),
    "header no JSON": lambda: signed("{"),
    "body a list": lambda: signed(body="[]"),
    "body no JSON": lambda: signed(body="{"),
    "body deep": nested,
    "body not UTF-8": lambda: signed(body="\u0100").replace("xIA", "gIA"),
    "JSON web signature, other form": lambda: json.dumps({"payload": b64(b"{}"), "signature": ""}),
}


def new_check() -> TokenCheck:
    check = TokenCheck(ISSUER, remembered_max=3)
    check.trust({KID: PUBLIC.hex()})
    return check


@pytest.mark.parametrize("name", ATTACKS)
def test_a_token_that_is_not_ours_is_refused_without_a_word_why(name: str) -> None:
    check = new_check()
    for _ in range(2):
        with pytest.raises(NotAuthenticated) as refusal:
            check.check(ATTACKS[name](), NOW_NS)
        assert (refusal.value.message, refusal.value.details) == ("unauthorized.", {})
    assert len(check) == 0


def test_our_own_token_passes_and_so_does_the_same_made_by_another_library() -> None:
    ours = make_token(KID, SEED, CLAIMS)
    theirs = jwt.encode(BODY, PRIVATE, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": KID})

    assert new_check().check(ours, NOW_NS) == CLAIMS
    assert new_check().check(theirs, NOW_NS) == CLAIMS
    assert new_check().check(signed(), NOW_NS) == CLAIMS


def test_a_remembered_token_ends_with_its_time() -> None:
    check = new_check()
    token = make_token(KID, SEED, CLAIMS)
    for now_ns in (NOW_NS, NOW_NS + 1, NOW_NS + 300 * NS_PER_S - 1):
        assert check.check(token, now_ns) == CLAIMS

    with pytest.raises(NotAuthenticated):
        check.check(token, NOW_NS + 300 * NS_PER_S)
    assert len(check) == 0


def test_what_is_remembered_has_a_limit_and_the_least_used_goes() -> None:
    check = new_check()
    tokens = [with_body(jti=str(number)) for number in range(5)]
    for token in tokens:
        check.check(token, NOW_NS)

    assert len(check) == 3
    assert all(check.check(token, NOW_NS) for token in tokens)


def test_a_key_that_is_not_trusted_any_more_takes_its_tokens_along() -> None:
    check = new_check()
    token = make_token(KID, SEED, CLAIMS)
    check.check(token, NOW_NS)

    check.trust({})

    assert len(check) == 0
    with pytest.raises(NotAuthenticated):
        check.check(token, NOW_NS)


def test_clocks_may_be_seconds_apart_and_no_more() -> None:
    check = new_check()

    assert check.check(with_body(iat=NOW_S + 5, nbf=NOW_S + 5), NOW_NS)
    with pytest.raises(NotAuthenticated):
        check.check(with_body(iat=NOW_S + 6, nbf=NOW_S + 6), NOW_NS)


def test_the_key_id_is_the_thumbprint_of_the_key() -> None:
    # The key and its thumbprint of RFC 8037, appendix A.3.
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    public = base64.urlsafe_b64decode(x + "=")

    assert thumbprint(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert jwk_set({"k": public.hex()})["keys"][0]["x"] == x
