"""Which package opens a connection's socket, and its TLS."""

from __future__ import annotations

import ssl

from tidegate.errors import TidegateError
from tidegate.options import ConnectOptions
from tidegate.socket_seam import Socket, SocketHandler, SocketOptions


def tls_context(options: ConnectOptions, url: str) -> ssl.SSLContext | None:
    """The context for this URL; None where it has no TLS."""
    if not url.startswith("wss:"):
        return None
    return options.ssl or ssl.create_default_context()


async def open_socket(
    options: ConnectOptions, socket_options: SocketOptions, handler: SocketHandler
) -> Socket:
    """Open a socket with the package that the options name.

    Raises:
        TidegateError: ``OPTION_INVALID`` when it is not installed; what the package raises.
    """
    # Imported here, so that only the chosen package is loaded, and `picows` may be missing.
    if options.socket == "picows":
        try:
            from tidegate.socket_picows import open_picows
        except ImportError as error:
            raise TidegateError(
                "OPTION_INVALID",
                'socket="picows" needs the package picows; install tidegate[fast]',
                cause=error,
            ) from error
        return await open_picows(socket_options, handler)
    from tidegate.socket_websockets import open_websockets

    return await open_websockets(socket_options, handler)
