"""Passwords: what is accepted, how it is hashed, and how many are worked on at once."""

import asyncio
import threading

import pytest

from adapters.passwords import (
    Argon2Settings,
    PasswordHasher,
    hash_password,
    verify_password,
)
from tradeplane.auth.password_policy import LENGTH_MAX, check_password, normalized
from tradeplane.errors import InvalidRequest, Overloaded

CHEAP = Argon2Settings(memory_kib=8)
GOOD = "a long walk to the lighthouse"


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "zwei kleine Bären tanzen",
        "\u6211\u4eec\u5728\u706f\u5854\u4e0b\u8d70\u4e86\u5f88\u957f\u7684\u4e00\u6bb5\u8def\u56de\u5bb6",
        "x9!Lm2#qRz7&Pw4",
        "tess likes lighthouses",
        "1f0c9e7d3b5a48626d7e",
        "  leading and trailing  ",
        GOOD * 4,
    ],
)
def test_a_long_password_is_accepted_whatever_its_characters(password: str) -> None:
    check_password(password, "tess", "tess@firm.test")


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "fourteen chars",
        "x" * (LENGTH_MAX + 1),
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababababab",
        "lighthouse"[:5] * 3,
        "123456789012345678",
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiopasdfghjkl",
        "poiuytrewqlkjhgfdsa",
        "passwordpassword1234",
        "P4ssw0rd-P4ssw0rd!",
        "tradeplane-tradeplane",
        "Tradeplane2026!!!!",
        "tess.tess.tess.2026",
        "tess@firm.test1234",
        "sset-test-firm-tess",
        "letmeinletmein!!",
        "correct horse battery staple",
        "correcthorsebatterystaple",
        "adminadminadmin123",
        "1qaz2wsx3edc4rfv",
        "iloveyou-iloveyou-iloveyou",
        "surrogate \ud800 in the middle",
    ],
)
def test_a_password_that_everybody_would_try_is_refused(password: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_password(password, "tess", "tess@firm.test")
    assert not password or password not in refusal.value.message


def test_the_same_text_from_another_keyboard_is_the_same_password() -> None:
    assert normalized("Ba\u0308ren") == normalized("B\u00e4ren")


def test_a_hash_is_of_its_password_alone_and_salted() -> None:
    one, other = hash_password(GOOD, CHEAP), hash_password(GOOD, CHEAP)

    assert one != other
    assert one.startswith(CHEAP.prefix)
    assert verify_password(GOOD, one)
    assert not verify_password(GOOD + " ", one)
    assert not verify_password(GOOD[:64] + "x" * 64, one)
    assert not verify_password("\ud800", one)


def test_a_hash_costs_what_the_standard_asks_for_by_default() -> None:
    assert Argon2Settings().prefix == "$argon2id$v=19$m=47104,t=1,p=1$"


async def test_a_hash_of_older_parameters_is_told_to_be_outdated() -> None:
    hasher = PasswordHasher(CHEAP)
    older = hash_password(GOOD, Argon2Settings(memory_kib=16))

    assert (await hasher.verify(GOOD, older)).outdated
    assert not (await hasher.verify(GOOD, await hasher.hash(GOOD))).outdated
    hasher.close()


async def test_nobody_has_no_right_password_and_takes_a_hash_of_the_same_cost() -> None:
    hasher = PasswordHasher(CHEAP)

    assert hasher._nobody.startswith(CHEAP.prefix)
    assert not (await hasher.verify(GOOD, "")).correct
    assert not (await hasher.verify("", "")).correct
    hasher.close()


async def test_two_at_a_time_a_few_wait_and_the_rest_are_refused(monkeypatch) -> None:
    gate, running, most = threading.Event(), set(), []

    def slow(password: str, phc: str) -> bool:
        running.add(password)
        most.append(len(running))
        gate.wait()
        running.discard(password)
        return True

    hasher = PasswordHasher(CHEAP, at_once_max=2, waiting_max=3)
    monkeypatch.setattr("adapters.passwords.verify_password", slow)
    calls = [asyncio.create_task(hasher.verify(str(number), "phc")) for number in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await hasher.verify("one too many", "phc")
    for call in calls[3:]:
        call.cancel()  # who goes away gives no place back before its turn is over
    gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert sum(isinstance(one, asyncio.CancelledError) for one in results) == 2
    assert max(most) <= 2
    hasher.close()
