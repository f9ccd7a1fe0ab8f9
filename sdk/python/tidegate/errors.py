"""The one exception of this package: a stable code, retry advice, what to do, and the cause.

Codes are rows of proto/errors.json; docs/errors.md lists them with what they mean.
"""

from __future__ import annotations

from tidegate._gen.errors import ERRORS
from tidegate.version import VersionMismatch


class TidegateError(Exception):
    """Everything that can go wrong with a client, a room or a publish.

    Attributes:
        code: Stable name of what went wrong, a key of docs/errors.md, e.g. ``"UNAVAILABLE"``.
        detail: A sentence for people: the value, the bound, and what to do.
        retryable: Whether the same call can succeed later.
        retry_after_ms: Least wait before the retry, milliseconds; 0 when not said.
        limit: The quota that refused, e.g. ``"connections-per-user"``; empty if none did.
        limit_value: Its value; 0 if none refused.
        trace_id: Of a publish that the gateway failed: its trace, to quote to operators; empty for
            none.
        fix: What to do about this code in general; empty for a code newer than this package.
        version_mismatch: Of ``VERSION_REFUSED``: which build is wanted, and where it is.
        __cause__: What was caught, if anything.
    """

    code: str
    detail: str
    retryable: bool
    retry_after_ms: int
    limit: str
    limit_value: int
    trace_id: str
    fix: str
    version_mismatch: VersionMismatch | None

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        limit: str = "",
        limit_value: int = 0,
        trace_id: str = "",
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(f"[{code}] {detail}")  # the code leads: one grep of any log finds it
        info = ERRORS.get(code)
        self.code = code
        self.detail = detail
        if retryable is None:
            retryable = info is not None and info.retry != "no"
        if retry_after_ms is None:
            retry_after_ms = 0 if info is None else info.retry_after_ms
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.limit = limit
        self.limit_value = limit_value
        self.trace_id = trace_id
        self.fix = "" if info is None else info.fix
        self.version_mismatch = None
        if cause is not None:
            self.__cause__ = cause


def copy_error(error: TidegateError) -> TidegateError:
    """Make a new error that says the same.

    An exception that several tasks raise would collect the tracebacks of all of them.
    """
    copy = TidegateError(
        error.code,
        error.detail,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        limit=error.limit,
        limit_value=error.limit_value,
        trace_id=error.trace_id,
        cause=error.__cause__,
    )
    copy.version_mismatch = error.version_mismatch
    return copy
