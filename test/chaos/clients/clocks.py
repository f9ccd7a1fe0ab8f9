"""Time and lines of the Python clients; clients/lines.ts says what a line holds."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

_monotonic = time.monotonic
_monotonic_ns = time.monotonic_ns


def tell(**line: Any) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def now_us() -> int:
    """Now, microseconds of the machine's monotonic clock, skewed by nobody."""
    return _monotonic_ns() // 1000


def skew_clocks(wall_ms: float, rate: float) -> None:
    """Make this process's clocks wrong, as a client's may be."""
    wall = time.time
    start = _monotonic()
    time.time = lambda: wall() + wall_ms / 1000
    time.monotonic = lambda: start + (_monotonic() - start) * rate


def end_with_stdin() -> None:
    """End the process when the run that started it has gone."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
