"""The port that Serve opens in every replica for calls between deployments."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import ray

_EVERYWHERE = "[::]:"
_LOOPBACK = "127.0.0.1:"


def keep_inner_door_local() -> None:
    """Keep this replica's inner port on loopback, where the node's own address is loopback.

    Serve has no setting for it: it listens on every address of the machine, behind Ray's token.
    Call it in the deployment's constructor, which runs before the port is opened. That it works
    with the pinned version of Ray is what ``tradeplane doctor`` checks. Idempotent.
    """
    from ray.serve._private import replica  # noqa: PLC0415  # only a replica has it loaded already

    if not ip_address(ray.util.get_node_ip_address()).is_loopback:
        return
    add_port = replica.add_port_to_grpc_server

    def add_local_port(server: Any, address: str) -> Any:
        return add_port(server, address.replace(_EVERYWHERE, _LOOPBACK, 1))

    replica.add_port_to_grpc_server = add_local_port
