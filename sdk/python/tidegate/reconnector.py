"""The life of a client over many connections: connect, wait, connect again; and its status.

One task runs it. What a connection is used for is session.py's matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from tidegate._gen.tidegate.client.v1 import session_pb2
from tidegate.backoff import (
    DIAL_FIRST_MS,
    PUBLISHING_CEILING_MS,
    reconnect_delay_ms,
    should_reconnect,
)
from tidegate.connection import CloseError, CloseFacts, Connection, Dial, FrameTaker
from tidegate.errors import TidegateError, copy_error
from tidegate.options import ConnectOptions
from tidegate.tokens import Tokens

Status = Literal["connecting", "connected", "reconnecting", "closed"]
"""``connecting``: the first time. ``reconnecting``: after a break. ``closed``: for good."""

STABLE_S = 1.0
"""A connection that a gateway closes sooner after its Welcome counts as a failed try, so that one
that always closes at once is not asked four times a second."""

_CLOSE_WAIT_S = 2.0

MOVE_TIMEOUT_MS = 5_000
"""A move whose Welcome takes longer is given up: the address may be dead."""

_FINAL_CODES = frozenset(
    {"HOST_REFUSED", "ORIGIN_REFUSED", "OPTION_INVALID", "PROTOCOL_UNSUPPORTED"}
)


class ConnectionUser(FrameTaker, Protocol):
    """What the reconnector tells and asks, beside what the connection does."""

    @property
    def is_publishing(self) -> bool:
        """Whether publishes wait for an answer or to be sent, that are not known as ephemeral."""

    def on_connected(self, connection: Connection) -> None:
        """A connection got its Welcome."""

    async def settle(self) -> None:
        """A move's Hello is next: have answered what is open."""

    def on_stayed(self) -> None:
        """The move has failed, and the connection is still there."""

    def on_left(self) -> None:
        """Another connection takes the place of the present one."""

    def on_ended(self, error: TidegateError) -> None:
        """No connection will be opened any more: by the user (``CLOSED``), or by a refusal."""


