"""The directory: keys open accounts, once, until they are revoked."""

import hashlib

import pytest

from tradeplane.auth.directory import (
    AccountRegistered,
    CreateKey,
    CreateUser,
    Directory,
    GetDirectory,
    Identity,
    KeyCreated,
    RegisterAccount,
    RevokeKey,
    UserCreated,
)
from tradeplane.errors import InvalidRequest, LimitReached, NotAuthenticated, NotFound

DIGEST = hashlib.sha256(b"secret").hexdigest()


def _identity(*commands: object) -> Identity:
    identity = Identity()
    for command in commands:
        identity.apply(command, 1)
    return identity


REGISTER = RegisterAccount("account", "tenant", 0)
CREATE = CreateKey("PK1", DIGEST, "account")


def test_a_key_opens_its_account_and_nothing_else_does() -> None:
    found = _identity(REGISTER, CREATE).query(GetDirectory(), 1)
    directory = Directory(found.accounts, found.keys)

    assert directory.open("PK1", "secret").account_id == "account"
    for key_id, secret in (("PK1", "wrong"), ("PK2", "secret"), ("", ""), ("PK1", "")):
        with pytest.raises(NotAuthenticated, match="unauthorized"):
            directory.open(key_id, secret)


def test_a_key_whose_hash_is_the_placeholder_of_unknown_ids_does_not_open_by_it() -> None:
    with pytest.raises(NotAuthenticated):
        Directory().open("unknown", "0" * 64)


def test_a_revoked_key_is_gone_for_good() -> None:
    identity = _identity(REGISTER, CREATE, RevokeKey("PK1"))

    assert identity.query(GetDirectory(), 1).keys == {}
    with pytest.raises(NotFound):
        identity.apply(RevokeKey("PK1"), 1)


def test_the_same_command_twice_has_one_effect() -> None:
    identity = _identity(REGISTER, CREATE)
    before = identity.to_bytes()

    assert identity.apply(REGISTER, 2).events == ()
    assert identity.apply(CREATE, 2).events == ()
    assert identity.to_bytes() == before


def test_the_same_id_with_other_contents_is_refused() -> None:
    identity = _identity(REGISTER, CREATE)

    with pytest.raises(InvalidRequest):
        identity.apply(CreateKey("PK1", "f" * 64, "account"), 2)
    with pytest.raises(InvalidRequest):
        identity.repeat(CreateKey("PK1", "f" * 64, "account"), KeyCreated("PK1", DIGEST, "x", 1))
    with pytest.raises(InvalidRequest):
        identity.apply(RegisterAccount("account", "another tenant", 0), 2)


def test_a_key_needs_an_account() -> None:
    with pytest.raises(NotFound):
        Identity().apply(CREATE, 1)


def test_an_installation_has_a_limit() -> None:
    identity = Identity(accounts_max=1)
    identity.apply(REGISTER, 1)

    with pytest.raises(LimitReached):
        identity.apply(RegisterAccount("second", "tenant", 0), 1)


def test_a_replayed_identity_is_the_same_to_the_byte() -> None:
    user = CreateUser("admin", "tenant", "admin", "$argon2id$...")
    identity, replayed, restored = _identity(), Identity(), Identity()
    for command in (REGISTER, CREATE, user):
        for event in identity.apply(command, 7).events:
            assert isinstance(event, AccountRegistered | KeyCreated | UserCreated)
            replayed.evolve(event)
    restored.from_bytes(identity.to_bytes())

    assert identity.to_bytes() == replayed.to_bytes() == restored.to_bytes()
    assert restored.users["admin"].role == "admin"
