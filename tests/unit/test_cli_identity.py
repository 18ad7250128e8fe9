"""The operator's commands about people: what they ask for, and that a write has a reason."""

import argparse
import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from identity_system import ADMIN, identity_system, trader

from actors.administration import Administration
from cli import identity
from tradeplane.auth.principal import HOME_TENANT, Origin

WRITES = [
    "tenants create acme",
    "users create ben",
    "users role tess operator",
    "users disable tess",
    "users enable tess",
    "users reset-password tess",
    "users link tess https://idp.test 42",
    "users unlink tess https://idp.test",
    "mfa reset tess",
    "accounts create",
    "keys create account",
    "keys revoke PK1",
    "sessions end session",
    "sessions end-all tess",
    "clients create App",
    "clients delete tpc_1",
    "policies replace",
    "signing-keys rotate",
]


def parser(administer: Callable[..., Any] = print) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    identity.add_commands(made.add_subparsers(required=True), administer)
    return made


@pytest.mark.parametrize("command", WRITES)
def test_a_command_that_changes_something_asks_for_a_reason(command: str, capsys) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(command.split())
    assert "--reason" in capsys.readouterr().err

    assert parser().parse_args([*command.split(), "--reason", "why"]).reason == "why"


class Office:
    """Stands where an Administration stands, on identity without a cluster."""

    def __init__(self, manager) -> None:
        self.identity = manager
        self.origins: list[Origin] = []

    user_named = Administration.user_named
    create_accounts = Administration.create_accounts


async def run(office: Office, capsys, command: str) -> Any:
    """Run *command* and return what it printed."""
    works: list[Callable[[Any], Coroutine[Any, Any, Any]]] = []
    given = parser(works.append).parse_args(command.split())
    given.do(given)
    capsys.readouterr()
    found = await works[0](office)
    # The command prints what its work returns; it is run here, in the test's own loop.
    printed = parser(lambda _: found).parse_args(command.split())
    printed.do(printed)
    text = capsys.readouterr().out
    return json.loads(text) if text else None


async def test_a_firm_is_set_up_and_wound_down_by_commands(capsys) -> None:
    async with identity_system() as (_, manager):
        await trader(manager, "root", "admin")
        office = Office(manager)
        why = "--tenant acme --reason setup"

        await run(office, capsys, "tenants create acme --name Acme --reason setup")
        made = await run(office, capsys, f"users create ben --email ben@acme.test {why}")
        assert made["password"]
        assert made["user"]["temporary_password"]
        accounts = await run(
            office, capsys, f"accounts create --user ben --count 2 --cash 500 --json {why}"
        )
        assert manager.authenticate(
            accounts[0]["key_id"], accounts[0]["secret_key"]
        ).tenant_id == "acme"  # fmt: skip
        key = await run(
            office,
            capsys,
            f"keys create {accounts[1]['account_id']} --role researcher --scope market:read "
            f"--expires 2099-01-01T00:00Z {why}",
        )
        assert key["key"]["scopes"] == ["market:read"]
        listed = await run(office, capsys, "keys list --tenant acme")
        assert len(listed) == 3
        await run(office, capsys, f"keys revoke {key['key']['key_id']} {why}")
        assert len(await run(office, capsys, "keys list --tenant acme")) == 2
        await run(office, capsys, f"users role ben researcher {why}")
        await run(office, capsys, f"users disable ben {why}")
        (ben,) = await run(office, capsys, "users list --tenant acme")
        assert (ben["role"], ben["disabled"]) == ("researcher", True)
        assert await run(office, capsys, "sessions list ben --tenant acme") == []
        client = await run(
            office,
            capsys,
            f"clients create App --redirect-uri https://a.test/ --scope market:read {why}",
        )
        await run(office, capsys, f"clients delete {client['client']['client_id']} {why}")
        kid = (await run(office, capsys, "signing-keys rotate --reason routine"))["kid"]
        states = await run(office, capsys, "signing-keys list")
        assert {key["kid"]: key["state"] for key in states}[kid] == "published"
        shown = await run(office, capsys, "policies show")
        assert shown == {"version": 0, "documents": {}}


async def test_accounts_come_with_a_key_that_trades_where_their_owner_may() -> None:
    async with identity_system() as (_, manager):
        await trader(manager, "root", "admin")
        await trader(manager, "ann", "auditor")
        office = Office(manager)
        for name, role in (("root", "trader"), ("ann", "auditor")):
            (made,) = await office.create_accounts(HOME_TENANT, name, 1, Decimal(5), ADMIN)
            assert manager.authenticate(made.key_id, made.secret_key).role == role
