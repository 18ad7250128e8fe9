"""A hundred clients with one refresh token, while the writer dies: one successor, one session."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest
from identity_system import PASSWORD, SOMEWHERE, IdentitySystem, trader

from adapters.database.faulty_journal import Fault, seeded_faults
from tradeplane.auth.answers import Tokens
from tradeplane.errors import NotAuthenticated, ServiceFailed

CLIENTS = 100
WEIGHTS = {
    Fault.NONE: 5.0,
    Fault.UNAVAILABLE: 1.0,
    Fault.UNKNOWN_WRITTEN: 2.0,
    Fault.UNKNOWN_NOT_WRITTEN: 2.0,
}


async def settled(system: IdentitySystem) -> None:
    while system.shell is None or system.shell.check() is not None:
        await asyncio.sleep(0.002)


async def refreshed(manager, token: str) -> Tokens:
    """Refresh until there is an answer, as a client does that honours Retry-After."""
    while True:
        try:
            return await manager.refresh(token, None, SOMEWHERE)
        except ServiceFailed:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("seed", range(4))
async def test_no_session_is_lost_or_doubled_while_the_writer_is_restarted(seed: int) -> None:
    chance = random.Random(seed)
    system = IdentitySystem()
    await system.start()
    try:
        replicas = [await system.replica() for _ in range(3)]
        await trader(replicas[0])
        first = await replicas[0].login("tess", PASSWORD, None, SOMEWHERE)
        other = await replicas[0].login("tess", PASSWORD, None, SOMEWHERE)

        async def client(number: int) -> Tokens:
            await asyncio.sleep(chance.random() * 0.2)
            return await refreshed(replicas[number % 3], first.refresh_token)

        async def killer() -> None:
            for restart in range(3):
                await asyncio.sleep(chance.random() * 0.08)
                await system.kill()
                faults = itertools.islice(seeded_faults(seed * 10 + restart, WEIGHTS), 6)
                await system.start(faults) if restart < 2 else await system.start()

        made, _ = await asyncio.gather(
            asyncio.gather(*(client(number) for number in range(CLIENTS))), killer()
        )
        await settled(system)

        assert len({tokens.refresh_token for tokens in made}) == 1
        sessions = system.shell.component.state.sessions
        assert len(sessions) == 2
        assert sorted(session.generation for session in sessions.values()) == [0, 1]
        again = await refreshed(replicas[1], made[0].refresh_token)
        assert again.refresh_token != made[0].refresh_token
        assert await refreshed(replicas[2], other.refresh_token)
        for tokens in (made[-1], again):
            assert replicas[2].authenticate_token(tokens.access_token)
    finally:
        await system.stop()


async def test_logins_that_are_repeated_over_a_restart_open_one_session_each() -> None:
    system = IdentitySystem()
    await system.start()
    try:
        manager = await system.replica()
        await trader(manager)
        calls = [
            asyncio.create_task(manager.login("tess", PASSWORD, None, SOMEWHERE)) for _ in range(20)
        ]
        await asyncio.sleep(0.005)
        await system.kill()
        await system.start([Fault.UNKNOWN_WRITTEN, Fault.UNKNOWN_NOT_WRITTEN])
        done = await asyncio.gather(*calls)

        assert len({tokens.refresh_token for tokens in done}) == 20
        assert len(system.shell.component.state.sessions) == 20
        for tokens in done:
            assert await refreshed(manager, tokens.refresh_token)
    finally:
        await system.stop()


async def test_a_thief_and_an_owner_at_once_leave_nobody_with_a_session() -> None:
    system = IdentitySystem()
    await system.start()
    try:
        manager = await system.replica()
        await trader(manager)
        stolen = (await manager.login("tess", PASSWORD, None, SOMEWHERE)).refresh_token
        owner = await manager.refresh(stolen, None, SOMEWHERE)
        owner = await manager.refresh(owner.refresh_token, None, SOMEWHERE)

        attempts = await asyncio.gather(
            *(manager.refresh(stolen, None, SOMEWHERE) for _ in range(20)), return_exceptions=True
        )

        assert all(isinstance(one, NotAuthenticated) for one in attempts)
        with pytest.raises(NotAuthenticated):
            await manager.refresh(owner.refresh_token, None, SOMEWHERE)
        assert system.shell.component.state.sessions == {}
    finally:
        await system.stop()
