"""R5, the chain: whether a durable message is the next one, an old one, or shows a gap.

Pure. A member knows the position of the last message it took; each message names the one before it
in its room and epoch, so one look decides.
"""

from __future__ import annotations

from typing import Literal

from tidegate.position import Position

ChainVerdict = Literal["next", "old", "gap"]


def judge_chain(reached: Position, position: Position, prev_seq: int) -> ChainVerdict:
    """Judge a message against the position reached: ``next`` while prev <= reached < seq.

    A message of a later epoch follows: the gateway sends it only after the end of the old one.
    """
    if position.epoch < reached.epoch:
        return "old"
    if position.epoch > reached.epoch:
        return "next"
    if position.seq <= reached.seq:
        return "old"
    return "next" if prev_seq <= reached.seq else "gap"
