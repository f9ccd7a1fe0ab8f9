"""What a refused upgrade means: an HTTP status instead of a WebSocket.

Pure. Policy refusals come as an ErrorFrame and a close; only an unknown Host or Origin and floods
are refused by status.
"""

from __future__ import annotations

from tidegate.errors import TidegateError

_BODY_SHOWN_MAX = 200


def describe_refusal(status: int, body: bytes) -> TidegateError:
    """Turn the status and body of a refused upgrade into the error to raise."""
    text = body[:_BODY_SHOWN_MAX].decode("utf-8", "replace").strip()
    said = f": {text}" if text else ""
    if status == 403:
        code = "ORIGIN_REFUSED" if "ORIGIN_REFUSED" in text else "HOST_REFUSED"
        return TidegateError(code, f"the upgrade was refused with HTTP 403{said}")
    return TidegateError("CONNECT_FAILED", f"the upgrade was answered with HTTP {status}{said}")
