"""The token of a client: asked for before each connection, and again before it ends on an open one.

One call of the token function at a time, whoever waits for it. What fails is logged and tried
again, until the gateway closes the connection.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Callable

from tidegate._gen.tidegate.client.v1 import frame_pb2
from tidegate.backoff import reconnect_delay_ms
from tidegate.connection import Connection
from tidegate.errors import TidegateError, copy_error
from tidegate.options import Token
from tidegate.wire import encode_refresh, read_error

ASK_AFTER = 0.7
"""Which part of a token's life passes before the next one is asked for."""

ASK_SPREAD = 0.15
"""What chance adds to it: clients that came together do not ask together."""

_LOG = logging.getLogger("tidegate")


class Tokens:
    """The tokens of one client."""

    def __init__(
        self, token: Token, timeout_ms: int, chance: Callable[[], float] = random.random
    ) -> None:
        self._token = token
        self._timeout_s = timeout_ms / 1000
        self._chance = chance
        self._asking: asyncio.Task[str] | None = None
        self._connection: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refresher: asyncio.Task[None] | None = None
        self._failed_count = 0

    @property
    def can_renew(self) -> bool:
        """Whether there can be a better one than the last."""
        return not isinstance(self._token, str)

    async def get(self) -> str:
        """Give a token to show.

        Raises:
            TidegateError: ``CONNECT_FAILED`` when the function raised, or hangs.
        """
        if isinstance(self._token, str):
            return self._token
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="tidegate-token")
            self._asking.add_done_callback(self._on_asked)
        try:
            return await asyncio.shield(self._asking)
        except TidegateError as error:
            raise copy_error(error) from error.__cause__

    def on_valid(self, connection: Connection, expires_in_ms: int) -> None:
        """The token shown is in force there; it ends in so long, or never (0)."""
        self._cancel_timer()
        self._connection = connection
        self._failed_count = 0
        if expires_in_ms > 0:
            part = ASK_AFTER + ASK_SPREAD * self._chance()
            self._start_in(expires_in_ms * part)

    def on_break(self) -> None:
        """There is no connection, or another one."""
        self._cancel_timer()
        self._connection = None
        if self._refresher is not None:
            self._refresher.cancel()
            self._refresher = None

    def on_expiring(self) -> None:
        """The gateway says that it ends soon, or is revoked."""
        self._cancel_timer()
        if self._refresher is None and self._connection is not None and self.can_renew:
            self._refresher = asyncio.create_task(
                self._refresh(self._connection), name="tidegate-refresh"
            )

    async def _refresh(self, connection: Connection) -> None:
        failed = None
        try:
            token = await self.get()
            failed = await self._show(connection, token)
        except TidegateError as error:
            failed = error
        finally:
            if self._refresher is asyncio.current_task():
                self._refresher = None
        if failed is None or self._connection is not connection:
            return
        _LOG.warning("the token could not be renewed: %s", failed)
        delay_ms = reconnect_delay_ms(self._failed_count, failed.retry_after_ms, self._chance())
        self._failed_count += 1
        self._start_in(delay_ms)

    async def _show(self, connection: Connection, token: str) -> TidegateError | None:
        """Send it on the open connection; tells why the gateway does not want it."""
        loop = asyncio.get_running_loop()
        replied: asyncio.Future[frame_pb2.ServerFrame | None] = loop.create_future()

        def on_reply(frame: frame_pb2.ServerFrame | None) -> None:
            if not replied.done():
                replied.set_result(frame)

        connection.request(lambda request_id: encode_refresh(request_id, token), on_reply)
        frame = await replied
        if frame is None:
            return None  # broken meanwhile: the next connection shows it
        if frame.HasField("error"):
            return read_error(frame.error)
        self.on_valid(connection, frame.refreshed.token_expires_in_ms)
        return None

    async def _ask(self) -> str:
        try:
            given = self._token() if callable(self._token) else self._token
            if inspect.isawaitable(given):
                given = await asyncio.wait_for(given, self._timeout_s)
        except (TimeoutError, asyncio.TimeoutError) as error:
            detail = f"the token function gave none within {self._timeout_s:.1f} s"
            raise TidegateError("CONNECT_FAILED", detail, cause=error) from error
        except Exception as error:
            detail = f"the token function failed: {error}"
            raise TidegateError("CONNECT_FAILED", detail, cause=error) from error
        return given

    def _on_asked(self, asked: asyncio.Task[str]) -> None:
        self._asking = None
        if not asked.cancelled():
            asked.exception()  # nobody may wait any more

    def _start_in(self, delay_ms: float) -> None:
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_ms / 1000, self.on_expiring)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
