"""Starts the real all-in-one for end-to-end tests, and kills and restarts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NODE = ROOT / "node_modules" / ".bin" / "node"


def free_port() -> str:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Server:
    """One all-in-one on free ports, with its own data folder; restart keeps ports and folder."""

    def __init__(self, data_dir: Path, **options: str) -> None:
        self._data_dir = data_dir
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        # Not port 0: after a kill uSockets can take only a port at once that was named before.
        self._ports = {"PORT": free_port(), "CONTROL_PORT": free_port()}
        self.url = ""
        self.grpc = ""
        self.start()

    def start(self) -> None:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **self._ports,
            "HOST": "127.0.0.1",
            "DATA_DIR": str(self._data_dir),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "warn",
            "PAGE": "off",
            **self._options,
        }
        process = subprocess.Popen(
            [str(NODE), "--disable-warning=ExperimentalWarning", str(ROOT / "main.ts")],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process = process
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and '"ready"' in line:
                ready = json.loads(line)
                break
        else:
            raise AssertionError(f"the server ended with {process.wait()} before it was ready")
        self.url = ready["url"]
        self.grpc = ready["grpc"]

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """As a crash would: kill -9."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
