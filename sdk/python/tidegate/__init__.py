"""Tidegate for Python: real-time rooms that do not drop a message when something dies.

>>> async with await tidegate.connect("ws://127.0.0.1:8080/ws") as client:
...     room = await client.join("chat:lobby", history=20, codec=tidegate.text_codec)
...     await room.publish("hi")
...     async for event in room:
...         if isinstance(event, tidegate.Message):
...             print(event.data)

README.md beside this package has the semantics; docs/protocol.md of the repository the protocol.
"""

from tidegate.client import Client, connect
from tidegate.codecs import Codec, bytes_codec, json_codec, text_codec
from tidegate.errors import TidegateError
from tidegate.events import Ack, Gap, GapReason, Message, Page, PolicyChanged, RoomPolicy
from tidegate.flags import Flag, Flags
from tidegate.position import Position
from tidegate.reconnector import Status
from tidegate.room import Room
from tidegate.version import VersionMismatch

__version__ = "0.1.0"

__all__ = [
    "Ack",
    "Client",
    "Codec",
    "Flag",
    "Flags",
    "Gap",
    "GapReason",
    "Message",
    "Page",
    "PolicyChanged",
    "Position",
    "Room",
    "RoomPolicy",
    "Status",
    "TidegateError",
    "VersionMismatch",
    "__version__",
    "bytes_codec",
    "connect",
    "json_codec",
    "text_codec",
]
