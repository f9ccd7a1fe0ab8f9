"""When to connect again after a break, and whether at all.

Pure: the random number is an argument.
"""

from __future__ import annotations

_BASE_MS = 250
_CEILING_MS = 30_000

PUBLISHING_CEILING_MS = 2_000
"""The ceiling while publishes wait: they live for 20 s, and must not end unknown because the client
slept while the server was back."""

DIAL_FIRST_MS = 1_000
"""First interval of dials: 15 000 clients of one dead gateway then come at a pace that the others
can read beside what they do."""

# 250 ms x 2^7 passes the ceiling; a larger exponent would only make huge numbers.
_EXPONENT_MAX = 7

_FINAL_CODES = frozenset({1002, 1003, 1007, 1008, 1009})


def should_reconnect(close_code: int | None) -> bool:
    """Whether a connection closed with this code is worth opening again.

    4500-4999 and the codes of broken rules are final: the same would happen again. Everything else,
    also a break without a code (None), is not.
    """
    if close_code is None:
        return True
    return not (4500 <= close_code <= 4999 or close_code in _FINAL_CODES)


def reconnect_delay_ms(
    failed_tries: int,
    retry_after_ms: float,
    random: float,
    is_publishing: bool = False,
    first_ms: int = _BASE_MS,
) -> float:
    """Wait before the next try: full jitter, not less than the gateway asked for.

    Args:
        failed_tries: Tries since the last connection that got its Welcome, 0 or more.
        retry_after_ms: Of the last ErrorFrame; 0 when not said.
        random: Uniform in [0, 1).
        is_publishing: Whether publishes wait for an answer or to be sent.
        first_ms: Interval of the first try, doubled by every failed one.
    """
    most_ms = PUBLISHING_CEILING_MS if is_publishing else _CEILING_MS
    ceiling_ms = float(min(most_ms, first_ms << min(failed_tries, _EXPONENT_MAX)))
    # The jitter stays above the asked wait: else all clients sent away would come back at once.
    return retry_after_ms + random * ceiling_ms
