"""Calls to actors by name: bytes in, bytes out, and this project's errors instead of Ray's."""

from __future__ import annotations

import asyncio
from typing import Any

import ray
import structlog
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError, RayError

from tradeplane.errors import ComponentUnavailable, OutcomeUnknown

NAMESPACE = "tradeplane"
log = structlog.get_logger()


class ActorPort:
    """One named actor, found again whenever its handle goes stale.

    Args:
        actor_name: its name in the namespace ``tradeplane``.
        timeout_s: longest time one call may take.
    """

    def __init__(self, actor_name: str, timeout_s: float) -> None:
        self.actor_name = actor_name
        self._timeout_s = timeout_s
        self._handle: Any = None

    async def call(self, method: str, payload: bytes) -> bytes:
        """Call *method* with *payload*.

        Raises:
            ComponentUnavailable: the actor does not exist (yet); nothing was done.
            OutcomeUnknown: the call may have run.
        """
        try:
            if self._handle is None:
                # The look-up asks the head node; off the loop, so that others go on meanwhile.
                self._handle = await asyncio.to_thread(
                    ray.get_actor, self.actor_name, namespace=NAMESPACE
                )
            reference = getattr(self._handle, method).remote(payload)
            return await asyncio.wait_for(reference, self._timeout_s)
        except ValueError as error:
            raise ComponentUnavailable(f"{self.actor_name} is not running; try again") from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"{self.actor_name} did not answer in time") from error
        except ActorUnavailableError as error:
            raise OutcomeUnknown(f"{self.actor_name} is restarting; try again") from error
        except ActorDiedError as error:
            self._handle = None
            raise OutcomeUnknown(f"{self.actor_name} died; try again") from error
        except RayActorError as error:
            raise OutcomeUnknown(f"{self.actor_name} failed; try again") from error
        except RayError as error:
            log.exception("actor call failed", actor=self.actor_name, method=method)
            raise OutcomeUnknown(f"{self.actor_name} failed; it was logged") from error
