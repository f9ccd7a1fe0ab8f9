"""Feature flags: as the gateway evaluated them for this client, live, and which of them were used.

Values outlive connections: the last ones known are better than none. Reading is safe from any
thread, which OpenFeature's users need; everything else belongs to the client's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tidegate._gen.tidegate.client.v1 import flag_pb2
from tidegate.connection import Connection
from tidegate.wire import encode_flag_exposures

V = TypeVar("V", bool, str, int, float, dict[str, Any])

EXPOSURE_INTERVAL_S = 10.0
"""How often it is told which variants were used."""

_EXPOSURE_COUNT_MAX = 200  # more might not fit a frame; the others wait for the next time


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag, evaluated for this client.

    Attributes:
        key: Its name.
        value: Boolean, text, number or dictionary; None when there is none: it is disabled, has no
            default, or its evaluation failed.
        variant: Name of the variant; empty where there is none.
        reason: As OpenFeature names it: STATIC, TARGETING_MATCH, DEFAULT, DISABLED or ERROR.
        version: When its set of flags was changed, milliseconds since 1970-01-01 UTC.
    """

    key: str
    value: Any
    variant: str
    reason: str
    version: int


class Flags:
    """The flags of a client: its :attr:`tidegate.Client.flags`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._by_key: dict[str, Flag] = {}
        self._exposures: dict[tuple[str, str], int] = {}
        self._callbacks: list[Callable[[list[str]], object]] = []
        self._connection: Connection | None = None
        self._version = 0
        self._is_stale = True
        self._told_stale = True
        self._known_at_s = float("-inf")
        self._is_scheduled = False

    @property
    def version(self) -> int:
        """Version of the configuration; 0 before the first."""
        return self._version

    @property
    def is_stale(self) -> bool:
        """Whether values may be old: while not connected, or the gateway hears of no changes."""
        return self._is_stale or self._connection is None

    @property
    def age_ms(self) -> float:
        """Time since a gateway, in its last word on flags, knew them to be the newest.

        Infinite before the first.
        """
        return (time.monotonic() - self._known_at_s) * 1000

    def all(self) -> list[Flag]:
        """Every flag there is. Does not count as a use."""
        return list(self._by_key.values())

    def get(self, key: str) -> Flag | None:
        """A flag with what is known of it. Counts as a use of its variant."""
        flag = self._by_key.get(key)
        if flag is not None and flag.variant:
            self._count(key, flag.variant)
        return flag

    def value(self, key: str, fallback: V) -> V:
        """The value of a flag, if it is of the fallback's type; else the fallback.

        Counts as :meth:`get` does. A whole number is also good where the fallback is a float.
        """
        flag = self.get(key)
        if flag is None or not is_of_kind(flag.value, fallback):
            return fallback
        value: V = type(fallback)(flag.value)
        return value

    def on_change(self, callback: Callable[[list[str]], object]) -> Callable[[], None]:
        """Call back with the keys whose value or variant changed, soon after it.

        With none when only :attr:`is_stale` did.

        Returns:
            A function that stops the calls.
        """
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def on_connected(self, connection: Connection) -> None:
        """Of the client: a connection got its Welcome."""
        self._connection = connection
        self._is_stale = True
        welcome = connection.welcome
        if welcome.HasField("flags"):
            self.take(welcome.flags, is_all=True)
        else:
            self._tell([])  # a gateway that knows of none

    def on_break(self) -> None:
        """Of the client: there is no connection any more."""
        self._connection = None
        self._tell([])

    def take(self, frame: flag_pb2.Flags, is_all: bool) -> None:
        """Of the client: a gateway told of flags; with ``is_all`` there are no others."""
        before = self._by_key
        after = {} if is_all else dict(before)
        for one in frame.flags:
            after[one.key] = _read_flag(one)
        self._by_key = after
        keys = [*before, *(key for key in after if key not in before)]
        self._version = frame.version
        self._is_stale = frame.stale
        self._known_at_s = time.monotonic() - frame.age_ms / 1000
        self._tell([key for key in keys if _look(before.get(key)) != _look(after.get(key))])
        self._schedule()

    def flush(self) -> None:
        """Of the client: tell which variants were used."""
        self._is_scheduled = False
        connection = self._connection
        if connection is None or not connection.is_open:
            return  # told when there is one
        with self._lock:
            told = list(self._exposures.items())[:_EXPOSURE_COUNT_MAX]
            for name, _ in told:
                del self._exposures[name]
        if told:
            connection.send(encode_flag_exposures(told))
            self._schedule()

    def _tell(self, changed: list[str]) -> None:
        if not changed and self.is_stale == self._told_stale:
            return
        self._told_stale = self.is_stale
        for callback in list(self._callbacks):
            self._loop.call_soon(callback, changed)

    def _count(self, key: str, variant: str) -> None:
        with self._lock:
            name = (key, variant)
            is_first = not self._exposures
            self._exposures[name] = self._exposures.get(name, 0) + 1
        if is_first:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the client with it
                self._loop.call_soon_threadsafe(self._schedule)

    def _schedule(self) -> None:
        if self._exposures and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_later(EXPOSURE_INTERVAL_S, self.flush)


def is_of_kind(value: object, standard: object) -> bool:
    """Whether a flag's value can stand where this one would."""
    if isinstance(value, bool) or isinstance(standard, bool):
        return isinstance(value, bool) and isinstance(standard, bool)
    if isinstance(standard, float):
        return isinstance(value, int | float)
    return isinstance(value, type(standard))


def _read_flag(flag: flag_pb2.Flag) -> Flag:
    try:
        value = json.loads(flag.value_json) if flag.value_json else None
    except ValueError:
        value = None  # as if there were none
    return Flag(flag.key, value, flag.variant, flag.reason, flag.version)


def _look(flag: Flag | None) -> tuple[object, str] | None:
    """What a change of is news; as text, or True would equal 1."""
    return None if flag is None else (json.dumps(flag.value), flag.variant)
