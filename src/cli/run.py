"""``tradeplane run``: a whole system in the foreground, gone without a trace when it ends."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from types import FrameType

import msgspec
import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from actors import topology
from actors.administration import bootstrap
from cli import cluster, processes
from cli.running import Running, running_path
from cli.warden import Warden
from serve.deployments import api_application
from serve.stream_deployment import stream_application
from tradeplane.errors import ComponentUnavailable, Misconfigured
from tradeplane.settings import Settings

_READY_S = 90.0
_WATCH_S = 0.5
_PATIENCE_S = 5.0


class Run:
    """One run, from the first check to the last process.

    Args:
        settings: the installation's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._run_id = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._started = time.monotonic()
        self._parent = os.getppid()
        self._caught = (
            processes.caught_signals(self._parent) if processes.is_make(self._parent) else 0
        )

    def main(self) -> int:
        """Start, print the addresses, wait for a signal, stop; return the exit status."""
        self._listen_to_signals()
        # Whatever is written from here on, by Ray too, is nobody else's to read.
        os.umask(0o077)
        home = Path(self._settings.home)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (home / "run.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(f"another system is running in {home}") from None
            cluster.refuse_busy_ports(self._settings)
            warden = Warden(self._run_id)
            os.environ[processes.MARK] = self._run_id
            try:
                self._start()
                self._wait()
            finally:
                self._stop()
                warden.dismiss()
        return 0

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping.set()

    def _say(self, text: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - self._started:5.1f} s] {text}\n")
        sys.stdout.flush()

    def _start(self) -> None:
        self._say("starting the Ray cluster")
        address = cluster.start_cluster(self._settings)
        # Ray has put its own handlers in place, which abort the process three seconds later.
        self._listen_to_signals()
        if self._stopping.is_set():
            return
        running = Running(
            address,
            f"http://127.0.0.1:{self._settings.dashboard_port}",
            f"http://{self._settings.http_host}:{self._settings.http_port}",
            os.environ.get("RAY_AUTH_TOKEN_PATH", ""),
            os.getpid(),
            self._run_id,
        )
        running_path(self._settings).write_bytes(msgspec.json.encode(running))
        topology.start(self._settings, self._say)
        self._say("creating the first account")
        asyncio.run(bootstrap(self._settings))
        if self._stopping.is_set():
            return
        self._say("starting the API")
        self._serve()
        self._until_ready(running.api)
        if not self._stopping.is_set():
            self._say("ready")
            sys.stdout.write(_WELCOME.format(running=running, settings=self._settings))
            sys.stdout.flush()

    def _serve(self) -> None:
        # What Serve says of its own start is true and of no use to who reads this.
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(
            http_options=HTTPOptions(
                host="127.0.0.1",
                port=self._settings.serve_port,
                request_timeout_s=self._settings.request_timeout_ms / 1_000 + 5,
            ),
            logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
        )
        application = api_application(self._settings)
        serve.run(application, name="tradeplane", route_prefix="/", blocking=False)
        streams = stream_application(self._settings)
        serve.run(streams, name="streams", route_prefix="/streams", blocking=False)

    def _until_ready(self, api: str) -> None:
        deadline = time.monotonic() + _READY_S
        while not self._stopping.is_set():
            try:
                with urllib.request.urlopen(f"{api}/readyz", timeout=2) as answer:  # noqa: S310  # our own http URL
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
            if time.monotonic() > deadline:
                raise ComponentUnavailable(f"{api}/readyz did not answer within {_READY_S:.0f} s")

    def _wait(self) -> None:
        while not self._stopping.wait(_WATCH_S):
            if processes.parent_was_interrupted(self._parent, self._caught):
                return

    def _stop(self) -> None:
        self._say("stopping")
        if ray.is_initialized():
            try:
                serve.shutdown()
                topology.stop(self._settings)
            except (ray.exceptions.RayError, ConnectionError, TimeoutError) as error:
                self._say(f"the cluster did not stop in order: {error}")
            ray.shutdown()
        running_path(self._settings).unlink(missing_ok=True)
        signalled = processes.end(self._run_id, _PATIENCE_S)
        self._say(f"stopped; {signalled} processes had to be signalled")


_WELCOME = """
  API          {running.api}          (docs: {running.api}/openapi.json)
  Streams      ws://{settings.http_host}:{settings.stream_port}/stream and /v2/iex
  Serve door   http://127.0.0.1:{settings.serve_port}          (the same behind Ray Serve's proxy)
  Dashboard    {running.dashboard}          (token: {running.token_path})
  Credentials  {settings.home}/credentials.json

  The first order:

    curl -s {running.api}/v2/orders \\
      -H "APCA-API-KEY-ID: $(jq -r .key_id {settings.home}/credentials.json)" \\
      -H "APCA-API-SECRET-KEY: $(jq -r .secret_key {settings.home}/credentials.json)" \\
      -d '{{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}}'

  Ctrl-C stops everything.
"""
