"""Starts `tradeplane run` as a user would, on free ports, and stops it by its process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

START_S = 150.0
STOP_S = 60.0


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class RunningSystem:
    """One `tradeplane run` with a home of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        http, serve, dashboard, stream = free_ports(4)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TRADEPLANE_")},
            "TRADEPLANE_HOME": str(home),
            "TRADEPLANE_HTTP_PORT": str(http),
            "TRADEPLANE_SERVE_PORT": str(serve),
            "TRADEPLANE_DASHBOARD_PORT": str(dashboard),
            "TRADEPLANE_STREAM_PORT": str(stream),
            "TRADEPLANE_RATE_LIMIT_PER_MINUTE": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(home / "ray_token"),
            **settings,
        }
        self.environment.pop("RAY_ADDRESS", None)
        self.url = f"http://127.0.0.1:{http}"
        self.door_url = f"http://127.0.0.1:{serve}"
        self.dashboard_url = f"http://127.0.0.1:{dashboard}"
        self.stream_url = f"ws://127.0.0.1:{stream}/stream"
        self.command = [str(Path(sys.executable).parent / "tradeplane"), "run"]
        self.output: list[str] = []

    def start(self) -> RunningSystem:
        self.home.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        deadline = time.monotonic() + START_S
        while not any("] ready" in line for line in self.output):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError("the system did not start:\n" + "".join(self.output))
            time.sleep(0.1)
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self.output.append(line)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the process and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the system did not stop:\n" + "".join(self.output)) from None
        self._reader.join(5)
        return status

    @property
    def credentials(self) -> dict[str, str]:
        return dict(json.loads((self.home / "credentials.json").read_text()))

    @property
    def headers(self) -> dict[str, str]:
        return {
            "APCA-API-KEY-ID": self.credentials["key_id"],
            "APCA-API-SECRET-KEY": self.credentials["secret_key"],
        }

    def cli(self, *arguments: str) -> str:
        """Run another `tradeplane` command in the same home."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "tradeplane"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pids(self, title: str) -> list[int]:
        """Return this system's processes whose title starts with *title*."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            ours = f"TRADEPLANE_HOME={self.home}".encode() in environment
            if ours and command.startswith(title):
                found.append(int(entry.name))
        return found

    def kill(self, title: str) -> int:
        """Kill one process by SIGKILL and return its id."""
        deadline = time.monotonic() + 30
        while not (pids := self.pids(title)):
            assert time.monotonic() < deadline, f"no process is called {title}"
            time.sleep(0.05)
        os.kill(pids[0], signal.SIGKILL)
        return pids[0]

    def get(self, path: str) -> dict[str, object]:
        request = urllib.request.Request(self.url + path, headers=self.headers)
        with urllib.request.urlopen(request, timeout=15) as answer:
            return dict(json.loads(answer.read()))
