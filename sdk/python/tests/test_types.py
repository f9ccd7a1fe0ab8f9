"""What type checkers see: mypy runs over this file, pytest only imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tidegate

if TYPE_CHECKING:
    from typing_extensions import assert_type

    async def check(client: tidegate.Client) -> None:
        """Rooms and messages carry the type of their codec."""
        room = await client.join("chat:x")
        assert_type(room, tidegate.Room[bytes])
        texts = await client.join("chat:y", codec=tidegate.text_codec, history=20)
        assert_type(texts, tidegate.Room[str])
        values = await client.join("chat:z", codec=tidegate.json_codec, after="1.2.3")
        assert_type(values, tidegate.Room[Any])
        async for event in texts:
            if isinstance(event, tidegate.Message):
                assert_type(event.data, str)
                assert_type(event.payload, bytes)
        assert_type(await texts.publish("hi"), tidegate.Ack)
        await texts.publish(b"hi")  # type: ignore[arg-type]
        await client.publish("chat:x", "hi", codec=tidegate.text_codec)
        await client.publish("chat:x", "hi")  # type: ignore[call-overload]
        page = await texts.history(limit=5)
        assert_type(page.messages, tuple[tidegate.Message[str], ...])


def test_package_says_that_it_is_typed() -> None:
    from importlib.resources import files

    assert files(tidegate).joinpath("py.typed").is_file()
