"""What a build makes of a platform, of Litestream's release, and of what is missing."""

from __future__ import annotations

import hashlib
import io
import platform
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hatchling.bridge.app import Application

import hatch_build

ARCHIVE = "litestream-0.5.17-linux-x86_64.tar.gz"
CONFIG = {"litestream-version": "0.5.17"}


def initialize(root: Path, version: str = "standard") -> dict[str, Any]:
    build_data: dict[str, Any] = {"force_include": {}}
    hook = hatch_build.BuildHook(str(root), CONFIG, None, None, str(root / "dist"), "wheel", Application())
    hook.initialize(version, build_data)
    return build_data


def make_release(folder: Path, archive: str = ARCHIVE, content: bytes = b"a program", name: str = "litestream", kind: bytes = tarfile.REGTYPE) -> str:
    """A release as Litestream's is: an archive, and its checksum."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / archive, "w:gz") as files:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.size = len(content) if kind == tarfile.REGTYPE else 0
        files.addfile(member, io.BytesIO(content))
    checksum = hashlib.sha256((folder / archive).read_bytes()).hexdigest()
    (folder / "checksums.txt").write_text(f"{'0' * 64}  litestream-0.5.17-linux-arm64.tar.gz\n{checksum}  {archive}\n")
    return str(folder)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Has nothing published, and gives what would have been."""
    calls: list[tuple[str, Path]] = []
    monkeypatch.setattr(hatch_build, "publish", lambda root, target, output: calls.append((target, output)))
    monkeypatch.delenv(hatch_build.RELEASE, raising=False)
    monkeypatch.delenv(hatch_build.TARGET, raising=False)
    return calls


@pytest.mark.parametrize(
    ("system", "machine", "libc", "expected"),
    [
        ("Linux", "x86_64", "glibc", "linux-x64"),
        ("Linux", "aarch64", "glibc", "linux-arm64"),
        ("Linux", "x86_64", "", "linux-musl-x64"),
        ("Linux", "aarch64", "musl", "linux-musl-arm64"),
        ("Linux", "riscv64", "glibc", "linux-riscv64"),
        ("Darwin", "x86_64", "", "osx-x64"),
        ("Darwin", "arm64", "", "osx-arm64"),
        ("Windows", "AMD64", "", "Windows-x64"),
        ("FreeBSD", "amd64", "", "FreeBSD-x64"),
    ],
)
def test_this_machine_is_named_as_dotnet_names_it(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: str, expected: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, ""))
    assert hatch_build.this_machine() == expected


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        ("linux-x64", "py3-none-manylinux_2_28_x86_64"),
        ("linux-arm64", "py3-none-manylinux_2_28_aarch64"),
        ("linux-musl-x64", "py3-none-musllinux_1_2_x86_64"),
        ("linux-musl-arm64", "py3-none-musllinux_1_2_aarch64"),
        ("osx-x64", "py3-none-macosx_10_15_x86_64"),
        ("osx-arm64", "py3-none-macosx_11_0_arm64"),
    ],
)
def test_a_wheel_has_the_tag_of_its_platform(tmp_path: Path, published: Any, monkeypatch: pytest.MonkeyPatch, target: str, tag: str) -> None:
    monkeypatch.setenv(hatch_build.TARGET, target)
    output = tmp_path / "build" / target
    assert initialize(tmp_path) == {"tag": tag, "pure_python": False, "force_include": {str(output): "datasette_litestream"}}
    assert published == [(target, output)]


def test_every_platform_is_tested() -> None:
    assert len(hatch_build.PLATFORMS) == 6


def test_another_platform_is_refused_with_a_list_of_those_there_are(tmp_path: Path, published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hatch_build.TARGET, "windows-x64")
    with pytest.raises(SystemExit, match=r"There is no build for windows-x64; DATASETTE_LITESTREAM_TARGET can be linux-x64, linux-arm64, .*osx-arm64"):
        initialize(tmp_path)
    assert not published


