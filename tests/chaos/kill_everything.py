"""Kills what can be killed while orders arrive, then counts whether anything was lost or doubled.

    .venv/bin/python tests/chaos/kill_everything.py [--kills 10] [--connections 64]

64 connections post orders while the ledger's process, then an API replica's, then the market's are
killed with SIGKILL in turn. Afterwards every order that was answered 200 must exist exactly once,
and cash and positions must equal a recount from the journal that shares no code with the product.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from order_load import OrderLoad, Outcome
from recount import recount
from running_system import RunningSystem

VICTIMS = ("ray::LedgerShard", "ray::ServeReplica:tradeplane:Api", "ray::Market")


async def load_and_kill(
    system: RunningSystem, kills: int, connections: int, pause_s: float, orders_max: int
) -> Outcome:
    """Load the API, kill *kills* processes in turn, and return what became of the orders."""
    load = OrderLoad(system.url, system.headers, connections, orders_max)
    running = asyncio.create_task(load.run(pause_s * (kills + 1)))
    for number in range(kills):
        await asyncio.sleep(pause_s)
        victim = VICTIMS[number % len(VICTIMS)]
        killed = await asyncio.to_thread(system.kill, victim)
        print(f"  killed {victim} ({killed}); {len(load.outcome.acknowledged)} orders so far")
    return await running


def verify(system: RunningSystem, outcome: Outcome) -> list[str]:
    """Return everything that is wrong."""
    wrong = []
    counted = recount(f"sqlite:///{system.home / 'tradeplane.db'}")
    account_id = system.credentials["account_id"]
    journal = counted[account_id]
    wrong += [
        f"acknowledged order {name} is in the journal {journal.orders[name]} times"
        for name in outcome.acknowledged
        if journal.orders[name] != 1
    ]
    wrong += [f"order {name} is doubled" for name, n in journal.orders.items() if n > 1]
    wrong += [f"refused order {name} exists" for name in outcome.refused if journal.orders[name]]
    account = system.get("/v2/account")
    if Fraction(str(account["cash"])) != journal.cash:
        wrong.append(f"cash is {account['cash']}, the recount says {float(journal.cash)}")
    position = system.get("/v2/positions/AAPL")
    if Fraction(str(position["qty"])) != journal.positions["AAPL"]:
        wrong.append(f"position is {position['qty']}, recounted {journal.positions['AAPL']}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pause", type=float, default=6.0, help="seconds between two kills")
    parser.add_argument("--orders", type=int, default=100_000, help="at most this many")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        system = RunningSystem(home, TRADEPLANE_STARTING_CASH="1000000000000").start()
        try:
            started = time.monotonic()
            outcome = asyncio.run(
                load_and_kill(system, given.kills, given.connections, given.pause, given.orders)
            )
            took = time.monotonic() - started
            time.sleep(5)  # a print more, so that every accepted order has its chance
            wrong = verify(system, outcome)
        finally:
            status = system.stop()
    print(f"{given.kills} kills in {took:.0f} s under {given.connections} connections")
    print(f"answers by status: {outcome.statuses}; broken connections: {outcome.broken}")
    print(
        f"acknowledged {len(outcome.acknowledged)}, refused {len(outcome.refused)}, "
        f"unknown {len(outcome.unknown)}"
    )
    print(f"longest pause between two acknowledged orders: {outcome.longest_pause_s:.2f} s")
    print(f"exit status of the system: {status}")
    if status:
        print("".join(system.output[-40:]))
    for line in wrong[:20]:
        print(f"WRONG: {line}")
    print("nothing lost, nothing doubled" if not wrong else f"{len(wrong)} things are wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
