"""``/admin/accounts``: a firm's trading accounts."""

from __future__ import annotations

from decimal import Decimal

from serve.exchange import Exchange, Reply
from serve.json_body import json_body
from serve.operation import Answer, Operation
from serve.origins import REASON_PARAMETER, Origins
from serve.page import PAGE_PARAMETERS, page
from serve.query import Query, uuid_of
from serve.request_key import KEY_PARAMETER, REPLAYED, RequestKey, require_same
from serve.submissions import Submissions
from serve.tenancy import TENANT_PARAMETER, tenant_of
from serve.wire.decimals import encode
from serve.wire.identity_body import AccountListedBody, AccountPage, account_listed_body
from serve.wire.identity_request import AccountRequest
from tradeplane.auth.answers import AccountListed
from tradeplane.auth.service import IdentityService
from tradeplane.money import parse_amount
from tradeplane.ports import Trading

_TAG = "administration"
_MANAGE = "tenant:manage"


class AdminAccountRoutes:
    """The operations on a firm's trading accounts.

    Args:
        identity: knows whose they are.
        trading: knows what they were opened with.
        submissions: the writes under way.
    """

    def __init__(
        self, identity: IdentityService, trading: Trading, submissions: Submissions
    ) -> None:
        self._identity = identity
        self._trading = trading
        self._submissions = submissions
        self._origins = Origins(identity)

    async def accounts(self, exchange: Exchange) -> Reply:
        """List accounts by their ids."""
        accounts = await self._identity.accounts(await tenant_of(exchange, self._identity))
        found, following = page(Query(exchange.query), accounts, lambda each: each.account_id)
        body = AccountPage([account_listed_body(each) for each in found], following)
        return Reply(200, encode(body))

    async def create_account(self, exchange: Exchange) -> Reply:
        """Open a trading account."""
        tenant_id = await tenant_of(exchange, self._identity)
        origin = self._origins.with_reason(exchange)
        request = await json_body(exchange, AccountRequest)
        user_id = uuid_of("user_id", request.user_id)
        cash = parse_amount("cash", request.cash, 2)
        request_key = RequestKey(exchange, f"account {tenant_id}")
        account_id = request_key.uuid()
        known = await self._known(tenant_id, account_id) if request_key.given else None
        require_same("account", same=known is None or known.user_id == user_id)
        # Again even where it is known: the first request may have ended between the directory,
        # which has it, and the ledger, which has not.
        made = await self._submissions.submit(
            exchange,
            self._identity.create_account_named(account_id, tenant_id, user_id, cash, origin),
            {"account_id": account_id},
        )
        body = encode(account_listed_body(made))
        if not request_key.given:
            return Reply(201, body)
        require_same("account", same=await self._opened_with(account_id) == cash)
        return Reply(201, body) if known is None else Reply(200, body, headers=REPLAYED)

    async def _known(self, tenant_id: str, account_id: str) -> AccountListed | None:
        for account in await self._identity.accounts(tenant_id):
            if account.account_id == account_id:
                return account
        return None

    async def _opened_with(self, account_id: str) -> Decimal:
        return (await self._trading.account(account_id)).initial_cash

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (
            Operation(
                "GET",
                "/admin/accounts",
                self.accounts,
                "listAccounts",
                "List trading accounts",
                _TAG,
                (Answer(200, "The accounts.", AccountPage),),
                errors=(404, 422),
                parameters=(*PAGE_PARAMETERS, TENANT_PARAMETER),
                action=_MANAGE,
            ),
            Operation(
                "POST",
                "/admin/accounts",
                self.create_account,
                "createAccount",
                "Open a trading account for a user",
                _TAG,
                (
                    Answer(200, "The account of the first request.", AccountListedBody),
                    Answer(201, "The account.", AccountListedBody),
                ),
                errors=(400, 404, 413, 422),
                parameters=(TENANT_PARAMETER, REASON_PARAMETER, KEY_PARAMETER),
                body=AccountRequest,
                action=_MANAGE,
            ),
        )
