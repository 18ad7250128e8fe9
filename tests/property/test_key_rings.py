"""Key rings against a model that is too simple to be wrong: a list of versions and four numbers."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeplane.auth.principal import Origin
from tradeplane.clock import NS_PER_MS
from tradeplane.encryption import commands as do
from tradeplane.encryption.events import EncryptionEvent, Material
from tradeplane.encryption.key_rings import EncryptionLimits, KeyRings
from tradeplane.errors import InvalidRequest, LimitReached, NotFound, RequestRefused

BY = Origin("user", "u1", "firm", reason="a test")
LIMITS = EncryptionLimits(rings_max=3, versions_max=4, distribution_ns=100 * NS_PER_MS)
TENANTS = ("firm", "other")
NAMES = ("a", "b", "c", "d")


class NaiveRing:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.added = [0]
        self.available = {1}
        self.active = 1
        self.opens = 1
        self.encrypts = 0
        self.deletable = False
        self.exportable = False


class NaiveRings:
    """Says what a command must do, by the words of the documentation."""

    def __init__(self) -> None:
        self.rings: dict[tuple[str, str], NaiveRing] = {}

    def allows(self, command: do.EncryptionCommand, now: int) -> bool:  # noqa: PLR0911
        if isinstance(command, do.ActivateDue):
            return True
        place = (command.tenant_id, command.name)
        ring = self.rings.get(place)
        if isinstance(command, do.CreateRing):
            if ring is not None:
                return ring.kind == command.key_kind
            return sum(tenant == command.tenant_id for tenant, _ in self.rings) < LIMITS.rings_max
        if ring is None:
            return False
        if isinstance(command, do.AddVersion):
            return len(ring.available) < LIMITS.versions_max
        if isinstance(command, do.DeleteRing):
            return ring.deletable
        if isinstance(command, do.TrimRing):
            lowest = command.min_available_version
            return ring.encrypts > 0 and min(ring.available) <= lowest <= min(
                ring.opens, ring.encrypts
            )
        opens, encrypts = self.wanted(ring, command)
        if command.exportable is False and ring.exportable:
            return False
        if not min(ring.available) <= opens <= ring.active:
            return False
        return encrypts == 0 or opens <= encrypts <= ring.active

    def wanted(self, ring: NaiveRing, command: do.ConfigureRing) -> tuple[int, int]:
        opens, encrypts = command.min_decryption_version, command.min_encryption_version
        return (
            ring.opens if opens is None else max(opens, 1),
            ring.encrypts if encrypts is None else encrypts,
        )

    def do(self, command: do.EncryptionCommand, now: int) -> None:  # noqa: C901  # one case a command
        if isinstance(command, do.ActivateDue):
            for ring in self.rings.values():
                for version, added in enumerate(ring.added, 1):
                    if version > ring.active and now - added >= LIMITS.distribution_ns:
                        ring.active = version
            return
        place = (command.tenant_id, command.name)
        if isinstance(command, do.CreateRing):
            if place not in self.rings:
                self.rings[place] = NaiveRing(command.key_kind)
                self.rings[place].exportable = command.exportable
            return
        ring = self.rings[place]
        if isinstance(command, do.AddVersion):
            ring.added.append(now)
            ring.available.add(len(ring.added))
        elif isinstance(command, do.DeleteRing):
            del self.rings[place]
        elif isinstance(command, do.TrimRing):
            ring.available = {
                version for version in ring.available if version >= command.min_available_version
            }
        else:
            ring.opens, ring.encrypts = self.wanted(ring, command)
            if command.deletion_allowed is not None:
                ring.deletable = command.deletion_allowed
            ring.exportable = ring.exportable or bool(command.exportable)


def material(number: int) -> Material:
    return Material(f"m{number}", b"wrapped %d" % number)


places = {"tenant_id": st.sampled_from(TENANTS), "name": st.sampled_from(NAMES), "by": st.just(BY)}
materials = st.builds(material, st.integers(0, 1_000))
version = st.none() | st.integers(0, 6)
flag = st.none() | st.booleans()
commands = st.one_of(
    st.builds(
        do.CreateRing,
        **places,
        key_kind=st.sampled_from(("aes256-gcm96", "ed25519")),
        material=materials,
        exportable=st.booleans(),
    ),
    st.builds(do.AddVersion, **places, material=materials),
    st.builds(do.AddVersion, **places, material=materials),
    st.just(do.ActivateDue()),
    st.builds(
        do.ConfigureRing,
        **places,
        min_decryption_version=version,
        min_encryption_version=version,
        deletion_allowed=flag,
        exportable=flag,
    ),
    st.builds(do.TrimRing, **places, min_available_version=st.integers(0, 6)),
    st.builds(do.DeleteRing, **places),
)
steps = st.lists(st.tuples(commands, st.integers(0, 150 * NS_PER_MS)), min_size=1, max_size=60)


def check_same(rings: KeyRings, model: NaiveRings) -> None:
    found = {
        (tenant, name): ring
        for tenant, rings_of in rings.rings.tenants.items()
        for name, ring in rings_of.items()
    }
    assert found.keys() == model.rings.keys()
    for place, ring in found.items():
        naive = model.rings[place]
        assert set(ring.versions) == naive.available
        assert (ring.active, ring.newest) == (naive.active, len(naive.added))
        assert ring.min_available_version == min(naive.available)
        assert (ring.min_decryption_version, ring.min_encryption_version) == (
            naive.opens,
            naive.encrypts,
        )
        assert (ring.deletion_allowed, ring.exportable) == (naive.deletable, naive.exportable)
        assert (
            ring.min_available_version <= ring.min_decryption_version <= ring.active <= ring.newest
        )
        assert ring.to_use(0) in ring.versions
        assert (place in rings.rings.pending) == (ring.newest > ring.active)


@given(steps)
def test_every_command_does_what_the_naive_model_says_and_replay_gives_the_same_bytes(steps):
    rings, model, now = KeyRings(LIMITS), NaiveRings(), 0
    journal: list[EncryptionEvent] = []
    for command, passed in steps:
        now += passed
        before = rings.to_bytes()
        if model.allows(command, now):
            journal += rings.apply(command, now).events
            model.do(command, now)
        else:
            with pytest.raises(RequestRefused):
                rings.apply(command, now)
            assert rings.to_bytes() == before, "a refusal changes nothing"
        check_same(rings, model)

    encoded = msgspec.json.encode(journal)
    replayed, restored = KeyRings(LIMITS), KeyRings(LIMITS)
    for event in msgspec.json.decode(encoded, type=list[EncryptionEvent]):
        replayed.evolve(event)
    restored.from_bytes(rings.to_bytes())
    assert replayed.to_bytes() == rings.to_bytes() == restored.to_bytes()


def created(**changes: object) -> KeyRings:
    rings = KeyRings(LIMITS)
    rings.apply(
        do.CreateRing(
            by=BY, tenant_id="firm", name="a", key_kind="aes256-gcm96", material=material(1)
        ),
        0,
    )
    if changes:
        rings.apply(do.ConfigureRing(by=BY, tenant_id="firm", name="a", **changes), 0)
    return rings


def test_a_version_encrypts_only_after_the_time_in_which_replicas_hear_of_it():
    rings = created()
    added = rings.apply(do.AddVersion(by=BY, tenant_id="firm", name="a", material=material(2)), 50)
    assert added.reply.version == 2
    ring = rings.rings.ring("firm", "a")

    assert ring.opens(2)
    assert ring.to_use(0) == 1
    with pytest.raises(InvalidRequest):
        ring.to_use(2)
    rings.apply(do.ActivateDue(), 50 + LIMITS.distribution_ns - 1)
    assert ring.to_use(0) == 1

    rings.apply(do.ActivateDue(), 50 + LIMITS.distribution_ns)
    assert ring.to_use(0) == 2
    assert rings.apply(do.ActivateDue(), 10**18).events == ()


def test_what_is_below_the_minimum_neither_opens_nor_encrypts():
    rings = created()
    rings.apply(do.AddVersion(by=BY, tenant_id="firm", name="a", material=material(2)), 0)
    rings.apply(do.ActivateDue(), LIMITS.distribution_ns)
    rings.apply(do.ConfigureRing(by=BY, tenant_id="firm", name="a", min_decryption_version=2), 0)
    ring = rings.rings.ring("firm", "a")

    assert not ring.opens(1)
    assert ring.opens(2)
    with pytest.raises(InvalidRequest):
        ring.to_use(1)


@pytest.mark.parametrize("name", ["", "a/b", "../a", "-a", ".a", "a b", "a" * 129, "é"])
def test_a_name_that_is_no_path_segment_is_refused(name):
    with pytest.raises(InvalidRequest, match="name"):
        KeyRings().apply(
            do.CreateRing(
                by=BY, tenant_id="firm", name=name, key_kind="ed25519", material=material(1)
            ),
            0,
        )


@pytest.mark.parametrize("reason", ["", "x" * 501, "line\nbreak"])
def test_a_person_needs_a_reason(reason):
    by = msgspec.structs.replace(BY, reason=reason)
    with pytest.raises(InvalidRequest, match="reason"):
        created().apply(do.DeleteRing(by=by, tenant_id="firm", name="a"), 0)


def test_a_repetition_gets_the_first_answer_and_another_command_none():
    rings = created()
    command = do.AddVersion(by=BY, command_id="1", tenant_id="firm", name="a", material=material(2))
    applied = rings.apply(command, 0)

    assert rings.idempotency_key(command) == "call:1"
    assert rings.repeat(command, applied.events[0]) == applied.reply
    with pytest.raises(InvalidRequest):
        rings.repeat(msgspec.structs.replace(command, name="b"), applied.events[0])


def test_limits_and_strangers_are_refused_by_name():
    rings = created()
    with pytest.raises(NotFound):
        rings.apply(do.DeleteRing(by=BY, tenant_id="other", name="a"), 0)
    for number in range(2, LIMITS.versions_max + 1):
        rings.apply(do.AddVersion(by=BY, tenant_id="firm", name="a", material=material(number)), 0)
    with pytest.raises(LimitReached, match="trim"):
        rings.apply(do.AddVersion(by=BY, tenant_id="firm", name="a", material=material(9)), 0)


def test_no_secret_shows_in_a_repr():
    event = created().rings.ring("firm", "a").versions[1]

    assert "wrapped" not in repr(event)
