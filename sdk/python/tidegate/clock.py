"""Server time by the client's monotonic clock (R2).

Pure: the monotonic clock's reading is an argument. The wall clock is never used: it may be wrong by
years, or jump. What comes out lags the server by the network delay, which ends budgets early, never
late.
"""

from __future__ import annotations


class ServerClock:
    """The server's time, kept between the frames that carry it."""

    __slots__ = ("_monotonic_s", "_server_us")

    def __init__(self) -> None:
        self._server_us = 0
        self._monotonic_s = 0.0

    def set(self, server_time_us: int, monotonic_s: float) -> None:
        """Take the server time of a Welcome or Pong that arrived at ``monotonic_s``."""
        self._server_us = server_time_us
        self._monotonic_s = monotonic_s

    def now_us(self, monotonic_s: float) -> int:
        """Server time at ``monotonic_s``, microseconds since 1970-01-01 UTC."""
        return self._server_us + int((monotonic_s - self._monotonic_s) * 1e6)
