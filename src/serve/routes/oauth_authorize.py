"""``/oauth/authorize``: a person logs in and lets a client act in the person's name.

The page belongs to one browser: what it was made for is sealed into the form, together with the
value of a cookie, so no other site can send the form. Nothing but a person's password, sent with
the form, gives anything away; there is no session of the browser that could be ridden.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress

import msgspec

from serve.authorization_request import Target, code_wanted, target_of
from serve.authorize_page import ConsentAsked, consent_page, refusal_page
from serve.cookies import cookie_name, read_cookie, set_cookie
from serve.exchange import Exchange, Reply
from serve.form_body import form_body, parse_form
from serve.oauth_error import oauth_code, plain_words
from serve.operation import Answer, Operation, text_parameter
from serve.origins import Origins
from serve.sealed_forms import LIFE_S, SealedForms, same_secret
from serve.wire.oauth_body import ConsentForm
from tradeplane.auth.principal import Origin
from tradeplane.auth.service import IdentityService
from tradeplane.auth.wanted import CodeWanted
from tradeplane.errors import (
    InvalidRequest,
    MfaRequired,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestRefused,
    ServiceFailed,
    TooManyAttempts,
)

_TAG = "oauth"
_PURPOSE = "authorize"
_PATH = "/oauth/authorize"
_COOKIE = "tradeplane-authorize"
_COOKIE_VALUE = re.compile("[0-9a-f]{64}")
_PARAMETERS = {
    "response_type": "Always `code`.",
    "client_id": "Who asks.",
    "redirect_uri": "Where the answer goes; one of the client's, letter by letter.",
    "code_challenge": "SHA-256 of the verifier, in base64url (RFC 7636).",
    "code_challenge_method": "Always `S256`.",
}


class Asked(msgspec.Struct, frozen=True):
    """What a page was made for.

    Attributes:
        browser: the value of the cookie.
    """

    target: Target
    wanted: CodeWanted
    browser: str


class OAuthAuthorizeRoutes:
    """The two requests of a browser: for the page, and with the form.

    Args:
        identity: checks passwords and issues codes.
        forms: seals what a page was made for.
        random: makes random bytes.
    """

    def __init__(
        self,
        identity: IdentityService,
        forms: SealedForms,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._identity = identity
        self._forms = forms
        self._random = random
        self._origins = Origins(identity)
        self._issuer = identity.issuer
        self._secure = self._issuer.startswith("https:")
        self._cookie = cookie_name(_COOKIE, secure=self._secure)

    async def page(self, exchange: Exchange) -> Reply:
        """Show the page, or send the client's mistake back to it once it is known whose it is."""
        try:
            fields = parse_form(exchange.scope["query_string"])
            target, client = target_of(fields, self._identity)
        except InvalidRequest as error:
            return refusal_page(error.message)
        try:
            wanted = code_wanted(fields, client, target.redirect_uri)
        except InvalidRequest as error:
            return self._refuse(target, oauth_code(error), error.message)
        browser = read_cookie(exchange, self._cookie)
        if _COOKIE_VALUE.fullmatch(browser) is None:
            browser = self._random(32).hex()
        asked = Asked(target, wanted, browser)
        reply = await self._consent(asked)
        reply.headers += (
            set_cookie(self._cookie, browser, LIFE_S, same_site="Strict", secure=self._secure),
        )
        return reply

    async def answer(self, exchange: Exchange) -> Reply:
        """Take the form: log in, issue a code, and go back to the client."""
        try:
            form = await form_body(exchange)
            asked = await self._asked(exchange, form.get("request", ""))
        except InvalidRequest as error:
            return refusal_page(error.message)
        if form.get("decision") == "allow":
            return await self._allowed(asked, form, self._origins.of(exchange))
        return self._refuse(asked.target, "access_denied", "the user has denied it")

    async def _allowed(self, asked: Asked, form: dict[str, str], origin: Origin) -> Reply:
        try:
            code = await self._code(asked, form, origin)
        except (NotAuthenticated, NotAllowed, TooManyAttempts) as error:
            return await self._consent(asked, _problem(error))
        except NotFound:
            return self._refuse(asked.target, "access_denied", "the user may not use this client")
        except RequestRefused as error:
            return self._refuse(asked.target, oauth_code(error), error.message)
        return self._redirect(asked.target, code=code)

    async def _asked(self, exchange: Exchange, sealed: str) -> Asked:
        """Return what the form belongs to.

        Raises:
            InvalidRequest: another site sent it, another browser got the page, or it is too old.
        """
        if exchange.headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
            raise InvalidRequest("this form comes from another site")
        asked = await self._forms.open(_PURPOSE, sealed, Asked)
        browser = read_cookie(exchange, self._cookie)
        if not browser or not same_secret(browser, asked.browser):
            raise InvalidRequest("this page is out of date; start again")
        return asked

    async def _code(self, asked: Asked, form: dict[str, str], origin: Origin) -> str:
        """Return a code for the user whose password the form has; no session stays open."""
        username, password = form.get("username", ""), form.get("password", "")
        if not username or not password:
            raise NotAuthenticated("unauthorized.")
        tokens = await self._identity.login(username, password, form.get("otp"), origin)
        principal = self._identity.authenticate_token(tokens.access_token)
        by = msgspec.structs.replace(
            origin, subject_id=principal.user_id, tenant_id=principal.tenant_id
        )
        try:
            return await self._identity.issue_code(principal, asked.wanted, by)
        finally:
            # When it cannot be ended now it ends by itself; nobody has its tokens.
            with suppress(ServiceFailed):
                await self._identity.logout(principal, by)

    async def _consent(self, asked: Asked, problem: str = "") -> Reply:
        client = self._identity.client(asked.target.client_id)
        if client is None:
            return refusal_page("client_id names no client of this installation")
        sealed = await self._forms.seal(_PURPOSE, asked)
        consent = ConsentAsked(
            client.name, tuple(asked.wanted.scope.split()), asked.target.redirect_uri, sealed
        )
        return consent_page(consent, problem, 400 if problem else 200)

    def _refuse(self, target: Target, error: str, description: str) -> Reply:
        return self._redirect(target, error=error, error_description=plain_words(description))

    def _redirect(self, target: Target, **answer: str) -> Reply:
        # 303, so that no browser sends the password on (RFC 9700, section 4.12).
        return Reply(303, headers=((b"location", target.location(self._issuer, **answer)),))

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        answers = (
            Answer(200, "The page.", str, "text/html"),
            Answer(303, "Back to the client, with a code or an error."),
            Answer(400, "A page that says what was wrong.", str, "text/html"),
        )
        optional = (
            text_parameter("scope", "What it asks for; by default all that it may have."),
            text_parameter("state", "Comes back as it is."),
        )
        return (
            Operation(
                "GET",
                _PATH,
                self.page,
                "oauthAuthorizePage",
                "Show a person what a client asks for",
                _TAG,
                answers,
                parameters=(
                    *(text_parameter(*row, required=True) for row in _PARAMETERS.items()),
                    *optional,
                ),
                public=True,
            ),
            Operation(
                "POST",
                _PATH,
                self.answer,
                "oauthAuthorize",
                "Take what the person says",
                _TAG,
                answers,
                errors=(413,),
                body=ConsentForm,
                body_media_type="application/x-www-form-urlencoded",
                public=True,
                budget="login",
            ),
        )


def _problem(error: RequestRefused) -> str:
    """Return what the page says of *error*: who may try again, and how."""
    match error:
        case MfaRequired():
            return "Enter your password again, and a one-time or recovery code as well."
        case TooManyAttempts():
            return f"Too many attempts. Wait {error.details.get('retry_after_s', 'a few')} seconds."
        case NotAllowed():
            return "Your password is temporary. Choose one of your own first, then come back."
        case _:
            return "Wrong username, password or code."
