"""Encryption in replicas: what it does, what it refuses, and what it never asks the actor."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.support.encryption_system import BY, EncryptionSystem, OffsetClock, encryption_system

from actors.key_mirror import SILENCE_MAX_NS
from adapters.database.faulty_journal import Fault, seeded_faults
from tradeplane.encryption.ciphertext import REFUSED, read, written
from tradeplane.encryption.service import Configuration, Decrypt, Encrypt, Rewrap, Sign, Verify
from tradeplane.encryption.signature_form import SignatureForm
from tradeplane.errors import (
    ComponentUnavailable,
    InvalidRequest,
    JournalUnavailable,
    NotFound,
    RequestRefused,
    SealBroken,
)

TEXTS = [b"", b"x", b"a longer text \xff" * 100]


@pytest.fixture
async def system():
    async with encryption_system() as running:
        yield running


@pytest.fixture
async def service(system):
    replica = await system.replica()
    await replica.generate_key("firm", "k", "aes256-gcm96", BY)
    return replica


async def sealed(service, text=b"secret", tenant="firm", name="k", data=b"") -> str:
    (ciphertext,) = await service.encrypt(tenant, name, [Encrypt(text, data)])
    assert isinstance(ciphertext, str)
    return ciphertext


async def refusal(service, ciphertext, tenant="firm", name="k", data=b"") -> str:
    (answer,) = await service.decrypt(tenant, name, [Decrypt(ciphertext, data)])
    assert isinstance(answer, RequestRefused), "it was opened"
    assert type(answer) is InvalidRequest
    assert answer.details == {}
    return answer.message


@pytest.mark.parametrize("kind", ["aes256-gcm96", "chacha20-poly1305", "rsa-2048"])
async def test_what_one_replica_encrypts_another_decrypts_in_order(system, kind):
    one, other = await system.replica(), await system.replica()
    await one.generate_key("firm", "key", kind, BY)
    texts = TEXTS if kind != "rsa-2048" else TEXTS[:2]

    ciphertexts = await other.encrypt("firm", "key", [Encrypt(text) for text in texts])

    assert all(each.startswith("vault:v1:") for each in ciphertexts)
    assert await one.decrypt("firm", "key", [Decrypt(each) for each in ciphertexts]) == texts


async def test_encrypting_and_decrypting_call_nobody(system, service):
    await sealed(service)
    before = {**service.port.calls, "poll": 0}

    for _ in range(20):
        assert await service.decrypt("firm", "k", [Decrypt(await sealed(service))]) == [b"secret"]
        await refusal(service, "vault:v1:AAAA")

    assert {**service.port.calls, "poll": 0} == before


async def test_every_wrong_ciphertext_gets_the_same_refusal(system, service):
    await service.generate_key("firm", "k2", "aes256-gcm96", BY)
    await service.generate_key("other", "k", "aes256-gcm96", BY)
    await service.generate_key("firm", "chacha", "chacha20-poly1305", BY)
    good = await sealed(service, data=b"row 1")
    payload = read(good).payload
    bits = [bytearray(payload) for _ in range(0, 8 * len(payload), 31)]
    for number, changed in zip(itertools.count(0, 31), bits, strict=False):
        changed[number // 8] ^= 1 << number % 8
    wrong = [
        *(written(1, bytes(each)) for each in bits),
        *(written(1, payload[:length]) for length in range(0, len(payload), 7)),
        *(await asyncio.gather(sealed(service, name="k2"), sealed(service, tenant="other"))),
        written(2, payload),
        written(999_999, payload),
        "vault:v0:" + good.removeprefix("vault:v1:"),
        "vault:v9999999:" + good.removeprefix("vault:v1:"),
        good.removeprefix("vault:v1:"),
        good + "=",
        good + "\n",
        good.replace("vault", "VAULT"),
        "",
        "vault:v1:",
        "vault:v\uff11:AAAA",
    ]

    told = {await refusal(service, each, data=b"row 1") for each in wrong}
    told |= {await refusal(service, good, data=data) for data in (b"", b"row 2")}
    told |= {await refusal(service, good, name=name, data=b"row 1") for name in ("k2", "chacha")}
    told.add(await refusal(service, good, tenant="other", data=b"row 1"))

    assert told == {REFUSED}


async def test_what_is_below_the_minimum_gets_that_refusal_too_and_rewrapping_saves_it(service):
    old = await sealed(service, data=b"row")
    assert await service.rotate_key("firm", "k", BY) == 2
    (renewed,) = await service.rewrap("firm", "k", [Rewrap(old, b"row")])
    assert renewed.startswith("vault:v2:")

    await service.configure_key("firm", "k", Configuration(min_decryption_version=2), BY)

    assert await refusal(service, old, data=b"row") == REFUSED
    (rewrapped,) = await service.rewrap("firm", "k", [Rewrap(old, b"row")])
    assert rewrapped.message == REFUSED
    assert await service.decrypt("firm", "k", [Decrypt(renewed, b"row")]) == [b"secret"]


async def test_one_bad_item_spoils_no_other(service):
    good = await sealed(service)

    answers = await service.decrypt(
        "firm", "k", [Decrypt(good), Decrypt("nonsense"), Decrypt(good, b"data"), Decrypt(good)]
    )

    assert [answers[0], answers[3]] == [b"secret", b"secret"]
    assert all(isinstance(each, InvalidRequest) for each in answers[1:3])


async def test_a_key_of_another_tenant_does_not_exist(service):
    for call in (
        service.encrypt("other", "k", [Encrypt(b"x")]),
        service.decrypt("other", "k", [Decrypt("vault:v1:AAAA")]),
        service.key("other", "k"),
        service.rotate_key("other", "k", BY),
        service.delete_key("other", "k", BY),
    ):
        with pytest.raises(NotFound):
            await call
    assert service.key_names("other") == []


async def test_a_replica_that_got_no_news_asks_before_it_refuses(system, service):
    late = await system.replica()
    late.port.deaf.clear()
    await service.generate_key("firm", "new", "aes256-gcm96", BY)
    await service.rotate_key("firm", "k", BY)
    first, second = await sealed(service, name="new"), await sealed(service)
    assert second.startswith("vault:v2:")
    opening = asyncio.gather(
        late.decrypt("firm", "new", [Decrypt(first)]), late.decrypt("firm", "k", [Decrypt(second)])
    )
    while late.port.calls["ask"] < 2:
        await asyncio.sleep(0.001)
    late.port.deaf.set()

    assert await opening == [[b"secret"], [b"secret"]]


async def test_a_version_that_cannot_be_asked_for_is_unavailable_and_not_refused(system, service):
    replica = await system.replica()
    replica.port.cut = True

    with pytest.raises(ComponentUnavailable):
        await replica.decrypt("firm", "k", [Decrypt("vault:v2:AAAA")])
    with pytest.raises(ComponentUnavailable):
        await replica.encrypt("firm", "unknown", [Encrypt(b"x")])


async def test_a_replica_that_heard_nothing_for_seconds_uses_no_key(system):
    clock = OffsetClock()
    replica = await system.replica(clock)
    await replica.generate_key("firm", "k", "aes256-gcm96", BY)
    ciphertext = await sealed(replica)
    replica.port.cut = True
    clock.offset_ns = SILENCE_MAX_NS // 2
    assert await replica.decrypt("firm", "k", [Decrypt(ciphertext)]) == [b"secret"]

    clock.offset_ns = SILENCE_MAX_NS + 1

    for call in (
        replica.encrypt("firm", "k", [Encrypt(b"x")]),
        replica.decrypt("firm", "k", [Decrypt(ciphertext)]),
        replica.sign("firm", "k", [Sign(b"x")], SignatureForm()),
        replica.hmac("firm", "k", [Sign(b"x")], "sha2-256"),
        replica.data_key("firm", "k", 256),
    ):
        with pytest.raises(ComponentUnavailable):
            await call
    with pytest.raises(ComponentUnavailable):
        replica.key_names("firm")
    replica.port.cut = False
    while replica.follower.silent_ns() > SILENCE_MAX_NS:
        await asyncio.sleep(0.001)
    assert await replica.decrypt("firm", "k", [Decrypt(ciphertext)]) == [b"secret"]


@pytest.mark.parametrize("kind", ["rsa-2048", "ed25519", "ecdsa-p256"])
@pytest.mark.parametrize("marshaling", ["asn1", "jws"])
async def test_signatures_verify_on_any_replica_until_their_version_is_forbidden(
    system, kind, marshaling
):
    if kind == "rsa-2048" and marshaling == "jws":
        return
    one, other = await system.replica(), await system.replica()
    await one.generate_key("firm", "s", kind, BY)
    form = SignatureForm(marshaling=marshaling)
    (signature,) = await one.sign("firm", "s", [Sign(b"text")], form)

    async def verdict(data: bytes, given: str) -> object:
        (found,) = await other.verify("firm", "s", [Verify(data, given)], form)
        return found

    assert await verdict(b"text", signature) is True
    assert await verdict(b"other", signature) is False
    assert isinstance(await verdict(b"text", "nonsense"), InvalidRequest)
    await one.rotate_key("firm", "s", BY)
    await one.configure_key("firm", "s", Configuration(min_decryption_version=2), BY)
    await other._mirror.catch_up()  # a replica hears of it within milliseconds
    assert isinstance(await verdict(b"text", signature), InvalidRequest)


async def test_an_hmac_verifies_under_the_version_that_made_it(service):
    (old,) = await service.hmac("firm", "k", [Sign(b"text")], "sha2-256")
    await service.rotate_key("firm", "k", BY)
    (new,) = await service.hmac("firm", "k", [Sign(b"text")], "sha2-256")

    assert old != new
    assert await service.verify_hmac(
        "firm", "k", [Verify(b"text", old), Verify(b"text", new), Verify(b"other", old)], "sha2-256"
    ) == [True, True, False]


async def test_a_data_key_is_the_text_behind_its_ciphertext(service):
    for bits in (128, 256, 512):
        made = await service.data_key("firm", "k", bits)

        assert len(made.plaintext) * 8 == bits
        assert await service.decrypt("firm", "k", [Decrypt(made.ciphertext)]) == [made.plaintext]
        assert made.plaintext.hex() not in repr(made)
    with pytest.raises(InvalidRequest, match="bits"):
        await service.data_key("firm", "k", 64)


async def test_what_a_kind_cannot_do_is_refused_by_name(system):
    service = await system.replica()
    await service.generate_key("firm", "aes", "aes256-gcm96", BY)
    await service.generate_key("firm", "ed", "ed25519", BY)
    await service.generate_key("firm", "rsa", "rsa-2048", BY)

    with pytest.raises(InvalidRequest, match="ed25519 do not encrypt"):
        await service.encrypt("firm", "ed", [Encrypt(b"x")])
    with pytest.raises(InvalidRequest, match="signing"):
        await service.sign("firm", "aes", [Sign(b"x")], SignatureForm())
    (answer,) = await service.encrypt("firm", "rsa", [Encrypt(b"x", b"data")])
    assert "associated_data" in answer.message


async def test_a_wrapped_key_that_was_moved_to_another_ring_is_not_used(system, service):
    await service.generate_key("firm", "k2", "aes256-gcm96", BY)
    rings = service._mirror.rings()
    first, second = rings.ring("firm", "k"), rings.ring("firm", "k2")
    second.versions[1] = first.versions[1]
    service._mirror._ready.clear()

    with pytest.raises(SealBroken):
        await service.encrypt("firm", "k2", [Encrypt(b"x")])


async def test_nothing_that_is_stored_or_published_has_a_key_in_the_clear(system, service):
    await service.rotate_key("firm", "k", BY)
    ring = await service.key("firm", "k")
    key = await service._mirror.material("firm", "k", ring, 2)
    stored = b"".join(
        record.event for records in system.store.store.records.values() for record in records
    )
    published = msgspec.msgpack.encode(ring)

    for text in (stored, published, repr(ring).encode(), repr(key).encode()):
        assert key._hmac_key not in text
        assert b"aes256" not in stored


async def test_a_rotation_under_load_fails_no_request_on_any_replica(system, service):
    replicas = [service, *[await system.replica() for _ in range(2)]]
    first = await sealed(service)
    versions: set[int] = set()
    stop = asyncio.Event()

    async def load(number: int) -> int:
        count = 0
        while not stop.is_set():
            writer, reader = replicas[number % 3], replicas[(number + 1) % 3]
            text = b"%d-%d" % (number, count)
            ciphertext = await sealed(writer, text)
            versions.add(read(ciphertext).version)
            assert await reader.decrypt("firm", "k", [Decrypt(ciphertext), Decrypt(first)]) == [
                text,
                b"secret",
            ]
            count += 1
            await asyncio.sleep(0)
        return count

    loads = [asyncio.create_task(load(number)) for number in range(6)]
    rotated = [await replicas[number % 3].rotate_key("firm", "k", BY) for number in range(4)]
    stop.set()

    assert min(await asyncio.gather(*loads)) > 0
    assert rotated == [2, 3, 4, 5]
    assert versions >= {1, 4}


async def test_after_a_rotation_the_new_version_encrypts_at_once_where_it_was_asked_for(service):
    for version in (2, 3):
        assert await service.rotate_key("firm", "k", BY) == version
        assert (await sealed(service)).startswith(f"vault:v{version}:")


async def told_done(call: Callable[[], Awaitable[Any]]) -> Any:
    """Call, and again where the answer says that nothing was done."""
    while True:
        with contextlib.suppress(JournalUnavailable):
            return await call()


async def test_the_actor_killed_within_rotations_loses_and_doubles_nothing():  # noqa: C901  # one load
    """Copies are abandoned at any moment, their journals fail, and every caller is answered."""
    system = EncryptionSystem()
    await system.start()
    try:
        replicas = [await system.replica(wait_ms=20_000) for _ in range(2)]
        for name in ("a", "b"):
            await replicas[0].generate_key("firm", name, "aes256-gcm96", BY)
        kept: list[tuple[str, str, bytes]] = []
        done = asyncio.Event()

        async def rotate(name: str, replica, count: int) -> list[int]:
            return [
                await told_done(lambda: replica.rotate_key("firm", name, BY)) for _ in range(count)
            ]

        async def create(count: int) -> None:
            for number in range(count):
                name = f"new{number}"
                await told_done(
                    lambda name=name: replicas[1].generate_key("firm", name, "ed25519", BY)
                )

        async def load() -> None:
            for number in itertools.count():
                name, text = "ab"[number % 2], b"%d" % number
                ciphertext = await sealed(replicas[number % 2], text, name=name)
                kept.append((name, ciphertext, text))
                if done.is_set():
                    return
                await asyncio.sleep(0.001)

        async def kill() -> None:
            weights = {
                Fault.NONE: 6,
                Fault.UNAVAILABLE: 1,
                Fault.UNKNOWN_WRITTEN: 2,
                Fault.UNKNOWN_NOT_WRITTEN: 1,
            }
            for seed in itertools.count():
                await asyncio.sleep(0.06)
                if done.is_set():
                    return
                system.abandon()
                await asyncio.sleep(0.01)
                await system.start(seeded_faults(seed, weights))

        loading, killing = asyncio.create_task(load()), asyncio.create_task(kill())
        first, second, _ = await asyncio.gather(
            rotate("a", replicas[0], 5), rotate("b", replicas[1], 5), create(5)
        )
        done.set()
        await asyncio.gather(loading, killing)

        assert first == second == [2, 3, 4, 5, 6], "none lost, none doubled"
        fresh = await system.replica()
        assert fresh.key_names("firm") == ["a", "b", *(f"new{number}" for number in range(5))]
        for name, ciphertext, text in kept:
            assert await fresh.decrypt("firm", name, [Decrypt(ciphertext)]) == [text]
        for name in ("a", "b"):
            ring = await fresh.key("firm", name)
            assert list(ring.versions) == [1, 2, 3, 4, 5, 6]
    finally:
        await system.stop()


async def test_a_rotation_whose_actor_died_between_its_phases_is_finished_by_the_next(system):
    system.abandon()
    await system.start(finishing=False)
    service = await system.replica(wait_ms=20_000)
    await service.generate_key("firm", "k", "aes256-gcm96", BY)
    rotating = asyncio.create_task(service.rotate_key("firm", "k", BY))
    while (await service.key("firm", "k")).newest < 2:
        await asyncio.sleep(0.001)
    assert (await service.key("firm", "k")).active == 1

    system.abandon()
    await system.start()

    assert await rotating == 2
