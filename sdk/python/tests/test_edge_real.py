"""Tokens, flags and version gates of a real server, as users of this package meet them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tidegate
from tests.drive import run
from tests.server import ROOT, Server
from tests.test_flags import change_of
from tests.test_tokens import reach

SECRET = b"a secret of more than thirty-two bytes"


@pytest.fixture(scope="module")
def jwt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("key") / "secret"
    file.write_bytes(SECRET)
    started = Server(tmp_path_factory.mktemp("data"), AUTH="jwt", AUTH_JWT_KEY_FILE=str(file))
    yield started
    started.kill()


def token_for(user: str, **claims: object) -> str:
    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    told = {"sub": user, "exp": int(time.time()) + 3_600, **claims}
    head = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(told).encode())
    return (head + b"." + part(hmac.new(SECRET, head, hashlib.sha256).digest())).decode()


async def control(server: Server, *args: str, text: str = "") -> str:
    """Run tidegatectl."""
    process = await asyncio.create_subprocess_exec(
        str(Path(ROOT) / "cli" / "bin" / "tidegatectl"),
        *args,
        env={"TIDEGATE_CONTROL": server.grpc, "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(text.encode())
    assert process.returncode == 0, said.decode()
    return said.decode()


def test_token_that_ends_or_is_revoked_is_renewed_on_the_open_connection(
    jwt_server: Server,
) -> None:
    async def main() -> None:
        asked: list[asyncio.Event] = [asyncio.Event() for _ in range(3)]

        def token() -> str:
            number = sum(event.is_set() for event in asked)
            asked[number].set()
            ends = {"exp": int(time.time()) + 2} if number == 0 else {}
            return token_for("ann", jti=f"ann-{number}", **ends)

        async with await tidegate.connect(jwt_server.url, token=token) as client:
            connection_id = client.connection_id
            await asked[1].wait()
            await client.publish("chat:tokens", b"x")  # its answer comes after Refreshed
            await control(jwt_server, "revocations", "create", "--token-id", "ann-1")
            await asked[2].wait()
            await client.publish("chat:tokens", b"x")
            assert client.connection_id == connection_id

    run(main())


def test_flags_are_live(jwt_server: Server) -> None:
    def define(hue: str) -> str:
        flag = {
            "state": "ENABLED",
            "variants": {"a": "grey", "b": hue},
            "defaultVariant": "a",
            "targeting": {"if": [{"==": [{"var": "client.plan"}, "pro"]}, "b"]},
        }
        return json.dumps({"metadata": {"client": True}, "flags": {"hue": flag}})

    async def main() -> None:
        await control(jwt_server, "flags", "apply", "web", "-f", "-", text=define("blue"))
        pro = {"plan": "pro"}
        token = token_for("cleo")
        async with (
            await tidegate.connect(jwt_server.url, token=token, attributes=pro) as client,
            await tidegate.connect(jwt_server.url, token=token) as other,
        ):
            assert client.flags.value("hue", "") == "blue"
            assert other.flags.value("hue", "") == "grey"
            changed = asyncio.create_task(change_of(client.flags))
            await control(jwt_server, "flags", "apply", "web", "-f", "-", text=define("green"))
            assert (await changed, client.flags.value("hue", "")) == (["hue"], "green")
            assert not client.flags.is_stale

    run(main())


def test_build_that_is_too_old_is_told_what_is_wanted(jwt_server: Server) -> None:
    gate = {
        "name": "app-2",
        "client": "app",
        "required": ">=2.0.0",
        "action": "refuse",
        "downloadUrl": "https://example.com/get",
    }

    async def main() -> None:
        token = token_for("dan")

        async def connect(version: str) -> tidegate.Client:
            url = jwt_server.url
            return await tidegate.connect(url, token=token, app_name="app", app_version=version)

        async with await connect("1.0.0") as client:
            await control(jwt_server, "gates", "apply", "-f", "-", text=json.dumps(gate))
            await reach(client, "closed")
            assert client.error is not None
            assert client.error.code == "VERSION_REFUSED"
            assert client.error.version_mismatch is not None
        with pytest.raises(tidegate.TidegateError) as caught:
            await connect("1.0.0")
        mismatch = caught.value.version_mismatch
        assert mismatch is not None
        assert (mismatch.required, mismatch.download_url) == (">=2.0.0", "https://example.com/get")
        await (await connect("2.0.0")).close()

    run(main())
