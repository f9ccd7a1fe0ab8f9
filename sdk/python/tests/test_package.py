"""The package: its wheel, its README, its types, and that generated code is current."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tidegate
from tests.server import ROOT, Server
from tidegate.options import SocketKind

FOLDER = Path(__file__).parents[1]


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def call(*command: str, cwd: Path = FOLDER) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=50, check=False)


def test_wheel_holds_the_generated_code_and_the_mark_of_types(tmp_path: Path) -> None:
    source = tmp_path / "source"
    # A copy: the build leaves folders beside the sources.
    shutil.copytree(FOLDER, source, ignore=shutil.ignore_patterns(".*", "__pycache__", "build"))
    built = call(
        *(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"),
        *("--disable-pip-version-check", "--wheel-dir", str(tmp_path / "out"), str(source)),
        cwd=tmp_path,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "out").glob("tidegate-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    assert "tidegate/py.typed" in names
    assert "tidegate/_gen/errors.py" in names
    for kind in ("py", "pyi"):
        assert f"tidegate/_gen/tidegate/client/v1/frame_pb2.{kind}" in names
    assert not any("test" in name for name in names)
    modules = {path.name for path in (FOLDER / "tidegate").glob("*.py")}
    assert {f"tidegate/{name}" for name in modules} <= names
    code = "import tidegate; print(tidegate.__file__, tidegate.__version__)"
    shown = call(sys.executable, "-c", code, cwd=tmp_path / "installed")
    assert shown.stdout.split() == [
        str(tmp_path / "installed" / "tidegate" / "__init__.py"),
        tidegate.__version__,
    ]


def test_version_is_the_same_in_package_and_project() -> None:
    project = (FOLDER / "pyproject.toml").read_text()
    assert f'\nversion = "{tidegate.__version__}"\n' in project


def test_readme_example_runs_as_it_stands(server: Server, tmp_path: Path) -> None:
    example, error = python_blocks((FOLDER / "README.md").read_text())
    assert "ws://127.0.0.1:8080/ws" in example
    script = tmp_path / "example.py"
    script.write_text(example.replace("ws://127.0.0.1:8080/ws", server.url))
    shown = call(sys.executable, "-c", f"exec(open({str(script)!r}).read())")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert re.fullmatch(r"stored at 1\.\d+\.\d+", lines[0])
    assert lines[1] == "someone says {'text': 'hello'}"
    fields = re.findall(r"error\.(\w+)", error)
    made = tidegate.TidegateError("UNAVAILABLE", "x")
    assert all(hasattr(made, field) for field in fields)


def test_readme_options_are_those_of_connect() -> None:
    text = (FOLDER / "README.md").read_text().split("## Options of `connect`")[1]
    named = set(re.findall(r"^\| (.*?) \|", text, flags=re.MULTILINE))
    options = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
    assert options == set(inspect.signature(tidegate.connect).parameters) - {"url"}


def test_everything_public_has_a_docstring() -> None:
    for name in tidegate.__all__:
        value = getattr(tidegate, name)
        if not inspect.isclass(value) and not inspect.isfunction(value):
            continue
        assert value.__doc__, name
        for member, made in vars(value).items():
            if not member.startswith("_") and (inspect.isfunction(made) or hasattr(made, "fget")):
                assert made.__doc__, f"{name}.{member}"


def test_modules_stay_within_the_house_limits() -> None:
    for file in [*(FOLDER / "tidegate").glob("*.py"), *(FOLDER / "tests").glob("*.py")]:
        assert len(file.read_text().splitlines()) <= 400, file.name


def test_generated_code_is_what_the_proto_files_give(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    protos = sorted(str(path) for path in (ROOT / "proto/tidegate/client/v1").glob("*.proto"))
    shown = call(
        *(sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT / "proto")),
        *(f"--python_out={made}", f"--pyi_out={made}", *protos),
    )
    assert shown.returncode == 0, shown.stderr
    for file in made.rglob("*_pb2.py*"):
        kept = FOLDER / "tidegate" / "_gen" / file.relative_to(made)
        text = kept.read_text().replace("from tidegate._gen.tidegate.", "from tidegate.")
        assert text == file.read_text(), f"{kept.name} is old: npm run generate"


def test_picows_missing_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, server: Server, socket: SocketKind
) -> None:
    import asyncio

    monkeypatch.setitem(sys.modules, "picows", None)
    monkeypatch.delitem(sys.modules, "tidegate.socket_picows", raising=False)

    async def main() -> None:
        if socket == "websockets":
            async with await tidegate.connect(server.url, socket=socket):
                return
        with pytest.raises(tidegate.TidegateError, match=r"tidegate\[fast\]") as caught:
            await tidegate.connect(server.url, socket=socket)
        assert caught.value.code == "OPTION_INVALID"

    asyncio.run(main())
