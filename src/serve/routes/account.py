"""``/v2/account``: what the account holds and may spend."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.operation import Answer, Operation
from serve.valuation import Valuation
from serve.wire.account_body import AccountBody, account_body
from serve.wire.decimals import encode
from tradeplane.ports import Trading


class AccountRoutes:
    """The operations on the account.

    Args:
        trading: the ledger.
        valuation: values positions.
    """

    def __init__(self, trading: Trading, valuation: Valuation) -> None:
        self._trading = trading
        self._valuation = valuation

    async def get(self, exchange: Exchange) -> Reply:
        """Return the account."""
        account = await self._trading.account(exchange.account_id)
        value = self._valuation.long_market_value(account)
        return Reply(
            200, encode(account_body(account, value, self._valuation.last_equity(account)))
        )

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (
            Operation(
                "GET",
                "/v2/account",
                self.get,
                "getAccount",
                "Get the account of the key",
                "account",
                (Answer(200, "The account.", AccountBody),),
                action="account:read",
            ),
        )
