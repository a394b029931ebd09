"""Which .NET is started, and what is said where none can be."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from datasette_litestream import runtime


def add_host(root: Path, version: str, name: str = "libhostfxr.so") -> None:
    """A file that is no library: the system says which one it could not load."""
    folder = root / "host" / "fxr" / version
    folder.mkdir(parents=True)
    (folder / name).write_text("no library")


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["10.0.2"], "10.0.2"),
        (["9.0.11", "10.0.2"], "10.0.2"),
        (["10.0.9", "10.0.12", "10.0.10"], "10.0.12"),
        (["10.0.12", "10.1.0"], "10.1.0"),
        (["8.0.100", "10.0.0"], "10.0.0"),
        (["10.0.0", "11.0.0-preview.1.25080.5"], "11.0.0-preview.1.25080.5"),
    ],
)
def test_the_newest_host_of_a_folder_is_taken(tmp_path: Path, versions: list[str], newest: str) -> None:
    for version in versions:
        add_host(tmp_path, version)
    with pytest.raises(OSError, match=re.escape(f"/{newest}/libhostfxr.so")):
        runtime.start_runtime(tmp_path)


def test_a_host_has_another_suffix_on_macOS(tmp_path: Path) -> None:
    add_host(tmp_path, "10.0.2", "libhostfxr.dylib")
    with pytest.raises(OSError, match=r"libhostfxr\.dylib"):
        runtime.start_runtime(tmp_path)


def test_a_folder_without_a_host_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "host" / "fxr" / "10.0.2").mkdir(parents=True)
    with pytest.raises(OSError, match="There is no host/fxr/VERSION/libhostfxr in it"):
        runtime.start_runtime(tmp_path)


def test_the_named_folder_is_in_the_message_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATASETTE_LITESTREAM_DOTNET_ROOT", "dotnet")
    with pytest.raises(RuntimeError, match=re.escape(f".NET 10 or later cannot be loaded from {tmp_path}/dotnet: ")):
        runtime.load()


def test_a_failed_load_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "first", "second":
        monkeypatch.setenv("DATASETTE_LITESTREAM_DOTNET_ROOT", str(tmp_path / name))
        with pytest.raises(RuntimeError, match=name):
            runtime.begin_loading().result()


def test_the_wheels_own_folder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATASETTE_LITESTREAM_DOTNET_ROOT")
    asked: list[Path] = []

    def start_runtime(root: Path) -> None:
        asked.append(root)
        raise OSError("not now")

    monkeypatch.setattr(runtime, "start_runtime", start_runtime)
    with pytest.raises(RuntimeError, match="not now"):
        runtime.load()
    assert asked == [Path(runtime.__file__).parent / "dotnet"]


def test_another_plugins_older_dotnet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    version = type("Version", (), {"Major": 8, "__str__": lambda self: "8.0.1"})()
    chosen = SimpleNamespace()
    loaded: list[object] = []
    monkeypatch.setitem(sys.modules, "pythonnet", SimpleNamespace(_RUNTIME=chosen, load=loaded.append))
    monkeypatch.setitem(sys.modules, "System", SimpleNamespace(Environment=SimpleNamespace(Version=version)))
    with pytest.raises(RuntimeError, match=r"other code in this process has chosen \.NET 8\.0\.1 for Python\.NET"):
        runtime.load()
    assert loaded == [chosen]
