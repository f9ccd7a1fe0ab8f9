"""Whether a silent connection is asked, waited for, or given up.

Pure. A connection is asked (Ping) after a third of the idle time without any frame, and broken
after all of it. A process that was stopped wakes with an old last frame and unread bytes: it asks
once more before it gives up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Health:
    """What is known of a connection's silence; times are of one monotonic clock, seconds."""

    last_frame_s: float
    first_ping_s: float = float("-inf")
    last_ping_s: float = float("-inf")

    def note_ping(self, now_s: float) -> None:
        """A Ping is sent, by the health check or by the application.

        The first since the last frame is kept: an application that pings often must not hide the
        silence.
        """
        if self.last_ping_s < self.last_frame_s:
            self.first_ping_s = now_s
        self.last_ping_s = now_s


@dataclass(frozen=True, slots=True)
class HealthVerdict:
    """What to do now, and in how many seconds to look again."""

    action: Literal["wait", "ping", "break"]
    wait_s: float


def judge_health(health: Health, idle_timeout_s: float, now_s: float) -> HealthVerdict:
    """Decide what a connection's silence asks for at ``now_s``."""
    ping_after_s = idle_timeout_s / 3
    silent_s = now_s - health.last_frame_s
    if silent_s < ping_after_s:
        return HealthVerdict("wait", ping_after_s - silent_s)
    asked_s = now_s - health.last_ping_s
    is_asked = health.last_ping_s >= health.last_frame_s
    if is_asked and silent_s >= idle_timeout_s and now_s - health.first_ping_s >= ping_after_s:
        return HealthVerdict("break", 0)
    if not is_asked or asked_s >= ping_after_s:
        return HealthVerdict("ping", ping_after_s)
    return HealthVerdict("wait", ping_after_s - asked_s)
