"""``tradeplane tenants|users|accounts|keys|sessions|mfa|clients|policies|signing-keys``.

What is made is printed as JSON, one document a command; a secret is printed once and kept nowhere.
Every command that changes something asks for ``--reason``, which the audit log keeps.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import sys
import uuid
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from tradeplane.auth.answers import GrantType
from tradeplane.auth.principal import HOME_TENANT, ROLES, Origin, Principal
from tradeplane.auth.wanted import ClientWanted, KeyWanted, UserWanted
from tradeplane.clock import NS_PER_S
from tradeplane.errors import InvalidRequest

Office: TypeAlias = Any
"""An ``actors.administration.Administration``, which this module need not load."""
Work: TypeAlias = Callable[[Office, argparse.Namespace], Coroutine[Any, Any, Any]]
Administer: TypeAlias = Callable[[Callable[[Office], Coroutine[Any, Any, Any]]], Any]

_GRANTS: tuple[GrantType, ...] = ("authorization_code", "refresh_token", "client_credentials")


class _Commands:
    """Adds verbs to the parser, each with what it does."""

    def __init__(self, commands: Any, administer: Administer) -> None:
        self._commands = commands
        self._administer = administer

    def noun(self, name: str, text: str) -> Callable[..., argparse.ArgumentParser]:
        """Return what adds a verb of the noun *name*."""
        verbs = self._commands.add_parser(name, help=text).add_subparsers(
            required=True, metavar="VERB"
        )

        def verb(
            name: str, text: str, work: Work, *, writes: bool = True, tenant: bool = True
        ) -> argparse.ArgumentParser:
            parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
            if writes:
                parser.add_argument("--reason", required=True, help="why; the audit log keeps it")
            if tenant:
                parser.add_argument("--tenant", default=HOME_TENANT, help="the firm")
            parser.set_defaults(do=self._doing(work))
            return parser

        return verb

    def _doing(self, work: Work) -> Callable[[argparse.Namespace], int]:
        def do(given: argparse.Namespace) -> int:
            found = self._administer(lambda office: work(office, given))
            if found is not None:
                printed = msgspec.json.format(msgspec.json.encode(found))
                sys.stdout.write(printed.decode() + "\n")
            return 0

        return do


def add_commands(commands: Any, administer: Administer) -> None:
    """Add every command of identity to *commands*, run by *administer*."""
    adding = _Commands(commands, administer)
    _add_tenants(adding)
    _add_users(adding)
    _add_accounts(adding)
    _add_keys(adding)
    _add_sessions(adding)
    _add_clients(adding)
    _add_policies(adding)
    _add_signing_keys(adding)


def _add_tenants(adding: _Commands) -> None:
    verb = adding.noun("tenants", "firms")
    verb("list", "every firm", _list_tenants, writes=False, tenant=False)
    create = verb("create", "make a firm", _create_tenant, tenant=False)
    create.add_argument("tenant_id", help="lower-case letters, digits and hyphens")
    create.add_argument("--name", help="as people know it")


def _add_users(adding: _Commands) -> None:
    verb = adding.noun("users", "people's logins")
    verb("list", "the users of a tenant", _list_users, writes=False)
    create = verb("create", "make a login with a random, temporary password", _create_user)
    create.add_argument("username")
    create.add_argument("--email", default="")
    create.add_argument("--role", choices=ROLES, default="trader")
    role = verb("role", "change what a user may do", _set_role)
    role.add_argument("username", help="name or id")
    role.add_argument("role", choices=ROLES)
    for name, text, method in (
        ("disable", "lock a user out", "disable_user"),
        ("enable", "let a user in again", "enable_user"),
    ):
        verb(name, text, _on_user(method)).add_argument("username", help="name or id")
    password = verb("reset-password", "set a random, temporary password", _on_user("set_password"))
    password.add_argument("username", help="name or id")
    link = verb("link", "let an external identity log a user in", _link)
    link.add_argument("username", help="name or id")
    link.add_argument("issuer")
    link.add_argument("subject")
    unlink = verb("unlink", "take an issuer's identities away from a user", _unlink)
    unlink.add_argument("username", help="name or id")
    unlink.add_argument("issuer")
    mfa = adding.noun("mfa", "second factors")
    reset = mfa("reset", "take the factor of a user away who has lost it", _on_user("reset_mfa"))
    reset.add_argument("username", help="name or id")


def _add_accounts(adding: _Commands) -> None:
    verb = adding.noun("accounts", "trading accounts")
    verb("list", "the accounts of a tenant", _list_accounts, writes=False)
    create = verb("create", "open accounts, each with a key", _create_accounts)
    create.add_argument("--user", default="admin", help="whose; name or id")
    create.add_argument("--count", type=int, default=1)
    create.add_argument("--cash", type=_decimal, default=Decimal(100_000), help="US dollars each")
    create.add_argument("--json", action="store_true", help="kept for scripts; it always is JSON")


def _add_keys(adding: _Commands) -> None:
    verb = adding.noun("keys", "API keys")
    listing = verb("list", "the live keys of a tenant", _list_keys, writes=False)
    listing.add_argument("--account", help="of this account only")
    create = verb("create", "create one more key for an account", _create_key)
    create.add_argument("account_id")
    create.add_argument("--role", choices=ROLES, default="", help="by default the owner's")
    create.add_argument("--scope", action="append", default=[], help="such as account:read")
    create.add_argument("--expires", type=_instant, default=0, help="such as 2027-01-31T00:00Z")
    revoke = verb("revoke", "end a key for good", _revoke_key)
    revoke.add_argument("key_id")


def _add_sessions(adding: _Commands) -> None:
    verb = adding.noun("sessions", "logins that are going on")
    listing = verb("list", "the sessions of a user", _list_sessions, writes=False)
    listing.add_argument("username", help="name or id")
    verb("end", "end one session", _end_session).add_argument("session_id")
    verb("end-all", "end every session of a user", _end_all).add_argument(
        "username", help="name or id"
    )


def _add_clients(adding: _Commands) -> None:
    verb = adding.noun("clients", "OAuth clients")
    verb("list", "the clients of a tenant", _list_clients, writes=False)
    create = verb("create", "make a client", _create_client)
    create.add_argument("name")
    create.add_argument("--redirect-uri", action="append", default=[])
    create.add_argument("--grant", action="append", choices=_GRANTS, default=[])
    create.add_argument("--scope", action="append", default=[], help="such as account:read")
    create.add_argument("--confidential", action="store_true", help="it can keep a secret")
    create.add_argument("--role", choices=ROLES, default="researcher", help="when it acts alone")
    create.add_argument("--account", default="", help="the account it acts on when it acts alone")
    verb("delete", "end a client with all it holds", _delete_client).add_argument("client_id")


def _add_policies(adding: _Commands) -> None:
    verb = adding.noun("policies", "who may do what")
    verb("show", "the policies in force", _show_policies, writes=False, tenant=False)
    replace = verb("replace", "put other policies in force", _replace_policies, tenant=False)
    replace.add_argument("files", nargs="*", type=Path, help="none: the installation's own")


def _add_signing_keys(adding: _Commands) -> None:
    verb = adding.noun("signing-keys", "keys that access tokens are signed with")
    verb("list", "the keys and their states", _list_signing, writes=False, tenant=False)
    verb("rotate", "publish a new key, which then signs", _rotate_signing, tenant=False)


def _origin(given: argparse.Namespace) -> Origin:
    """Return who gives the command: the operator of this machine, by a name that is no name."""
    subject = hashlib.sha256(getpass.getuser().encode()).hexdigest()[:12]
    tenant = getattr(given, "tenant", HOME_TENANT)
    return Origin("operator", f"cli-{subject}", tenant, uuid.uuid4().hex, "", given.reason)


async def _list_tenants(office: Office, given: argparse.Namespace) -> Any:
    del given
    return await office.identity.tenants()


async def _create_tenant(office: Office, given: argparse.Namespace) -> Any:
    name = given.name or given.tenant_id
    return await office.identity.create_tenant(given.tenant_id, name, _origin(given))


async def _list_users(office: Office, given: argparse.Namespace) -> Any:
    return await office.identity.users(given.tenant)


async def _create_user(office: Office, given: argparse.Namespace) -> Any:
    wanted = UserWanted(given.username, given.email, given.role)
    return await office.identity.create_user(given.tenant, wanted, _origin(given))


async def _set_role(office: Office, given: argparse.Namespace) -> Any:
    user = await office.user_named(given.tenant, given.username)
    await office.identity.set_role(given.tenant, user.user_id, given.role, _origin(given))


def _on_user(method: str) -> Work:
    async def work(office: Office, given: argparse.Namespace) -> Any:
        user = await office.user_named(given.tenant, given.username)
        made = await getattr(office.identity, method)(given.tenant, user.user_id, _origin(given))
        return None if made is None else {"user_id": user.user_id, "password": made}

    return work


async def _link(office: Office, given: argparse.Namespace) -> Any:
    user = await office.user_named(given.tenant, given.username)
    await office.identity.link_external(
        given.tenant, user.user_id, given.issuer, given.subject, _origin(given)
    )


async def _unlink(office: Office, given: argparse.Namespace) -> Any:
    user = await office.user_named(given.tenant, given.username)
    await office.identity.unlink_external(given.tenant, user.user_id, given.issuer, _origin(given))


async def _list_accounts(office: Office, given: argparse.Namespace) -> Any:
    return await office.identity.accounts(given.tenant)


async def _create_accounts(office: Office, given: argparse.Namespace) -> Any:
    return await office.create_accounts(
        given.tenant, given.user, given.count, given.cash, _origin(given)
    )


async def _list_keys(office: Office, given: argparse.Namespace) -> Any:
    return await office.identity.keys(given.tenant, given.account)


async def _create_key(office: Office, given: argparse.Namespace) -> Any:
    wanted = KeyWanted(given.account_id, given.role, tuple(given.scope), given.expires)
    return await office.identity.create_key(given.tenant, wanted, _origin(given))


async def _revoke_key(office: Office, given: argparse.Namespace) -> Any:
    await office.identity.revoke_key(given.tenant, given.key_id, _origin(given))


async def _list_sessions(office: Office, given: argparse.Namespace) -> Any:
    user = await office.user_named(given.tenant, given.username)
    return await office.identity.user_sessions(given.tenant, user.user_id)


async def _end_session(office: Office, given: argparse.Namespace) -> Any:
    operator = Principal("cli", given.tenant, "", "operator", role="admin")
    await office.identity.end_session(operator, given.session_id, _origin(given))


async def _end_all(office: Office, given: argparse.Namespace) -> Any:
    user = await office.user_named(given.tenant, given.username)
    operator = Principal("cli", given.tenant, "", "operator", role="admin")
    ended = await office.identity.end_all_sessions(operator, user.user_id, _origin(given))
    return {"ended": ended}


async def _list_clients(office: Office, given: argparse.Namespace) -> Any:
    return await office.identity.clients(given.tenant)


async def _create_client(office: Office, given: argparse.Namespace) -> Any:
    wanted = ClientWanted(
        given.name,
        tuple(given.redirect_uri),
        tuple(given.grant) or ("authorization_code", "refresh_token"),
        tuple(given.scope),
        given.confidential,
        given.role,
        given.account,
    )
    return await office.identity.create_client(given.tenant, wanted, _origin(given))


async def _delete_client(office: Office, given: argparse.Namespace) -> Any:
    await office.identity.delete_client(given.tenant, given.client_id, _origin(given))


async def _show_policies(office: Office, given: argparse.Namespace) -> Any:
    del given
    return office.identity.policies()


async def _replace_policies(office: Office, given: argparse.Namespace) -> Any:
    version = office.identity.policies().version
    documents = _documents(given.files)
    return await office.identity.replace_policies(documents, version, _origin(given))


def _documents(files: Sequence[Path]) -> dict[str, str]:
    try:
        return {file.name: file.read_text(encoding="utf-8") for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"a policy file cannot be read: {error}") from error


async def _list_signing(office: Office, given: argparse.Namespace) -> Any:
    del given
    return await office.identity.signing_keys()


async def _rotate_signing(office: Office, given: argparse.Namespace) -> Any:
    return {"kid": await office.identity.rotate_signing_key(_origin(given))}


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no decimal number") from None


def _instant(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant") from None
    known = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(known.timestamp()) * NS_PER_S
