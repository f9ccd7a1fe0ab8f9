"""Connecting on a machine that is busy being broken: tried until it works."""

from __future__ import annotations

import tidegate

TRY_MS = 5_000
"""One try; also how long a later try may take."""


async def connect(url: str) -> tidegate.Client:
    """Connect, whatever time it takes."""
    while True:
        try:
            return await tidegate.connect(url, connect_timeout_ms=TRY_MS)
        except tidegate.TidegateError as error:
            if error.code != "CONNECT_FAILED":
                raise
