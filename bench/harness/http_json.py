"""One JSON request over loopback, for what surrounds the load."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_S = 15


def get_json(url: str, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Return status and decoded body of ``GET path``; status 0 when nobody answers."""
    return request_json("GET", url, path, headers)


def request_json(
    method: str, url: str, path: str, headers: Mapping[str, str], body: str = ""
) -> tuple[int, Any]:
    """Return status and decoded body of one request; status 0 when nobody answers.

    A body that is not JSON is returned as text.
    """
    address = urlsplit(url)
    connection = http.client.HTTPConnection(
        address.hostname or "127.0.0.1", address.port, timeout=_TIMEOUT_S
    )
    try:
        sent = {"Content-Type": "application/json", **headers}
        connection.request(method, path, body=body or None, headers=sent)
        response = connection.getresponse()
        text = response.read().decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except json.JSONDecodeError:
        return response.status, text
