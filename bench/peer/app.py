"""The conventional stack: what a team would write with FastAPI, uvicorn, Redis and PostgreSQL.

It does for each request what the product does: check the token, look up whether it was revoked,
count against a rate limit, look only at the caller's own rows, read through a cache, and commit
an accepted order and its audit line durably before it answers.

Environment: ``PEER_DSN`` is the PostgreSQL database, ``PEER_REDIS`` the port of Redis on loopback,
``PEER_JWT_KEY`` the 32-byte key that signs access tokens (HS256).
"""

import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import jwt
import orjson
import redis.asyncio as redis
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

DATABASE_URL = os.environ["PEER_DSN"]
REDIS_PORT = int(os.environ["PEER_REDIS"])
JWT_KEY = os.environ["PEER_JWT_KEY"]
CACHE_S = 60
REQUESTS_PER_MINUTE_MAX = 10_000_000  # counted for each request, and never in the way of a run

SELECT_POSITION = """
    select symbol, qty::text, avg::text from positions where account = $1 and symbol = $2"""
LOCK_ACCOUNT = "select cash from accounts where id = $1 for update"
INSERT_ORDER = """
    insert into orders(id, account, client_order_id, symbol, qty, side, status)
    values ($1, $2, $3, $4, $5, $6, 'accepted')"""
INSERT_AUDIT = "insert into audit(account, action, ref) values ($1, 'order', $2)"


@asynccontextmanager
async def connections(application: FastAPI) -> AsyncIterator[None]:
    """Open the two pools when a worker starts, and close the database's when it stops."""
    application.state.database = await asyncpg.create_pool(DATABASE_URL, min_size=4, max_size=16)
    application.state.redis = redis.Redis(port=REDIS_PORT, max_connections=64)
    yield
    await application.state.database.close()
    await application.state.redis.aclose()


app = FastAPI(lifespan=connections)


class NewOrder(BaseModel):
    """Body of an order."""

    symbol: str
    qty: float
    side: str
    type: str
    time_in_force: str
    client_order_id: str | None = None


async def caller(request: Request) -> str:
    """Return the account of the bearer token, after the revocation check and the rate limit."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, JWT_KEY, algorithms=["HS256"], audience="api")
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    pipeline = request.app.state.redis.pipeline(transaction=False)
    pipeline.exists(f"revoked:{claims['jti']}")
    pipeline.incr(f"rl:{claims['sub']}:{int(time.time()) // 60}")
    revoked, count = await pipeline.execute()
    if revoked:
        raise HTTPException(401)
    if count > REQUESTS_PER_MINUTE_MAX:
        raise HTTPException(429)
    account: str = claims["sub"]
    return account


Caller = Annotated[str, Depends(caller)]


@app.get("/v2/positions/{symbol}", response_model=None)
async def get_position(symbol: str, request: Request, account: Caller) -> Any:
    """Return one position of the caller: from Redis, or from PostgreSQL and then kept there."""
    state = request.app.state
    key = f"pos:{account}:{symbol}"
    body = await state.redis.get(key)
    if body is None:
        row = await state.database.fetchrow(SELECT_POSITION, account, symbol)
        if row is None:
            raise HTTPException(404)
        body = orjson.dumps(dict(row))
        await state.redis.set(key, body, ex=CACHE_S)
    return orjson.loads(body)


@app.post("/v2/orders", response_model=None)
async def post_order(body: NewOrder, request: Request, account: Caller) -> dict[str, str]:
    """Accept one order: the account's row is locked, the order and its audit line committed."""
    order_id = uuid.uuid4()
    client_order_id = body.client_order_id or str(uuid.uuid4())
    async with request.app.state.database.acquire() as connection, connection.transaction():
        if await connection.fetchval(LOCK_ACCOUNT, account) is None:
            raise HTTPException(403)
        try:
            await connection.execute(
                INSERT_ORDER,
                order_id,
                account,
                client_order_id,
                body.symbol,
                body.qty,
                body.side,
            )
        except asyncpg.UniqueViolationError as error:
            raise HTTPException(422) from error
        await connection.execute(INSERT_AUDIT, account, str(order_id))
    return {"id": str(order_id), "client_order_id": client_order_id, "status": "accepted"}
