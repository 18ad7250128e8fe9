"""The contract of object stores, on a folder and on S3."""

import base64
import hashlib
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_server import aws_server

from adapters.objects.folder import FolderObjects
from adapters.objects.opening import open_objects
from adapters.objects.s3 import S3Objects
from tradeplane.errors import InvalidRequest, Misconfigured, ObjectStoreUnavailable
from tradeplane.object_store import OBJECT_BYTES_MAX, ObjectStore


@pytest.fixture(scope="module", autouse=True)
def s3_server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as url:
        yield url


@pytest.fixture
def bucket() -> str:
    """An empty bucket; locked objects cannot be deleted, so each test has its own."""
    name = f"objects-{uuid.uuid4()}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    client.close()
    return name


@pytest.fixture
def s3() -> Iterator[Any]:
    client = boto3.client("s3")
    yield client
    client.close()


@pytest.fixture(params=["folder", "s3"])
def new_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], ObjectStore]]:
    """Opens the same store again, as another process would do it."""
    opened: list[ObjectStore] = []
    bucket = request.getfixturevalue("bucket") if request.param == "s3" else ""

    def make() -> ObjectStore:
        url = f"s3://{bucket}/firm" if bucket else ""
        opened.append(open_objects(url, str(tmp_path)))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(new_store: Callable[[], ObjectStore]) -> ObjectStore:
    return new_store()


def test_what_was_created_can_be_read_by_another_process(store, new_store):
    assert store.create({"audit/tile/0/000": b"\x00\xff", "audit/tile/0/x001/000": b""}) == ()
    other = new_store()
    assert other.read("audit/tile/0/000") == b"\x00\xff"
    assert other.read("audit/tile/0/x001/000") == b""


def test_what_does_not_exist_reads_as_none(store):
    store.create({"audit/tile/0/000": b"x"})
    assert store.read("audit/tile") is None
    assert store.read("audit/tile/0") is None
    assert store.read("audit/tile/0/000/more") is None
    assert store.read("nowhere") is None


def test_creating_again_keeps_the_first_content_and_says_so(store):
    store.create({"a/one": b"first"})
    assert store.create({"a/one": b"second", "a/two": b"new"}) == ("a/one",)
    assert (store.read("a/one"), store.read("a/two")) == (b"first", b"new")


def test_of_writers_at_the_same_time_exactly_one_creates(new_store):
    stores = [new_store() for _ in range(4)]
    start, existing = threading.Barrier(len(stores)), []

    def write(number: int) -> None:
        start.wait()
        existing.append((number, stores[number].create({"a/one": b"%d" % number})))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number, names in existing if names == ()]
    assert stores[0].read("a/one") == b"%d" % winner


def test_replacing_shows_the_new_content_whatever_was_there(store, new_store):
    for content in (b"first", b"", b"third"):
        store.replace("audit/checkpoint", content)
        assert new_store().read("audit/checkpoint") == content


def test_a_swap_writes_only_over_what_it_expects(store, new_store):
    assert not store.swap("audit/checkpoint", b"other", b"1")
    assert store.swap("audit/checkpoint", None, b"1")
    assert not store.swap("audit/checkpoint", None, b"2")
    assert not store.swap("audit/checkpoint", b"0", b"2")
    assert store.read("audit/checkpoint") == b"1"
    assert new_store().swap("audit/checkpoint", b"1", b"2")
    assert store.read("audit/checkpoint") == b"2"