class Reconnector:
    """Keeps one connection open.

    Attributes:
        status: See `Status`.
        connection: The open one, or None.
        error: Of the last connection or try that ended; None before.
        tokens: What is shown to gateways.
    """

    def __init__(self, options: ConnectOptions, producer_key: bytes, user: ConnectionUser) -> None:
        self.status: Status = "connecting"
        self.connection: Connection | None = None
        self.error: TidegateError | None = None
        self.tokens = Tokens(options.token, options.connect_timeout_ms)
        self._options = options
        self._producer_key = producer_key
        self._user = user
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[CloseFacts] = self._loop.create_future()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._callbacks: list[Callable[[Status], object]] = []
        self._runner: asyncio.Task[None] | None = None
        self._hasten = asyncio.Event()
        self._session_token = b""
        self._dial_count = 0
        self._mover: asyncio.Task[None] | None = None
        self._moving: Connection | None = None

    async def start(self) -> None:
        """Connect for the first time.

        Raises:
            TidegateError: The refusal, when it is final; ``CONNECT_FAILED`` when nobody answered
                within the connect timeout, after as many tries as fit.
        """
        self._runner = asyncio.create_task(self._run(), name="tidegate-session")
        try:
            await self.wait_connected(self._options.connect_timeout_ms)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection and open none any more."""
        self._end(TidegateError("CLOSED", "the client was closed"))
        connection = self.connection
        if connection is not None:
            connection.close(1000)
            await asyncio.wait([self._closed], timeout=_CLOSE_WAIT_S)
            if not self._closed.done():
                connection.abort()
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner], timeout=_CLOSE_WAIT_S)

    def check_open(self) -> None:
        """Raise why the client has ended, if it has."""
        if self.status == "closed":
            raise copy_error(self.error or TidegateError("CLOSED", "the client was closed"))

    async def wait_connected(self, timeout_ms: float) -> None:
        """Wait for a connection.

        Raises:
            TidegateError: Why the client ended, or ``CONNECT_FAILED`` with the last try's cause.
        """
        self.check_open()
        try:
            await asyncio.wait_for(asyncio.shield(self._connected), timeout_ms / 1000)
        except (TimeoutError, asyncio.TimeoutError):
            last = self.error
            said = "" if last is None else f": {last.detail}"
            raise TidegateError(
                "CONNECT_FAILED",
                f"no connection to {self._options.url} within {timeout_ms:.0f} ms{said}",
                cause=last,
            ) from last
        except TidegateError as error:
            raise copy_error(error) from error.__cause__

    def on_status(self, callback: Callable[[Status], object]) -> Callable[[], None]:
        """Call back at each change of `status`; gives a function that stops it."""
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def hasten(self) -> None:
        """A publish came: a long wait for the next try is cut short."""
        if self.connection is None:
            self._hasten.set()

    def on_closed(self, connection: Connection, facts: CloseFacts) -> bool:
        """Of a connection, by way of its user: it is gone. Tells whether it was the present one."""
        if connection is self._moving:
            return False  # `_try_move` sees it
        self.connection = None
        self.tokens.on_break()
        if self._moving is not None:
            # Taken over by that one, or closed while it is on its way: it decides now.
            self.error = facts.error
            self._lose()
        elif not self._closed.done():
            self._cancel_move()
            self._closed.set_result(facts)
        return True

    def take_go_away(self, frame: session_pb2.GoAway) -> None:
        """The gateway wants this client to go: it moves in its time slot."""
        if self._moving is not None or self.connection is None:
            return
        url = move_url(frame.target, self.connection.welcome.targets, self._options.url)
        self._cancel_move()
        self._mover = asyncio.create_task(self._move(url, frame.delay_ms), name="tidegate-move")

    async def _move(self, url: str, delay_ms: float) -> None:
        """Connect there before leaving here; what fails is tried again where the client began."""
        failed_tries = 0
        while True:
            await asyncio.sleep(delay_ms / 1000)
            facts = await self._try_move(url)
            if facts is None or self._is_ended():
                return
            if self.connection is None:
                if not self._closed.done():
                    self._closed.set_result(facts)
                return
            self._user.on_stayed()
            if self._is_final(facts):
                return  # this gateway took the client, and says when it ends
            failed_tries += 1
            target = redirect_url(facts, url, self._options.url)
            url = target or self._options.url
            if target and facts.redirect is not None:
                delay_ms = facts.redirect.delay_ms
            else:
                delay_ms = self._delay_ms(failed_tries, facts.error.retry_after_ms)

    async def _try_move(self, url: str) -> CloseFacts | None:
        """Open a connection there, and leave the present one; tells what failed."""
        connection = Connection(self._user)
        self._moving = connection
        try:
            facts = await self._open(connection, url, MOVE_TIMEOUT_MS, self._user.settle)
        finally:
            self._moving = None
        if facts is not None:
            return facts
        if not connection.is_open or self._is_ended():
            connection.close(1000)
            return CloseFacts(None, TidegateError("CONNECT_FAILED", "it ended after its Welcome"))
        if self.connection is not None:
            self.connection.leave()
            self._user.on_left()
        self._adopt(connection)
        return None

    def _adopt(self, connection: Connection) -> None:
        self.connection = connection
        self._session_token = connection.welcome.session_token
        self.tokens.on_break()
        self.tokens.on_valid(connection, connection.welcome.token_expires_in_ms)
        self._user.on_connected(connection)
        connection.start()
        if not self._connected.done():
            self._connected.set_result(None)
        self._set_status("connected")

    def _lose(self) -> None:
        """Nobody may count on a connection until there is one again."""
        if self._connected.done():
            self._connected = self._loop.create_future()
            self._set_status("reconnecting")

    def _cancel_move(self) -> None:
        if self._mover is not None:
            self._mover.cancel()
            self._mover = None

    async def _run(self) -> None:
        failed_tries = 0
        url = self._options.url
        while True:
            facts, was_stable = await self._run_connection(url)
            if self._is_ended():
                return
            self.error = facts.error
            if self._is_final(facts):
                self._end(facts.error)
                return
            failed_tries = 0 if was_stable else failed_tries + 1
            self._lose()
            target = redirect_url(facts, url, self._options.url)
            url = target or self._options.url
            if target and facts.redirect is not None:
                await asyncio.sleep(facts.redirect.delay_ms / 1000)
            else:
                await self._pause(max(failed_tries - 1, 0), facts.error.retry_after_ms)

    async def _pause(self, failed_tries: int, retry_after_ms: float) -> None:
        """Wait before the next try; a publish that comes meanwhile makes it shorter."""
        now_s = self._loop.time()
        least_s = now_s + retry_after_ms / 1000
        due_s = now_s + self._delay_ms(failed_tries, retry_after_ms) / 1000
        while now_s < due_s:
            self._hasten.clear()
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(self._hasten.wait(), due_s - now_s)
            now_s = self._loop.time()
            rest_ms = max(least_s - now_s, 0.0) * 1000
            is_long = (due_s - now_s) * 1000 > rest_ms + PUBLISHING_CEILING_MS
            if is_long and self._user.is_publishing:
                due_s = now_s + self._delay_ms(failed_tries, rest_ms) / 1000

    def _delay_ms(self, failed_tries: int, retry_after_ms: float) -> float:
        is_publishing = self._user.is_publishing
        chance = random.random()
        return reconnect_delay_ms(
            failed_tries, retry_after_ms, chance, is_publishing, DIAL_FIRST_MS
        )

    async def _run_connection(self, url: str) -> tuple[CloseFacts, bool]:
        """Open one and live through it; tells how it ended and whether it had lasted."""
        self._closed = self._loop.create_future()
        connection = Connection(self._user)
        options = self._options
        failed = await self._open(connection, url, options.connect_timeout_ms, None)
        if failed is not None:
            return failed, False
        started_s = self._loop.time()
        if self._is_ended():  # closed while opening; before Python 3.12 wait_for loses the cancel
            connection.close(1000)
        elif connection.is_open:  # else it ended between its Welcome and here
            self._adopt(connection)
        facts = await self._closed
        return facts, facts.code is None or self._loop.time() - started_s >= STABLE_S

    async def _open(
        self,
        connection: Connection,
        url: str,
        timeout_ms: float,
        settle: Callable[[], Awaitable[None]] | None,
    ) -> CloseFacts | None:
        """Say Hello there, with a fresh token; tells what failed."""
        try:
            token = await self.tokens.get()
            self._dial_count += 1
            who = (self._producer_key, self._session_token, self._dial_count)
            await connection.open(self._options, Dial(url, token, *who, timeout_ms, settle))
        except CloseError as error:
            return error.facts
        except TidegateError as error:
            return CloseFacts(None, error)
        return None

    def _end(self, error: TidegateError) -> None:
        if self.status == "closed":
            return
        self._set_status("closed")
        self.error = error
        self._cancel_move()
        self.tokens.on_break()
        self._user.on_ended(error)
        if not self._connected.done():
            self._connected.set_exception(error)
            self._connected.exception()  # nobody may be waiting

    def _is_final(self, facts: CloseFacts) -> bool:
        """Whether trying again would only meet the same."""
        if facts.error.code == "TOKEN_EXPIRED" and not self.tokens.can_renew:
            return True
        if facts.code is not None:
            return not should_reconnect(facts.code)
        return facts.error.code in _FINAL_CODES

    def _is_ended(self) -> bool:
        return self.status == "closed"

    def _set_status(self, status: Status) -> None:
        if status == self.status:
            return
        self.status = status
        for callback in list(self._callbacks):
            self._loop.call_soon(callback, status)


def move_url(target: str, targets: Sequence[str], url: str) -> str:
    """Where a GoAway leads.

    Args:
        target: Of the GoAway.
        targets: Of Welcome: to no other one, nor from TLS to none, which would show the token.
        url: Where the client began; it goes back there instead.
    """
    return target if _is_safe(target, url) and target in targets else url


def redirect_url(facts: CloseFacts, dialled: str, url: str) -> str | None:
    """Where a Redirect leads: one hop from where the client began, and never from TLS to none.

    Args:
        facts: How the connection ended that had none or one.
        dialled: Who sent it.
        url: Where the client began.
    """
    if facts.redirect is None or dialled != url:
        return None
    target = facts.redirect.target
    return target if target.startswith(("ws://", "wss://")) and _is_safe(target, url) else None


def _is_safe(target: str, url: str) -> bool:
    return target.startswith("wss:") or not url.startswith("wss:")
