"""What a version gate says to this build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidegate._gen.tidegate.client.v1 import version_pb2

VersionAction = Literal["ALLOW", "WARN", "READ_ONLY", "REFUSE"]

_ACTIONS: dict[int, VersionAction] = {
    version_pb2.VERSION_ACTION_ALLOW: "ALLOW",
    version_pb2.VERSION_ACTION_WARN: "WARN",
    version_pb2.VERSION_ACTION_READ_ONLY: "READ_ONLY",
    version_pb2.VERSION_ACTION_REFUSE: "REFUSE",
}


@dataclass(frozen=True, slots=True)
class VersionMismatch:
    """What a version gate has against this build.

    Attributes:
        action: ``ALLOW``: no more so. ``WARN``: go on, and tell the user. ``READ_ONLY``: publishes
            end as ``VERSION_READ_ONLY``. ``REFUSE``: the client ends with ``VERSION_REFUSED``, or
            the join of ``room`` was refused.
        version: What this client said it is.
        required: Range of semantic versions that is wanted, e.g. ``">=2.1.0"``.
        message: A sentence for the user; may be empty.
        download_url: Where a newer build is; may be empty.
        room: The room whose class wants it; empty when the whole connection is meant.
        gate: Name of the gate, for support.
    """

    action: VersionAction
    version: str
    required: str
    message: str
    download_url: str
    room: str
    gate: str


def read_mismatch(frame: version_pb2.VersionMismatch) -> VersionMismatch:
    """Read a VersionMismatch; an action that this version does not know is a warning."""
    return VersionMismatch(
        action=_ACTIONS.get(frame.action, "WARN"),
        version=frame.version,
        required=frame.required,
        message=frame.message,
        download_url=frame.download_url,
        room=frame.room,
        gate=frame.gate,
    )
