"""Positions: where a message stands in a durable room, and their text form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidegate.errors import TidegateError

_TEXT = re.compile(r"([0-9]{1,10})\.([0-9]{1,16})\.([0-9]{1,16})")
_EPOCH_MAX = 0xFFFF_FFFF
_SEQ_MAX = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """Where a message stands in its room. Opaque: keep it, hand it back, compare for equality.

    ``str(position)`` is the text form ``"<epoch>.<seq>.<time_us>"``; :meth:`parse` reads it back.

    Attributes:
        epoch: Counts the owners the room's slot has had, 1 or more.
        seq: Rises within a room and epoch, 1 or more; not contiguous.
        time_us: When the message was stored, microseconds since 1970-01-01 UTC.
    """

    epoch: int
    seq: int
    time_us: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}.{self.time_us}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read the text form back.

        Raises:
            TidegateError: ``REQUEST_INVALID`` when it is not three numbers in range.
        """
        match = _TEXT.fullmatch(text)
        if match is not None:
            epoch, seq, time_us = (int(part) for part in match.groups())
            if 1 <= epoch <= _EPOCH_MAX and 1 <= seq <= _SEQ_MAX:
                return cls(epoch, seq, time_us)
        raise TidegateError(
            "REQUEST_INVALID",
            f'position {text[:60]!r} is not "<epoch>.<seq>.<time_us>"; '
            "pass one that was printed or received",
        )