def test_an_editable_install_is_built_into_the_checkout(tmp_path: Path, published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hatch_build.TARGET, "linux-x64")
    assert not initialize(tmp_path, "editable")["force_include"]
    assert published == [("linux-x64", tmp_path / "python" / "datasette_litestream")]


def test_what_an_earlier_build_left_is_taken_away(tmp_path: Path, published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hatch_build.TARGET, "linux-x64")
    left = tmp_path / "build" / "linux-x64" / "bin" / "litestream"
    left.parent.mkdir(parents=True)
    left.write_text("an earlier one")
    initialize(tmp_path)
    assert not left.exists()


def test_without_a_release_the_build_says_that_it_has_no_Litestream(tmp_path: Path, published: Any, capsys: pytest.CaptureFixture[str]) -> None:
    initialize(tmp_path)
    assert hatch_build.NO_LITESTREAM in capsys.readouterr().err


def test_Litestream_is_built_in_from_a_release(tmp_path: Path, published: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hatch_build.TARGET, "linux-x64")
    monkeypatch.setenv(hatch_build.RELEASE, make_release(tmp_path / "release"))
    initialize(tmp_path)
    program = tmp_path / "build" / "linux-x64" / "bin" / "litestream"
    assert program.read_bytes() == b"a program"
    assert program.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("make", [str, lambda folder: Path(folder).as_uri(), lambda folder: f"{Path(folder).as_uri()}/"])
def test_a_release_is_a_folder_or_a_URL(tmp_path: Path, make: Any) -> None:
    assert hatch_build.litestream(make(make_release(tmp_path / "release")), ARCHIVE) == b"a program"


def test_an_archive_that_is_not_what_the_checksums_say_is_refused(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release")
    (tmp_path / "release" / ARCHIVE).write_bytes(b"something else")
    actual = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(SystemExit, match=f"has the SHA-256 {actual}, and its checksums.txt says [0-9a-f]{{64}}"):
        hatch_build.litestream(release, ARCHIVE)


def test_an_archive_without_a_checksum_is_refused(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release")
    (tmp_path / "release" / "checksums.txt").write_text("")
    with pytest.raises(SystemExit, match=r"checksums\.txt says None"):
        hatch_build.litestream(release, ARCHIVE)


@pytest.mark.parametrize("missing", [ARCHIVE, "checksums.txt"])
def test_a_release_that_is_not_whole_is_refused(tmp_path: Path, missing: str) -> None:
    release = make_release(tmp_path / "release")
    (tmp_path / "release" / missing).unlink()
    with pytest.raises(SystemExit, match=r"Litestream's release cannot be read: .* and checksums\.txt in "):
        hatch_build.litestream(release, ARCHIVE)


def test_an_archive_that_has_a_folder_for_a_program_is_refused(tmp_path: Path) -> None:
    release = make_release(tmp_path / "release", kind=tarfile.DIRTYPE)
    with pytest.raises(SystemExit, match="has no file named litestream"):
        hatch_build.litestream(release, ARCHIVE)


def test_without_a_dotnet_the_build_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"is built with the \.NET 10 SDK, and there is none"):
        hatch_build.publish(str(tmp_path), "linux-x64", tmp_path)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        # One that has but a runtime.
        ("exit 1", r"is built with the \.NET 10 SDK, and there is none"),
        ('test "$1" = --version', "The assembly could not be built"),
    ],
)
def test_a_dotnet_that_cannot_build_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, message: str) -> None:
    dotnet = tmp_path / "dotnet"
    dotnet.write_text(f"#!/bin/sh\n{program}\n")
    dotnet.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=message):
        hatch_build.publish(str(tmp_path), "linux-x64", tmp_path)


def test_what_is_published_has_the_same_permissions_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dotnet"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    file = tmp_path / "output" / "dotnet" / "shared" / "library.so"
    file.parent.mkdir(parents=True)
    file.write_text("")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    hatch_build.publish(str(tmp_path), "linux-x64", tmp_path / "output")
    assert file.stat().st_mode & 0o777 == 0o644