@pytest.mark.parametrize("old", [None, b"old"])
def test_of_swaps_at_the_same_time_exactly_one_succeeds(new_store, old):
    stores = [new_store() for _ in range(4)]
    if old is not None:
        stores[0].replace("a/one", old)
    start, won = threading.Barrier(len(stores)), []

    def write(number: int) -> None:
        start.wait()
        if stores[number].swap("a/one", old, b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = won
    assert stores[0].read("a/one") == b"%d" % winner


def test_what_was_removed_is_gone_and_the_rest_is_not(store):
    store.create({"a/one": b"1", "a/two": b"2"})
    store.remove(["a/one", "a/never", "b/c/never"])
    store.remove([])
    assert (store.read("a/one"), store.read("a/two")) == (None, b"2")
    assert store.create({"a/one": b"again"}) == ()


def test_names_lists_what_is_below_a_prefix_and_nothing_else(store):
    names = {f"audit/tile/0/{number:03d}" for number in range(5)} | {"audit/checkpoint"}
    store.create(dict.fromkeys(names, b"x") | {"auditors/one": b"x"})
    assert set(store.names("audit/")) == names
    assert list(store.names("nothing/")) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../outside",
        "a/../../outside",
        "a/./b",
        "a//b",
        "a/",
        ".hidden",
        "a/.new-0",
        "a\\b",
        "a\0b",
        "a b",
        "é",
        "%2e%2e/a",
        "a/" * 300 + "b",
        "x" * 200,
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused_by_every_method(store, name):
    for call in (
        lambda: store.create({name: b"x"}),
        lambda: store.replace(name, b"x"),
        lambda: store.swap(name, None, b"x"),
        lambda: store.remove([name]),
        lambda: store.read(name),
        lambda: list(store.names(name)) if name != "a/" else store.read(name),
    ):
        with pytest.raises(InvalidRequest):
            call()


def test_an_object_that_is_too_large_is_refused_before_anything_is_written(store):
    class Large(bytes):
        def __len__(self) -> int:
            return OBJECT_BYTES_MAX + 1

    with pytest.raises(InvalidRequest):
        store.create({"a/small": b"x", "a/large": Large()})
    with pytest.raises(InvalidRequest):
        store.replace("a/large", Large())
    assert store.read("a/small") is None


def test_closing_twice_is_harmless(store):
    store.close()
    store.close()


# The folder


def test_a_folder_leaves_no_temporary_file_and_shows_none(tmp_path):
    store = FolderObjects(tmp_path)
    store.create({"a/one": b"1"})
    store.create({"a/one": b"2"})
    store.replace("a/one", b"3")
    (tmp_path / "a" / ".new-left-by-a-crash").write_bytes(b"half")
    assert list(store.names("a/")) == ["a/one"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        ".new-left-by-a-crash",
        "one",
    ]


def test_a_folder_refuses_a_link_that_leads_out_of_it(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store = FolderObjects(tmp_path / "objects")
    (tmp_path / "objects" / "link").symlink_to(outside)
    (tmp_path / "objects" / "file").symlink_to(outside / "secret")
    for call in (
        lambda: store.read("link/secret"),
        lambda: store.create({"link/new": b"x"}),
        lambda: store.replace("file", b"x"),
        lambda: store.read("file"),
    ):
        with pytest.raises(InvalidRequest):
            call()
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_folder_syncs_every_file_before_its_name_and_every_new_folder(tmp_path, monkeypatch):
    synced: list[str] = []
    real_sync = os.fsync

    def sync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_sync(descriptor)

    store = FolderObjects(tmp_path)
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr("adapters.objects.folder._sync_all.__defaults__", (sync,))
    store.create({"a/b/one": b"1"})
    files = [path for path in synced if "/.new-" in path]
    assert len(files) == 1
    assert {str(tmp_path), f"{tmp_path}/a", f"{tmp_path}/a/b"} <= set(synced)
    assert synced.index(files[0]) < synced.index(f"{tmp_path}/a/b")


def test_a_folder_that_cannot_be_written_is_unavailable_not_a_crash(tmp_path, monkeypatch):
    store = FolderObjects(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ObjectStoreUnavailable, match="No space left"):
        store.create({"a/one": b"1"})
    with pytest.raises(ObjectStoreUnavailable):
        store.replace("a/one", b"1")
    assert list((tmp_path / "a").iterdir()) == []
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(ObjectStoreUnavailable):
        FolderObjects(tmp_path / "plain")


def test_a_folders_files_are_readable_by_their_owner_alone(tmp_path):
    FolderObjects(tmp_path / "objects").create({"a/one": b"1"})
    assert (tmp_path / "objects" / "a" / "one").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "objects" / "a").stat().st_mode & 0o777 == 0o700


# S3


def test_s3_puts_names_under_the_prefix_with_a_checksum_and_a_condition(s3, bucket):
    sent: list[dict[str, str]] = []
    store = S3Objects(bucket, "firm/a")
    store._client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(dict(request.headers))
    )
    store.create({"audit/one": b"1"})
    store.replace("audit/checkpoint", b"2")
    created, replaced = ({name.lower(): header[name] for name in header} for header in sent)
    for headers, content in ((created, b"1"), (replaced, b"2")):
        digest = base64.b64encode(hashlib.sha256(content).digest())
        assert headers["x-amz-checksum-sha256"] in {digest, digest.decode()}
    assert created["if-none-match"] in {"*", b"*"}
    assert "if-none-match" not in replaced
    assert s3.get_object(Bucket=bucket, Key="firm/a/audit/one")["Body"].read() == b"1"
    assert list(store.names("audit/")) == ["audit/checkpoint", "audit/one"]
    store.close()


