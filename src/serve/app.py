"""What ``import_path: serve.app:app`` names: the application for a KubeRay or ``serve deploy``."""

from __future__ import annotations

from typing import Any

from actors.topology import load_settings
from serve.deployments import api_application
from serve.stream_deployment import stream_application


def streams(arguments: dict[str, str] | None = None) -> Any:
    """Build the streams from the environment, as :func:`app` builds the API."""
    del arguments
    return stream_application(load_settings())


def app(arguments: dict[str, str] | None = None) -> Any:
    """Build the application from the environment; Serve calls this on the head node.

    Args:
        arguments: Serve's ``args``; none are used, since settings come from the environment alone.
    """
    del arguments
    return api_application(load_settings())
