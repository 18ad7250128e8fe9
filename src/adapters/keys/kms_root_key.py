"""The root key in AWS KMS: it never leaves the service, and each use is in CloudTrail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from adapters.keys.root_key import Context
from tradeplane.errors import Misconfigured, RootKeyUnavailable, SealBroken, ServiceFailed

T = TypeVar("T")
_CONNECT_S = 2
_READ_S = 4
_ATTEMPTS = 3

_MEANINGS: dict[str, type[ServiceFailed]] = {
    "InvalidCiphertextException": SealBroken,
    "IncorrectKeyException": SealBroken,
    "InvalidCiphertext": SealBroken,
    "NotFoundException": Misconfigured,
    "AccessDeniedException": Misconfigured,
    "DisabledException": Misconfigured,
    "KMSInvalidStateException": Misconfigured,
    "InvalidKeyUsageException": Misconfigured,
    "ValidationException": Misconfigured,
}
"""By KMS's error code; all others are RootKeyUnavailable, and may pass."""


class KmsRootKey:
    """Satisfies :class:`adapters.keys.root_key.RootKey` with a symmetric key of AWS KMS.

    Credentials, region and endpoint are boto3's own settings.

    Args:
        name: the key's id, ARN, or ``alias/...``.

    Raises:
        Misconfigured: there is no such key, or this process may not use it.
        RootKeyUnavailable: the service cannot be reached.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        config = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        )
        try:
            self._client: Any = boto3.client("kms", config=config)
        except BotoCoreError as error:
            raise Misconfigured(f"AWS KMS cannot be used: {error}") from error
        described = self._asked(lambda: self._client.describe_key(KeyId=name))
        self._arn: str = described["KeyMetadata"]["Arn"]

    @property
    def key_id(self) -> str:
        """The ARN behind the name at the start of this process."""
        return f"awskms:{self._arn}"

    def wrap(self, secret: bytes, context: Context) -> tuple[str, bytes]:
        """Return the key's id, and *secret* wrapped; see the protocol."""
        answer = self._asked(
            lambda: self._client.encrypt(
                KeyId=self._arn, Plaintext=secret, EncryptionContext=dict(context)
            )
        )
        wrapped: bytes = answer["CiphertextBlob"]
        return self.key_id, wrapped

    def unwrap(self, key_id: str, wrapped: bytes, context: Context) -> bytes:
        """Return the secret; see the protocol."""
        scheme, _, arn = key_id.partition(":")
        if scheme != "awskms":
            raise Misconfigured(
                f"the data keys of this database are wrapped by the root key {key_id}, not by "
                "AWS KMS; set TRADEPLANE_ROOT_KEY_URL to it, or rotate the root key"
            )
        # The key is named although KMS could find it in the blob: another's blob is refused.
        answer = self._asked(
            lambda: self._client.decrypt(
                KeyId=arn, CiphertextBlob=wrapped, EncryptionContext=dict(context)
            )
        )
        secret: bytes = answer["Plaintext"]
        return secret

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            kind = _MEANINGS.get(code, RootKeyUnavailable)
            if kind is SealBroken:
                raise SealBroken("sealed data cannot be opened") from None
            raise kind(f"AWS KMS refused the use of {self._name} ({code})") from error
        except BotoCoreError as error:
            raise RootKeyUnavailable(
                f"AWS KMS cannot be reached ({type(error).__name__})"
            ) from error
