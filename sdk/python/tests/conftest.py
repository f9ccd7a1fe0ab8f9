"""Fixtures: the real server, once for each test module, and both socket implementations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server
from tidegate.options import SocketKind


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests of one module share: use an own room each, and do not kill it."""
    started = Server(tmp_path_factory.mktemp("data"))
    yield started
    started.kill()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill."""
    started = Server(tmp_path / "data")
    yield started
    started.kill()


@pytest.fixture(params=["websockets", "picows"])
def socket(request: pytest.FixtureRequest) -> SocketKind:
    """Both sockets, one after the other."""
    kind: SocketKind = request.param
    return kind


@pytest.fixture
def quick_reconnect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients connect again every 50 ms: how long they wait else is luck, and no test's matter."""
    monkeypatch.setattr("tidegate.reconnector.reconnect_delay_ms", lambda *_: 50.0)
