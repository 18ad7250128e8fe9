"""What every root key promises: in a file, and in AWS KMS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from aws_server import aws_server

from adapters.keys.file_root_key import FileRootKey
from adapters.keys.kms_root_key import KmsRootKey
from adapters.keys.root_key import RootKey
from adapters.keys.root_key_choice import open_root_key
from tradeplane.errors import Misconfigured, RootKeyUnavailable, SealBroken

SECRET = bytes(range(32))
CONTEXT = {"service": "tradeplane", "purpose": "journal", "version": "1"}


@pytest.fixture(scope="module")
def kms() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as url:
        yield url


@pytest.fixture(params=["file", "kms"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> RootKey:
    if request.param == "file":
        return FileRootKey.create(tmp_path / "root.key")
    request.getfixturevalue("kms")
    return KmsRootKey(boto3.client("kms").create_key()["KeyMetadata"]["KeyId"])


def test_a_wrapped_secret_comes_back(root):
    key_id, wrapped = root.wrap(SECRET, CONTEXT)

    assert root.unwrap(key_id, wrapped, CONTEXT) == SECRET
    assert key_id == root.key_id
    assert SECRET not in wrapped


def test_wrapping_twice_gives_two_texts(root):
    assert root.wrap(SECRET, CONTEXT)[1] != root.wrap(SECRET, CONTEXT)[1]


@pytest.mark.parametrize(
    "context", [{}, CONTEXT | {"version": "2"}, CONTEXT | {"purpose": "tokens"}]
)
def test_another_context_is_refused(root, context):
    key_id, wrapped = root.wrap(SECRET, CONTEXT)

    with pytest.raises(SealBroken, match=r"^sealed data cannot be opened$"):
        root.unwrap(key_id, wrapped, context)


def test_damage_is_refused(root):
    key_id, wrapped = root.wrap(SECRET, CONTEXT)

    for damaged in (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), wrapped[:-1]):
        with pytest.raises(SealBroken):
            root.unwrap(key_id, damaged, CONTEXT)


def test_the_key_of_another_keeper_is_named(root):
    with pytest.raises(Misconfigured, match="other:1"):
        root.unwrap("other:1", b"anything", CONTEXT)


def test_an_alias_means_its_key(kms):
    client = boto3.client("kms")
    key = client.create_key()["KeyMetadata"]
    client.create_alias(AliasName="alias/tradeplane", TargetKeyId=key["KeyId"])

    root = open_root_key("awskms:///alias/tradeplane", "")

    assert root.key_id == f"awskms:{key['Arn']}"


def test_an_unknown_kms_key_is_misconfigured(kms):
    with pytest.raises(Misconfigured, match="NotFoundException"):
        KmsRootKey("alias/no-such-key")


def test_a_kms_that_cannot_be_reached_may_come_back(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    with pytest.raises(RootKeyUnavailable, match="cannot be reached"):
        KmsRootKey("alias/tradeplane")
