"""What administrators do, as a replica or the operator's command asks the ``auth`` actor for it."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from actors.auth_link import AuthLink
from actors.auth_mirror import AuthMirror
from tradeplane.auth import commands, desk
from tradeplane.auth.answers import (
    AccountListed,
    ClientFound,
    KeyFound,
    NewClient,
    NewKey,
    NewUser,
    PoliciesFound,
    SigningKeyFound,
    TenantFound,
    UserFound,
)
from tradeplane.auth.api_key import RANDOM_BYTES, ApiKey, api_key_from
from tradeplane.auth.authorizer import Authorizer
from tradeplane.auth.decision import sha256_hex
from tradeplane.auth.principal import Origin
from tradeplane.auth.queries import ListUsers, PageUsers
from tradeplane.auth.replies import Named, UsersFound
from tradeplane.auth.wanted import ClientWanted, KeyWanted, UserWanted
from tradeplane.errors import InvalidRequest, NotFound, RequestRefused
from tradeplane.money import plain
from tradeplane.trading.commands import OpenAccount

_CASH_MAX = Decimal(10) ** 12
OpenInLedger = Callable[[OpenAccount, int], Awaitable[None]]
"""Opens an account on a ledger shard; the same again changes nothing."""


class DirectoryCalls:
    """Satisfies ``service.Directory``.

    Args:
        link: the calls.
        mirror: what is known here.
        open_in_ledger: opens trading accounts.
        shards: how many ledger shards there are.
        authorizer: checks policies before they are put in force.
    """

    def __init__(
        self,
        link: AuthLink,
        mirror: AuthMirror,
        open_in_ledger: OpenInLedger,
        shards: int,
        authorizer: Authorizer | None,
    ) -> None:
        self._link = link
        self._mirror = mirror
        self._open_in_ledger = open_in_ledger
        self._shards = shards
        self._authorizer = authorizer

    async def _execute(self, command: Any) -> Any:
        """Execute *command*, and return when this process knows what came of it."""
        try:
            reply = await self._link.execute(command)
        except RequestRefused:
            # The refusal may follow from what this process does not know yet.
            await self._link.catch_up(self._mirror.follower)
            raise
        await self._link.catch_up(self._mirror.follower)
        return reply

    async def create_tenant(
        self, tenant_id: str, name: str, origin: Origin, call_id: str = ""
    ) -> TenantFound:
        """Make a firm; the same call again changes nothing."""
        call = call_id or self._link.new_id()
        await self._execute(
            commands.CreateTenant(by=origin, command_id=call, tenant_id=tenant_id, name=name)
        )
        entry = self._mirror.directory().tenants.get(tenant_id)
        return TenantFound(tenant_id, name, entry.created_ns if entry else 0)

    async def tenants(self) -> Sequence[TenantFound]:
        """Return every firm."""
        return [
            TenantFound(tenant_id, entry.name, entry.created_ns)
            for tenant_id, entry in self._mirror.directory().tenants.items()
        ]

    async def create_user(self, tenant_id: str, wanted: UserWanted, origin: Origin) -> NewUser:
        """Make a login."""
        return await self.create_user_named(self._link.new_id(), tenant_id, wanted, origin)

    async def create_user_named(
        self, user_id: str, tenant_id: str, wanted: UserWanted, origin: Origin
    ) -> NewUser:
        """Make a login of this id; the same again changes nothing and shows no password."""
        request = desk.AddUser(
            by=origin,
            user_id=user_id,
            tenant_id=tenant_id,
            wanted=wanted,
            random=self._link.random(16),
        )
        reply = await self._link.request(request)
        await self._link.catch_up(self._mirror.follower)
        assert isinstance(reply, desk.UserAdded), "a new user is answered by the user"
        return reply.added

    async def users(self, tenant_id: str) -> Sequence[UserFound]:
        """Return the users of a tenant, oldest first."""
        reply = await self._link.ask(ListUsers(tenant_id))
        assert isinstance(reply, UsersFound), "a question for users is answered by users"
        return reply.users

    async def users_page(
        self, tenant_id: str, after: str, limit: int, username: str = ""
    ) -> Sequence[UserFound]:
        """Return up to *limit* users whose ids follow *after*, in the order of their ids."""
        reply = await self._link.ask(PageUsers(tenant_id, after, limit, username))
        assert isinstance(reply, UsersFound), "a question for users is answered by users"
        return reply.users

    async def user(self, tenant_id: str, user_id: str) -> UserFound:
        """Return one user of a tenant."""
        if not user_id:
            raise NotFound("user not found")
        reply = await self._link.ask(ListUsers(tenant_id, user_id))
        assert isinstance(reply, UsersFound), "a question for users is answered by users"
        return reply.users[0]

    async def set_role(self, tenant_id: str, user_id: str, role: str, origin: Origin) -> None:
        """Change what a user may do."""
        await self._execute(
            commands.SetRole(by=origin, tenant_id=tenant_id, user_id=user_id, role=role)
        )

    async def disable_user(self, tenant_id: str, user_id: str, origin: Origin) -> None:
        """Lock a user out."""
        await self._execute(commands.DisableUser(by=origin, tenant_id=tenant_id, user_id=user_id))

    async def enable_user(self, tenant_id: str, user_id: str, origin: Origin) -> None:
        """Let a user in again."""
        await self._execute(commands.EnableUser(by=origin, tenant_id=tenant_id, user_id=user_id))

    async def reset_mfa(self, tenant_id: str, user_id: str, origin: Origin) -> None:
        """Take a user's second factor away."""
        await self._execute(commands.ResetMfa(by=origin, tenant_id=tenant_id, user_id=user_id))

    async def set_password(self, tenant_id: str, user_id: str, origin: Origin) -> str:
        """Set a random, temporary password and return it."""
        request = desk.GivePassword(
            by=origin,
            tenant_id=tenant_id,
            user_id=user_id,
            random=self._link.random(16),
            command_id=self._link.new_id(),
        )
        reply = await self._link.request(request)
        await self._link.catch_up(self._mirror.follower)
        assert isinstance(reply, desk.PasswordGiven), "a reset is answered by the password"
        return reply.password

    async def link_external(
        self, tenant_id: str, user_id: str, issuer: str, subject: str, origin: Origin
    ) -> None:
        """Let an external identity open sessions of a user."""
        await self._execute(
            commands.LinkExternal(
                by=origin, tenant_id=tenant_id, user_id=user_id, issuer=issuer, subject=subject
            )
        )

    async def unlink_external(
        self, tenant_id: str, user_id: str, issuer: str, origin: Origin
    ) -> None:
        """Take the identities of *issuer* away from a user."""
        command = commands.UnlinkExternal(
            by=origin,
            command_id=self._link.new_id(),
            tenant_id=tenant_id,
            user_id=user_id,
            issuer=issuer,
        )
        await self._execute(command)

    async def create_account(
        self, tenant_id: str, user_id: str, cash: Decimal, origin: Origin
    ) -> AccountListed:
        """Open a trading account for a user, with *cash* US dollars."""
        return await self.create_account_named(
            self._link.new_id(), tenant_id, user_id, cash, origin
        )

    async def create_account_named(
        self, account_id: str, tenant_id: str, user_id: str, cash: Decimal, origin: Origin
    ) -> AccountListed:
        """Open a trading account of this id; the same again changes nothing."""
        if not cash.is_finite() or not 0 <= cash <= _CASH_MAX or cash != round(cash, 2):
            raise InvalidRequest(f"cash must be 0 to {plain(_CASH_MAX)}, in whole cents")
        number = uuid.UUID(account_id)
        shard = number.int % self._shards
        command = commands.RegisterAccount(
            by=origin, account_id=account_id, tenant_id=tenant_id, user_id=user_id, shard=shard
        )
        await self._link.execute(command)
        opened = OpenAccount(account_id, tenant_id, f"PA{number.hex[:10].upper()}", cash)
        await self._open_in_ledger(opened, shard)
        await self._link.catch_up(self._mirror.follower)
        return AccountListed(account_id, tenant_id, user_id, shard)

    async def accounts(self, tenant_id: str) -> Sequence[AccountListed]:
        """Return the accounts of a tenant."""
        directory = self._mirror.directory()
        return [
            directory.account_listed(account_id)
            for account_id, entry in directory.accounts.items()
            if entry.tenant_id == tenant_id
        ]

    async def create_key(self, tenant_id: str, wanted: KeyWanted, origin: Origin) -> NewKey:
        """Make a key for an account."""
        key = api_key_from(self._link.random(RANDOM_BYTES))
        return await self.create_key_named(key, tenant_id, wanted, origin)

    async def create_key_named(
        self, key: ApiKey, tenant_id: str, wanted: KeyWanted, origin: Origin
    ) -> NewKey:
        """Put this key in force; the same again changes nothing."""
        command = commands.CreateKey(
            by=origin,
            key_id=key.key_id,
            secret_sha256=sha256_hex(key.secret_key),
            tenant_id=tenant_id,
            wanted=wanted,
        )
        await self._execute(command)
        directory = self._mirror.directory()
        if key.key_id not in directory.keys:
            found = KeyFound(
                key.key_id, tenant_id, wanted.account_id, "", wanted.role, wanted.scopes, 0, 0
            )
            return NewKey(found, key.secret_key)
        return NewKey(directory.key_found(key.key_id), key.secret_key)

    async def revoke_key(self, tenant_id: str, key_id: str, origin: Origin) -> None:
        """End a key for good."""
        call = self._link.new_id()
        await self._execute(
            commands.RevokeKey(by=origin, command_id=call, key_id=key_id, tenant_id=tenant_id)
        )

    async def keys(self, tenant_id: str, account_id: str | None = None) -> Sequence[KeyFound]:
        """Return the live keys of a tenant, or of one of its accounts."""
        directory = self._mirror.directory()
        return [
            directory.key_found(key_id)
            for key_id, entry in directory.keys.items()
            if entry.tenant_id == tenant_id and account_id in {None, entry.account_id}
        ]

    async def create_client(
        self, tenant_id: str, wanted: ClientWanted, origin: Origin
    ) -> NewClient:
        """Make an OAuth client."""
        client_id = f"tpc_{self._link.random(12).hex()}"
        return await self.create_client_named(client_id, tenant_id, wanted, origin)

    async def create_client_named(
        self, client_id: str, tenant_id: str, wanted: ClientWanted, origin: Origin
    ) -> NewClient:
        """Make an OAuth client of this id, which must be new."""
        secret = ""
        if wanted.confidential:
            random = self._link.random(32)
            secret = "tpx_" + base64.urlsafe_b64encode(random).rstrip(b"=").decode()
        command = commands.CreateClient(
            by=origin,
            command_id=self._link.new_id(),
            client_id=client_id,
            tenant_id=tenant_id,
            secret_sha256=sha256_hex(secret) if secret else "",
            wanted=wanted,
        )
        await self._execute(command)
        found = self._mirror.client(client_id)
        if found is None:
            raise NotFound(f"client {client_id} was made and deleted at once")
        return NewClient(found, secret)

    async def clients(self, tenant_id: str) -> Sequence[ClientFound]:
        """Return the OAuth clients of a tenant."""
        directory = self._mirror.directory()
        return [
            directory.client_found(client_id)
            for client_id, entry in directory.clients.items()
            if entry.tenant_id == tenant_id
        ]

    async def delete_client(self, tenant_id: str, client_id: str, origin: Origin) -> None:
        """End an OAuth client with every session and token that it holds."""
        command = commands.DeleteClient(
            by=origin, command_id=self._link.new_id(), client_id=client_id, tenant_id=tenant_id
        )
        await self._execute(command)

    async def replace_policies(
        self, documents: Mapping[str, str], version: int, origin: Origin
    ) -> PoliciesFound:
        """Put other policies in force everywhere."""
        if self._authorizer is not None:
            self._authorizer.check(documents)
        command = commands.ReplacePolicies(
            by=origin, command_id=self._link.new_id(), version=version, documents=dict(documents)
        )
        await self._execute(command)
        return PoliciesFound(version + 1, documents)

    async def signing_keys(self) -> Sequence[SigningKeyFound]:
        """Return the signing keys with their states."""
        return [
            SigningKeyFound(kid, entry.state, entry.since_ns)
            for kid, entry in self._mirror.directory().signing.items()
        ]

    async def rotate_signing_key(self, origin: Origin, call_id: str = "") -> str:
        """Publish a new signing key; return its kid."""
        command = commands.RotateSigningKey(
            by=origin, command_id=call_id or self._link.new_id(), seed=self._link.random(32)
        )
        reply = await self._execute(command)
        return reply.name if isinstance(reply, Named) else ""
