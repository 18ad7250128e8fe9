"""``/auth/oidc``: log in with an identity of an external OpenID provider."""

from __future__ import annotations

from collections import Counter
from urllib.parse import parse_qsl

from serve.cookies import cookie_name, read_cookie, set_cookie
from serve.error_table import error_reply
from serve.exchange import Exchange, Reply
from serve.operation import Answer, Operation, text_parameter
from serve.origins import Origins
from serve.wire.decimals import encode
from serve.wire.identity_body import TokensBody, tokens_body
from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.external_login import ExternalLogins, ProviderAnswer
from tradeplane.auth.principal import Origin
from tradeplane.auth.service import IdentityService
from tradeplane.clock import Clock
from tradeplane.errors import NotAuthenticated
from tradeplane.ports import AuditSink

_TAG = "identity"
_COOKIE = "tradeplane-login"
_FINISH = "finishExternalLogin"
_PARAMETERS = {
    "state": "Which login it is.",
    "code": "What the identity is given for.",
    "error": "Why there is none.",
    "iss": "Who answers (RFC 9207).",
}


class OidcRoutes:
    """The two requests of a browser: before it goes to the provider, and after.

    Args:
        logins: the provider.
        identity: opens the session.
        clock: wall time.
        audit_sink: is told about refused logins; the one that succeeds is in the journal.
    """

    def __init__(
        self,
        logins: ExternalLogins,
        identity: IdentityService,
        clock: Clock,
        audit_sink: AuditSink | None = None,
    ) -> None:
        self._logins = logins
        self._clock = clock
        self._audit_sink = audit_sink
        self._identity = identity
        self._origins = Origins(identity)
        self._cookie = cookie_name(_COOKIE, secure=logins.secure)

    async def start(self, exchange: Exchange) -> Reply:
        """Send the browser to the provider; a login that it had begun before cannot be finished."""
        del exchange
        begun = await self._logins.begin()
        cookie = self._set_cookie(begun.browser_secret, begun.life_s)
        return Reply(302, headers=((b"location", begun.url.encode()), cookie))

    async def callback(self, exchange: Exchange) -> Reply:
        """Open a session for who comes back from the provider."""
        origin = self._origins.of(exchange)
        try:
            answer = _provider_answer(exchange.scope["query_string"])
            identity = await self._logins.finish(answer, read_cookie(exchange, self._cookie))
            tokens = await self._identity.login_external(identity.issuer, identity.subject, origin)
        except NotAuthenticated as error:
            self._record(origin)
            return _refusal(error)
        cookie = self._set_cookie("", 0)
        return Reply(200, encode(tokens_body(tokens)), headers=(cookie,))

    def _record(self, origin: Origin) -> None:
        if self._audit_sink is None:
            return
        self._audit_sink.observe(
            AuditEntry(
                action="auth.failed",
                outcome="failure",
                at_ns=self._clock.wall_ns(),
                by=origin,
                tenant_id=origin.tenant_id,
                target_kind="operation",
                target_id=_FINISH,
                details={"method": "external"},
            )
        )

    def _set_cookie(self, value: str, life_s: int) -> tuple[bytes, bytes]:
        # Lax, because the browser comes back by a link of the provider's, which is another site.
        secure = self._logins.secure
        return set_cookie(self._cookie, value, life_s, same_site="Lax", secure=secure)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (
            Operation(
                "GET",
                "/auth/oidc/start",
                self.start,
                "startExternalLogin",
                "Go to the OpenID provider to log in there",
                _TAG,
                (Answer(302, "To the provider, with a cookie that binds the browser."),),
                public=True,
                budget="login",
            ),
            Operation(
                "GET",
                "/auth/oidc/callback",
                self.callback,
                _FINISH,
                "Come back from the OpenID provider",
                _TAG,
                (Answer(200, "The tokens, as of a login with a password.", TokensBody),),
                errors=(401,),
                parameters=tuple(text_parameter(*row) for row in _PARAMETERS.items()),
                public=True,
                budget="login",
            ),
        )


def _provider_answer(query_string: bytes) -> ProviderAnswer:
    """Return what the query says; what others may add to it is ignored.

    Raises:
        NotAuthenticated: a parameter is there twice (RFC 6749, section 3.1).
    """
    pairs = parse_qsl(query_string.decode("latin-1"))
    counts = Counter(name for name, _ in pairs)
    if any(counts[name] > 1 for name in _PARAMETERS):
        raise NotAuthenticated("the OpenID provider's answer is malformed")
    found = dict(pairs)
    return ProviderAnswer(
        state=found.get("state", ""),
        code=found.get("code", ""),
        error=found.get("error", ""),
        issuer=found.get("iss", ""),
    )


def _refusal(error: NotAuthenticated) -> Reply:
    """Return a refusal that does not make the browser ask for a name and a password."""
    reply = error_reply(error)
    others = [header for header in reply.headers if header[0] != b"www-authenticate"]
    reply.headers = (*others, (b"www-authenticate", b'Bearer realm="tradeplane"'))
    return reply
