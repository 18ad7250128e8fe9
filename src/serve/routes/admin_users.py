"""``/admin/users``: the people of a firm."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.json_body import json_body
from serve.operation import Answer, Handler, Operation, Parameter, text_parameter
from serve.origins import REASON_PARAMETER, Origins
from serve.page import LIMIT_MAX, PAGE_PARAMETERS, page
from serve.query import Query, uuid_of
from serve.request_key import KEY_PARAMETER, REPLAYED, RequestKey, require_same
from serve.submissions import Submissions
from serve.tenancy import TENANT_PARAMETER, tenant_of
from serve.wire.decimals import encode
from serve.wire.identity_body import NewUserBody, PasswordBody, UserBody, UserPage, user_body
from serve.wire.identity_request import ExternalRequest, RoleRequest, UserRequest
from tradeplane.auth.answers import UserFound
from tradeplane.auth.principal import Origin
from tradeplane.auth.service import IdentityService
from tradeplane.auth.wanted import UserWanted
from tradeplane.errors import InvalidRequest, NotFound

_TAG = "administration"
_MANAGE = "tenant:manage"
_USERS = "/admin/users"
_ONE = "/admin/users/{user_id}"
USER_PARAMETER = text_parameter("user_id", "The user's UUID.", place="path")
_ON_ONE = (USER_PARAMETER, TENANT_PARAMETER, REASON_PARAMETER)


def user_id_of(exchange: Exchange) -> str:
    """Return the user that the path names.

    Raises:
        InvalidRequest: it is no UUID.
    """
    return uuid_of("user_id", exchange.params["user_id"])


class AdminUserRoutes:
    """The operations on a firm's users.

    Args:
        identity: does them.
        submissions: the writes under way.
    """

    def __init__(self, identity: IdentityService, submissions: Submissions) -> None:
        self._identity = identity
        self._submissions = submissions
        self._origins = Origins(identity)

    async def list_users(self, exchange: Exchange) -> Reply:
        """List users by their ids."""
        query = Query(exchange.query)
        tenant_id = await tenant_of(exchange, self._identity)
        after, username = query.text("after") or "", query.text("username") or ""
        # One more than the longest page, so that the page knows whether anything follows.
        users = await self._identity.users_page(tenant_id, after, LIMIT_MAX + 1, username)
        found, following = page(query, users, lambda user: user.user_id)
        return Reply(200, encode(UserPage([user_body(user) for user in found], following)))

    async def create_user(self, exchange: Exchange) -> Reply:
        """Make a login with a random password that its user must change."""
        tenant_id = await tenant_of(exchange, self._identity)
        origin = self._origins.with_reason(exchange)
        request = await json_body(exchange, UserRequest)
        request_key = RequestKey(exchange, f"user {tenant_id}")
        user_id = request_key.uuid()
        if request_key.given:
            known = await self._known(tenant_id, user_id)
            if known is not None:
                return _made_before(known, request)
        wanted = UserWanted(request.username, request.email, request.role)
        made = await self._submissions.submit(
            exchange,
            self._identity.create_user_named(user_id, tenant_id, wanted, origin),
            {"user_id": user_id},
        )
        if not made.password:
            # The same request has come twice at once, and the other one has made the user.
            return _made_before(made.user, request)
        return Reply(201, encode(NewUserBody(user_body(made.user), made.password)))

    async def _known(self, tenant_id: str, user_id: str) -> UserFound | None:
        try:
            return await self._identity.user(tenant_id, user_id)
        except NotFound:
            return None

    async def get_user(self, exchange: Exchange) -> Reply:
        """Return one user."""
        tenant_id = await tenant_of(exchange, self._identity)
        user = await self._identity.user(tenant_id, user_id_of(exchange))
        return Reply(200, encode(user_body(user)))

    async def set_role(self, exchange: Exchange) -> Reply:
        """Change what a user may do."""
        tenant_id, user_id, origin = await self._target(exchange)
        request = await json_body(exchange, RoleRequest)
        await self._submissions.submit(
            exchange,
            self._identity.set_role(tenant_id, user_id, request.role, origin),
            {"user_id": user_id},
        )
        return Reply(204)

    async def disable(self, exchange: Exchange) -> Reply:
        """Lock a user out."""
        tenant_id, user_id, origin = await self._target(exchange)
        await self._submissions.submit(
            exchange,
            self._identity.disable_user(tenant_id, user_id, origin),
            {"user_id": user_id},
        )
        return Reply(204)

    async def enable(self, exchange: Exchange) -> Reply:
        """Let a user in again."""
        tenant_id, user_id, origin = await self._target(exchange)
        await self._submissions.submit(
            exchange,
            self._identity.enable_user(tenant_id, user_id, origin),
            {"user_id": user_id},
        )
        return Reply(204)

    async def reset_password(self, exchange: Exchange) -> Reply:
        """Set a random, temporary password."""
        tenant_id, user_id, origin = await self._target(exchange)
        password = await self._submissions.submit(
            exchange,
            self._identity.set_password(tenant_id, user_id, origin),
            {"user_id": user_id},
        )
        return Reply(200, encode(PasswordBody(password)))

    async def reset_mfa(self, exchange: Exchange) -> Reply:
        """Take a user's second factor away."""
        tenant_id, user_id, origin = await self._target(exchange)
        await self._submissions.submit(
            exchange, self._identity.reset_mfa(tenant_id, user_id, origin), {"user_id": user_id}
        )
        return Reply(204)

    async def link_external(self, exchange: Exchange) -> Reply:
        """Let an external identity open sessions of a user."""
        tenant_id, user_id, origin = await self._target(exchange)
        request = await json_body(exchange, ExternalRequest)
        await self._submissions.submit(
            exchange,
            self._identity.link_external(
                tenant_id, user_id, request.issuer, request.subject, origin
            ),
            {"user_id": user_id},
        )
        return Reply(204)

    async def unlink_external(self, exchange: Exchange) -> Reply:
        """Take the identities of a provider away from a user."""
        tenant_id, user_id, origin = await self._target(exchange)
        issuer = exchange.query.get("issuer")
        if not issuer:
            raise InvalidRequest("issuer is required: whose identities to take away")
        await self._submissions.submit(
            exchange,
            self._identity.unlink_external(tenant_id, user_id, issuer, origin),
            {"user_id": user_id},
        )
        return Reply(204)

    async def _target(self, exchange: Exchange) -> tuple[str, str, Origin]:
        tenant_id = await tenant_of(exchange, self._identity)
        return tenant_id, user_id_of(exchange), self._origins.with_reason(exchange)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (*self._directory(), *self._changes())

    def _directory(self) -> tuple[Operation, ...]:
        username = text_parameter("username", "Only the user of this name; its case is ignored.")
        return (
            Operation(
                "GET",
                _USERS,
                self.list_users,
                "listUsers",
                "List users",
                _TAG,
                (Answer(200, "The users.", UserPage),),
                errors=(404, 422),
                parameters=(*PAGE_PARAMETERS, username, TENANT_PARAMETER),
                action=_MANAGE,
            ),
            Operation(
                "POST",
                _USERS,
                self.create_user,
                "createUser",
                "Make a user, with a random password to be changed",
                _TAG,
                (
                    Answer(200, "The user of the first request.", NewUserBody),
                    Answer(201, "The user, and the password, the only time.", NewUserBody),
                ),
                errors=(400, 404, 413, 422),
                parameters=(TENANT_PARAMETER, REASON_PARAMETER, KEY_PARAMETER),
                body=UserRequest,
                action=_MANAGE,
            ),
            Operation(
                "GET",
                _ONE,
                self.get_user,
                "getUser",
                "Get a user",
                _TAG,
                (Answer(200, "The user.", UserBody),),
                errors=(404, 422),
                parameters=(USER_PARAMETER, TENANT_PARAMETER),
                action=_MANAGE,
            ),
        )

    def _changes(self) -> tuple[Operation, ...]:
        issuer = text_parameter("issuer", "The provider.", required=True)
        return (
            _change("POST", "role", self.set_role, "setRole", "Change a user's role", RoleRequest),
            _change("POST", "disable", self.disable, "disableUser", "Lock a user out"),
            _change("POST", "enable", self.enable, "enableUser", "Let a user in again"),
            Operation(
                "POST",
                f"{_ONE}/password",
                self.reset_password,
                "resetPassword",
                "Set a random, temporary password; the user's sessions end",
                _TAG,
                (Answer(200, "The password, the only time.", PasswordBody),),
                errors=(404, 422),
                parameters=_ON_ONE,
                action=_MANAGE,
            ),
            _change("DELETE", "mfa", self.reset_mfa, "resetMfa", "Take a second factor away"),
            _change(
                "POST",
                "external",
                self.link_external,
                "linkExternal",
                "Let an external identity open a user's sessions",
                ExternalRequest,
            ),
            _change(
                "DELETE",
                "external",
                self.unlink_external,
                "unlinkExternal",
                "Take a provider's identities away from a user",
                more=(issuer,),
            ),
        )


def _change(  # noqa: PLR0913, PLR0917  # the columns of a row
    method: str,
    what: str,
    handler: Handler,
    operation_id: str,
    summary: str,
    body: type | None = None,
    *,
    more: tuple[Parameter, ...] = (),
) -> Operation:
    """Return the row of a change of one user that answers nothing."""
    return Operation(
        method,
        f"{_ONE}/{what}",
        handler,
        operation_id,
        summary,
        _TAG,
        (Answer(204, "It is done."),),
        errors=(404, 422) if body is None else (400, 404, 413, 422),
        parameters=(*_ON_ONE, *more),
        body=body,
        action=_MANAGE,
    )


def _made_before(known: UserFound, request: UserRequest) -> Reply:
    asked = (request.username, request.email, request.role)
    require_same("user", same=(known.username, known.email, known.role) == asked)
    return Reply(200, encode(NewUserBody(user_body(known), None)), headers=REPLAYED)
