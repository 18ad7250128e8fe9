"""Encryption in one replica: the work happens here, on keys that the actor's feed keeps right."""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from actors.call_port import CallPort
from actors.follower import Follower
from actors.key_changes import KeyChanges
from actors.key_mirror import KeyMirror
from adapters.ciphers.key_material import KeyMaterial
from tradeplane.clock import Clock
from tradeplane.encryption import ciphertext as text
from tradeplane.encryption.key_ring import KeyRing
from tradeplane.encryption.sealer import Sealer
from tradeplane.encryption.service import (
    DataKeyMade,
    Decrypt,
    Encrypt,
    Rewrap,
    Sign,
    Texts,
    Verify,
)
from tradeplane.encryption.signature_form import SignatureForm, hash_name
from tradeplane.errors import InvalidRequest, RequestRefused

T = TypeVar("T")
DATA_KEY_BITS = (128, 256, 512)
SEALER_PURPOSE = "key-rings"
"""The data key that wraps the keys of rings."""

_NO_SIGNATURE = "a signature or HMAC must be like vault:v1:..., as it was given out"
_THREAD_ITEMS_MIN = 512


class EncryptionService(KeyChanges):
    """Satisfies :class:`tradeplane.encryption.service.EncryptionService`.

    Args:
        port: the actor.
        subscriber: this process's name; unique.
        sealer: wraps and unwraps the keys.
        clock: monotonic time.
        wait_ms: longest time a change may take, repetitions included.
    """

    def __init__(
        self,
        port: CallPort,
        subscriber: str,
        sealer: Sealer,
        clock: Clock,
        wait_ms: int = 8_000,
    ) -> None:
        mirror = KeyMirror(port, subscriber, sealer, clock)
        super().__init__(port, mirror, sealer, clock, wait_ms=wait_ms)

    @property
    def follower(self) -> Follower:
        """What keeps the mirror; its owner runs it."""
        return self._mirror.follower

    async def key(self, tenant_id: str, name: str) -> KeyRing:
        """Return a key, its secrets wrapped; see the protocol."""
        return await self._mirror.ring(tenant_id, name)

    def key_names(self, tenant_id: str) -> list[str]:
        """Return the names of the tenant's keys; see the protocol."""
        return self._mirror.rings().names(tenant_id)

    def random(self, count: int) -> bytes:
        """Return *count* random bytes."""
        return os.urandom(count)

    async def encrypt(self, tenant_id: str, name: str, items: Sequence[Encrypt]) -> Texts:
        """Return ciphertexts; see the protocol."""
        batch = _Batch(self._mirror, tenant_id, name)
        await batch.begin(max((item.key_version for item in items), default=0))
        batch.require_encryption()

        def one(key: KeyMaterial, version: int, item: Encrypt) -> str:
            bound = batch.bound(version, item.associated_data)
            return text.written(version, key.key.encrypt(item.plaintext, bound))

        return await batch.run(items, lambda item: batch.ring.to_use(item.key_version), one)

    async def decrypt(
        self, tenant_id: str, name: str, items: Sequence[Decrypt]
    ) -> list[bytes | RequestRefused]:
        """Return plaintexts; see the protocol."""
        batch = _Batch(self._mirror, tenant_id, name)
        await batch.begin(max((_named(item.ciphertext) for item in items), default=0))
        batch.require_encryption()

        def one(key: KeyMaterial, version: int, item: Decrypt) -> bytes:
            payload = text.read(item.ciphertext).payload
            return key.key.decrypt(payload, batch.bound(version, item.associated_data))

        return await batch.run(items, lambda item: batch.opening(item.ciphertext), one)

    async def rewrap(self, tenant_id: str, name: str, items: Sequence[Rewrap]) -> Texts:
        """Return the same texts under another version; see the protocol."""
        opening = [Decrypt(item.ciphertext, item.associated_data) for item in items]
        opened = await self.decrypt(tenant_id, name, opening)
        good = [
            Encrypt(plain, item.associated_data, item.key_version)
            for item, plain in zip(items, opened, strict=True)
            if isinstance(plain, bytes)
        ]
        sealed = iter(await self.encrypt(tenant_id, name, good))
        return [next(sealed) if isinstance(plain, bytes) else plain for plain in opened]

    async def data_key(
        self, tenant_id: str, name: str, bits: int, associated_data: bytes = b""
    ) -> DataKeyMade:
        """Return a new key for use elsewhere; see the protocol."""
        if bits not in DATA_KEY_BITS:
            raise InvalidRequest("bits must be 128, 256 or 512")
        plaintext = os.urandom(bits // 8)
        answers = await self.encrypt(tenant_id, name, [Encrypt(plaintext, associated_data)])
        return DataKeyMade(plaintext, _only(answers))

    async def sign(
        self, tenant_id: str, name: str, items: Sequence[Sign], form: SignatureForm
    ) -> Texts:
        """Return signatures; see the protocol."""
        batch = _Batch(self._mirror, tenant_id, name)
        await batch.begin(max((item.key_version for item in items), default=0))
        form.require(batch.ring.abilities)
        written = text.written_for_jws if form.marshaling == "jws" else text.written

        def one(key: KeyMaterial, version: int, item: Sign) -> str:
            return written(version, key.key.sign(item.data, form))

        return await batch.run(items, lambda item: batch.ring.to_use(item.key_version), one)

    async def verify(
        self, tenant_id: str, name: str, items: Sequence[Verify], form: SignatureForm
    ) -> list[bool | RequestRefused]:
        """Return whether each signature is one of its input; see the protocol."""
        batch = _Batch(self._mirror, tenant_id, name)
        await batch.begin(max((_named(item.signature) for item in items), default=0))
        form.require(batch.ring.abilities)
        read = text.read_for_jws if form.marshaling == "jws" else text.read

        def one(key: KeyMaterial, version: int, item: Verify) -> bool:
            del version
            payload = read(item.signature, _NO_SIGNATURE).payload
            return key.key.verify(item.data, payload, form)

        return await batch.run(items, lambda item: batch.verifying(item.signature), one)

    async def hmac(self, tenant_id: str, name: str, items: Sequence[Sign], algorithm: str) -> Texts:
        """Return HMACs; see the protocol."""
        hash_name(algorithm)
        batch = _Batch(self._mirror, tenant_id, name)
        await batch.begin(max((item.key_version for item in items), default=0))

        def one(key: KeyMaterial, version: int, item: Sign) -> str:
            return text.written(version, key.hmac(item.data, algorithm))

        return await batch.run(items, lambda item: batch.ring.to_use(item.key_version), one)

    async def verify_hmac(
        self, tenant_id: str, name: str, items: Sequence[Verify], algorithm: str
    ) -> list[bool | RequestRefused]:
        """Return whether each HMAC is one of its input; see the protocol."""
        hash_name(algorithm)
        batch = _Batch(self._mirror, tenant_id, name)
        await batch.begin(max((_named(item.signature) for item in items), default=0))

        def one(key: KeyMaterial, version: int, item: Verify) -> bool:
            del version
            given = text.read(item.signature, _NO_SIGNATURE).payload
            return hmac.compare_digest(given, key.hmac(item.data, algorithm))

        return await batch.run(items, lambda item: batch.verifying(item.signature), one)


class _Batch:
    """The work on one key."""

    def __init__(self, mirror: KeyMirror, tenant_id: str, name: str) -> None:
        self._mirror = mirror
        self._tenant_id = tenant_id
        self._name = name
        self.ring: KeyRing

    async def begin(self, newest_named: int) -> None:
        self.ring = await self._mirror.ring_with(self._tenant_id, self._name, newest_named)

    def require_encryption(self) -> None:
        if not self.ring.abilities.encrypts:
            raise InvalidRequest(f"keys of type {self.ring.key_kind} do not encrypt")

    def bound(self, version: int, given: bytes) -> bytes:
        if given and not self.ring.abilities.symmetric:
            raise InvalidRequest(f"keys of type {self.ring.key_kind} take no associated_data")
        return text.associated_data(self._tenant_id, self._name, version, given)

    def opening(self, ciphertext: str) -> int:
        version = text.read(ciphertext).version
        if not self.ring.opens(version):
            raise InvalidRequest(text.REFUSED)
        return version

    def verifying(self, signature: str) -> int:
        version = _named(signature)
        if version == 0:
            raise InvalidRequest(_NO_SIGNATURE)
        if not self.ring.opens(version):
            raise InvalidRequest("the version of this signature or HMAC may not be used")
        return version

    async def run(
        self,
        items: Sequence[Any],
        version_of: Callable[[Any], int],
        one: Callable[[KeyMaterial, int, Any], T],
    ) -> list[T | RequestRefused]:
        chosen: list[tuple[KeyMaterial, int] | RequestRefused] = []
        for item in items:
            try:
                version = version_of(item)
            except RequestRefused as refusal:
                chosen.append(refusal)
                continue
            key = await self._mirror.material(self._tenant_id, self._name, self.ring, version)
            chosen.append((key, version))

        def work() -> list[T | RequestRefused]:
            answers: list[T | RequestRefused] = []
            for item, found in zip(items, chosen, strict=True):
                if isinstance(found, RequestRefused):
                    answers.append(found)
                    continue
                try:
                    answers.append(one(*found, item))
                except RequestRefused as refusal:
                    answers.append(refusal)
            return answers

        if self.ring.abilities.rsa_bits or len(items) >= _THREAD_ITEMS_MIN:
            # A private RSA operation takes up to 10 ms; the loop goes on meanwhile.
            return await asyncio.to_thread(work)
        return work()


def _named(written: str) -> int:
    """Return the version that a ciphertext or signature names, 0 for none."""
    prefix, _, rest = written.partition(":v")
    digits, _, _ = rest.partition(":")
    if prefix != "vault" or not digits.isascii() or not digits.isdigit() or len(digits) > 7:
        return 0
    version = int(digits)
    return version if version <= text.VERSION_MAX else 0


def _only(answers: Texts) -> str:
    answer = answers[0]
    if isinstance(answer, RequestRefused):
        raise answer
    return answer
