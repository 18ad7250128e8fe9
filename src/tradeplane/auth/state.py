"""The whole state of identity, as the one writer keeps it; it changes by events alone.

**Invariant:** dictionaries keep the order of events, through snapshots too, so what is forgotten
first does not depend on how the state was rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeVar, get_args

import msgspec

from tradeplane.auth.directory import Directory
from tradeplane.auth.events import ClientDeleted, DirectoryEvent, SessionEnded, SigningKeyMoved
from tradeplane.auth.private_events import (
    AttemptFailed,
    ClientTokenIssued,
    CodeIssued,
    CodeRedeemed,
    ExternalLinked,
    ExternalUnlinked,
    IdentityEvent,
    MfaCodeUsed,
    MfaDisabled,
    MfaEnabled,
    MfaEnrollmentStarted,
    OnceClaimed,
    PasswordSet,
    RecoveryCodeUsed,
    RefreshRotated,
    SessionOpened,
    SigningKeyStored,
    UserIntroduced,
)
from tradeplane.auth.records import (
    ANCESTORS_KEPT,
    Attempts,
    Code,
    Enrollment,
    Mfa,
    Profile,
    Session,
)
from tradeplane.clock import NS_PER_S

T = TypeVar("T")
_DIRECTORY_EVENTS = get_args(DirectoryEvent)
_STRANGERS_KEPT = 10_000
_FORGOTTEN_AT_ONCE = 16
_CODE_KEPT_NS = 10 * 60 * NS_PER_S


class IdentityState(msgspec.Struct):
    """Everything.

    Attributes:
        directory: what replicas mirror.
        profiles: what is private of a user, by id.
        usernames: ids by the name in small letters.
        strangers: failed attempts of names that nobody has, by the name's hash.
        sessions: the open ones.
        user_sessions: their ids, by user, the least recently used first.
        codes: authorization codes by their hash.
        externals: user ids by issuer and subject.
        once: keys that were used up, with the end of their time.
        signing_seeds: private signing keys in hex.
    """

    directory: Directory = msgspec.field(default_factory=Directory)
    profiles: dict[str, Profile] = {}
    usernames: dict[str, str] = {}
    strangers: dict[str, Attempts] = {}
    sessions: dict[str, Session] = {}
    user_sessions: dict[str, tuple[str, ...]] = {}
    codes: dict[str, Code] = {}
    externals: dict[tuple[str, str], str] = {}
    once: dict[str, int] = {}
    signing_seeds: dict[str, str] = {}

    def evolve(self, event: IdentityEvent) -> None:  # noqa: C901  # one case a topic
        """Change by *event*."""
        if isinstance(event, _DIRECTORY_EVENTS):
            self.directory.evolve(event)
        match event:
            case SessionOpened() | RefreshRotated() | SessionEnded():
                self._sessions(event)
            case CodeIssued() | CodeRedeemed() | OnceClaimed() | ClientTokenIssued():
                self._grants(event)
            case SigningKeyStored():
                self.signing_seeds[event.kid] = event.seed
            case SigningKeyMoved() if event.state == "retired":
                self.signing_seeds.pop(event.kid, None)
            case ClientDeleted():
                for digest in [
                    key for key, code in self.codes.items() if code.client_id == event.client_id
                ]:
                    del self.codes[digest]
            case AttemptFailed() | PasswordSet() | UserIntroduced():
                self._passwords(event)
            case (
                MfaEnrollmentStarted()
                | MfaEnabled()
                | MfaCodeUsed()
                | RecoveryCodeUsed()
                | MfaDisabled()
            ):
                self._factors(event)
            case ExternalLinked() | ExternalUnlinked():
                self._externals(event)
            case _:
                pass

    def _sessions(self, event: SessionOpened | RefreshRotated | SessionEnded) -> None:
        match event:
            case SessionOpened():
                self._forget_expired(event.at_ns)
                self.sessions[event.session_id] = Session(
                    event.user_id,
                    event.tenant_id,
                    event.client_id,
                    event.scope,
                    event.method,
                    event.at_ns,
                    event.at_ns,
                    event.idle_expires_ns,
                    event.expires_ns,
                    0,
                    event.secret_sha256,
                )
                own = self.user_sessions.get(event.user_id, ())
                self.user_sessions[event.user_id] = (*own, event.session_id)
                if event.method.startswith("password"):
                    self._change(event.user_id, passwords=Attempts())
            case RefreshRotated():
                self._rotate(event)
            case SessionEnded():
                self._drop(event.session_id, event.user_id)

    def _rotate(self, event: RefreshRotated) -> None:
        session = self.sessions[event.session_id]
        ancestors = session.ancestors
        if session.previous_sha256:
            ancestors = (*ancestors, session.previous_sha256[:32])[-ANCESTORS_KEPT:]
        self.sessions[event.session_id] = msgspec.structs.replace(
            session,
            used_ns=event.at_ns,
            idle_expires_ns=event.idle_expires_ns,
            generation=event.generation,
            current_sha256=event.secret_sha256,
            previous_sha256=session.current_sha256,
            ancestors=ancestors,
        )
        own = self.user_sessions[session.user_id]
        others = tuple(name for name in own if name != event.session_id)
        self.user_sessions[session.user_id] = (*others, event.session_id)

    def _forget_expired(self, now_ns: int) -> None:
        """Forget sessions whose time is over, which are at the front; nobody need hear of it."""
        for session_id, session in list(islice(self.sessions.items(), _FORGOTTEN_AT_ONCE)):
            if session.expires_ns > now_ns:
                return
            self._drop(session_id, session.user_id)

    def _drop(self, session_id: str, user_id: str) -> None:
        self.sessions.pop(session_id, None)
        left = tuple(name for name in self.user_sessions.get(user_id, ()) if name != session_id)
        if left:
            self.user_sessions[user_id] = left
        else:
            self.user_sessions.pop(user_id, None)

    def _grants(self, event: CodeIssued | CodeRedeemed | OnceClaimed | ClientTokenIssued) -> None:
        match event:
            case CodeIssued():
                # A used one is remembered for longer: used again, it ends what it has opened.
                _forget(self.codes, lambda code: code.expires_ns + _CODE_KEPT_NS < event.at_ns)
                self.codes[event.code_sha256] = Code(
                    event.client_id,
                    event.redirect_uri,
                    event.user_id,
                    event.tenant_id,
                    event.scope,
                    event.code_challenge,
                    event.expires_ns,
                )
            case CodeRedeemed():
                code = self.codes[event.code_sha256]
                self.codes[event.code_sha256] = msgspec.structs.replace(
                    code, session_id=event.session_id
                )
            case OnceClaimed():
                _forget(self.once, lambda expires_ns: expires_ns < event.at_ns)
                self.once[event.key_sha256] = event.expires_ns
            case ClientTokenIssued():
                pass

    def _passwords(self, event: AttemptFailed | PasswordSet | UserIntroduced) -> None:
        match event:
            case AttemptFailed():
                attempts = Attempts(event.failures, event.at_ns, event.until_ns)
                if not event.user_id:
                    self.strangers.pop(event.name_sha256, None)
                    self.strangers[event.name_sha256] = attempts
                    if len(self.strangers) > _STRANGERS_KEPT:
                        del self.strangers[next(iter(self.strangers))]
                elif event.factor == "code":
                    self._change(event.user_id, codes=attempts)
                else:
                    self._change(event.user_id, passwords=attempts)
            case UserIntroduced():
                self.profiles[event.user_id] = Profile(
                    event.username,
                    event.email,
                    event.password_phc,
                    event.temporary,
                    1,
                    event.at_ns,
                )
                self.usernames[event.username.lower()] = event.user_id
            case PasswordSet():
                profile = self.profiles[event.user_id]
                self._change(
                    event.user_id,
                    password_phc=event.password_phc,
                    temporary=event.temporary,
                    generation=profile.generation + 1,
                )
                if event.how != "rehashed":
                    self._change(event.user_id, passwords=Attempts())

    def _factors(
        self,
        event: MfaEnrollmentStarted | MfaEnabled | MfaCodeUsed | RecoveryCodeUsed | MfaDisabled,
    ) -> None:
        profile = self.profiles[event.user_id]
        match event:
            case MfaEnrollmentStarted():
                enrollment = Enrollment(event.secret, event.expires_ns)
                self._change(event.user_id, enrollment=enrollment)
            case MfaEnabled():
                assert profile.enrollment is not None, "a factor is enrolled before it is enabled"
                mfa = Mfa(profile.enrollment.secret, event.step, event.recovery_sha256)
                self._change(event.user_id, mfa=mfa, enrollment=None, codes=Attempts())
            case MfaCodeUsed():
                assert profile.mfa is not None, "a code belongs to a factor"
                mfa = msgspec.structs.replace(profile.mfa, step=event.step)
                self._change(event.user_id, mfa=mfa, codes=Attempts())
            case RecoveryCodeUsed():
                assert profile.mfa is not None, "a code belongs to a factor"
                left = tuple(
                    digest for digest in profile.mfa.recovery_sha256 if digest != event.code_sha256
                )
                mfa = msgspec.structs.replace(profile.mfa, recovery_sha256=left)
                self._change(event.user_id, mfa=mfa, codes=Attempts())
            case MfaDisabled():
                self._change(event.user_id, mfa=None, enrollment=None, codes=Attempts())

    def _externals(self, event: ExternalLinked | ExternalUnlinked) -> None:
        known = self.profiles[event.user_id].externals
        if isinstance(event, ExternalLinked):
            identity = (event.issuer, event.subject)
            self.externals[identity] = event.user_id
            self._change(event.user_id, externals=(*known, identity))
            return
        for identity in known:
            if identity[0] == event.issuer:
                self.externals.pop(identity, None)
        left = tuple(identity for identity in known if identity[0] != event.issuer)
        self._change(event.user_id, externals=left)

    def _change(self, user_id: str, **changes: object) -> None:
        self.profiles[user_id] = msgspec.structs.replace(self.profiles[user_id], **changes)


def _forget(table: dict[str, T], over: Callable[[T], bool]) -> None:
    """Forget what is at the front of *table* and over."""
    while table:
        oldest = next(iter(table))
        if not over(table[oldest]):
            return
        del table[oldest]