def test_s3_locks_what_is_created_when_asked_to(bucket):
    sent: list[dict[str, Any]] = []
    store = open_objects(f"s3://{bucket}/firm?lock_days=30", "/nowhere")
    store._client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sent.append(dict(request.headers))
    )
    store.create({"audit/one": b"1"})
    store.replace("audit/checkpoint", b"1")
    created, replaced = sent
    assert created["x-amz-object-lock-mode"] in {"COMPLIANCE", b"COMPLIANCE"}
    assert "x-amz-object-lock-retain-until-date" in created
    assert "x-amz-object-lock-mode" not in replaced, "a checkpoint is followed by the next one"
    store.close()


def test_s3_lists_more_than_one_page(s3, bucket):
    store = S3Objects(bucket)
    names = {f"audit/{number:04d}" for number in range(1_010)}
    store.create(dict.fromkeys(names, b"x"))
    assert set(store.names("audit/")) == names
    store.close()


def test_a_bucket_that_does_not_exist_is_a_wrong_setting(s3, bucket):
    store = S3Objects("no-such-bucket-anywhere")
    for call in (
        lambda: store.create({"a": b"x"}),
        lambda: store.replace("a", b"x"),
        lambda: list(store.names("a/")),
    ):
        with pytest.raises(Misconfigured):
            call()
    store.close()


def test_s3_that_is_gone_is_unavailable(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("adapters.objects.s3._ATTEMPTS_MAX", 1)
    store = S3Objects(bucket)
    for call in (
        lambda: store.create({"a": b"x"}),
        lambda: store.replace("a", b"x"),
        lambda: store.read("a"),
    ):
        with pytest.raises(ObjectStoreUnavailable):
            call()
    store.close()


# URLs


def test_an_empty_url_is_the_folder_objects_in_the_home(tmp_path):
    open_objects("", str(tmp_path)).create({"a/one": b"1"})
    assert (tmp_path / "objects" / "a" / "one").read_bytes() == b"1"


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "http://bucket/prefix",
        "file:///objects",
        "/objects",
        "s3://key:secret@bucket/prefix",
        "s3://bucket/../other",
        "s3://bucket/prefix?lock_days=-1",
        "s3://bucket/prefix?lock_days=soon",
        "s3://bucket/prefix?lock_days=99999",
        "s3://bucket/prefix?region=eu",
        "s3://bucket/prefix#part",
    ],
)
def test_a_url_of_another_kind_is_refused_without_repeating_it(url, tmp_path):
    with pytest.raises(Misconfigured) as refused:
        open_objects(url, str(tmp_path))
    assert "secret" not in str(refused.value)
