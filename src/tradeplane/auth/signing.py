"""Decisions about signing keys: known to every replica first, then used, then waited out."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tradeplane.auth.commands import RotateSigningKey, TendSigningKeys
from tradeplane.auth.decision import Decision, require_reason
from tradeplane.auth.events import Event, SigningKeyMoved, SigningKeyPublished
from tradeplane.auth.life_cycles import SIGNING_KEY_LIFE
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.principal import Origin
from tradeplane.auth.private_events import SigningKeyStored
from tradeplane.auth.replies import Named, SigningSecretFound
from tradeplane.auth.state import IdentityState
from tradeplane.errors import ComponentUnavailable, NotAllowed


def thumbprint(public_key: bytes) -> str:
    """Return the key id of an Ed25519 key: its JWK thumbprint (RFC 7638)."""
    x = base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
    digest = hashlib.sha256(canonical.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def kid_in(state: IdentityState, wanted: str) -> str:
    """Return the key in state *wanted*, or nothing."""
    for kid, entry in state.directory.signing.items():
        if entry.state == wanted:
            return kid
    return ""


def is_due(state: IdentityState, now_ns: int, limits: IdentityLimits) -> bool:
    """Return whether :func:`tend` would do something."""
    return bool(_moves(state, now_ns, limits)) or _needs_key(state, now_ns, limits)


def tend(
    state: IdentityState, command: TendSigningKeys, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Do what is due: publish a key, let it sign, retire its predecessor."""
    events: list[Event] = []
    if _needs_key(state, now_ns, limits):
        kid, published = _publish(command.seed, command.by, now_ns)
        events += published
        if not kid_in(state, "signing"):
            # Nothing was signed yet, so no replica can refuse anything for not knowing it.
            events.append(_moved(kid, "published", command.by, now_ns))
    events += [
        _moved(kid, before, command.by, now_ns) for kid, before in _moves(state, now_ns, limits)
    ]
    return Decision(events=tuple(events))


def rotate(
    state: IdentityState, command: RotateSigningKey, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Publish a new key now; :func:`tend` does the rest.

    Raises:
        NotAllowed: one is published already and has not signed yet.
    """
    del limits
    require_reason(command.by)
    if kid_in(state, "published"):
        raise NotAllowed("a rotation is under way; wait until the published key signs")
    kid, events = _publish(command.seed, command.by, now_ns)
    return Decision(Named(kid), tuple(events))


def _needs_key(state: IdentityState, now_ns: int, limits: IdentityLimits) -> bool:
    if kid_in(state, "published"):
        return False
    signing = kid_in(state, "signing")
    return not signing or now_ns - state.directory.signing[signing].since_ns >= limits.signing_ns


def _moves(state: IdentityState, now_ns: int, limits: IdentityLimits) -> list[tuple[str, str]]:
    """Return the keys that are to move on, with the states that they are in."""
    moves = []
    keys = state.directory.signing
    for kid, entry in keys.items():
        age_ns = now_ns - entry.since_ns
        if entry.state == "published" and age_ns >= limits.publish_ns:
            signing = kid_in(state, "signing")
            if signing:
                moves.append((signing, "signing"))
            moves.append((kid, "published"))
        elif entry.state == "retiring" and age_ns > limits.access_ns:
            moves.append((kid, "retiring"))
    return moves


def _publish(seed: bytes, by: Origin, now_ns: int) -> tuple[str, list[Event]]:
    assert len(seed) == 32, "an Ed25519 key takes all of its randomness from the caller"
    public_key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    kid = thumbprint(public_key)
    return kid, [
        SigningKeyPublished(at_ns=now_ns, by=by, kid=kid, public_key=public_key.hex()),
        SigningKeyStored(at_ns=now_ns, by=by, kid=kid, seed=seed.hex()),
    ]


def _moved(kid: str, before: str, by: Origin, now_ns: int) -> Event:
    return SigningKeyMoved(at_ns=now_ns, by=by, kid=kid, state=SIGNING_KEY_LIFE[before])


def signing_secret(state: IdentityState) -> SigningSecretFound:
    """Return the key that signs.

    Raises:
        ComponentUnavailable: there is none yet.
    """
    kid = kid_in(state, "signing")
    if not kid:
        raise ComponentUnavailable("no key signs yet; try again")
    return SigningSecretFound(kid, state.signing_seeds[kid])
