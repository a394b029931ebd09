"""Builds what is not Python into the package: the assembly, a .NET runtime to run it, and Litestream where it is given."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROJECT = "dotnet/PrivateRuntime/PrivateRuntime.csproj"
PACKAGE = "python/datasette_litestream"
BUILT = ("assembly", "bin", "dotnet")

# The platform to build for, if not this machine's; a key of PLATFORMS.
TARGET = "DATASETTE_LITESTREAM_TARGET"
# The folder or the URL of Litestream's release: its archives and their checksums.txt.
RELEASE = "DATASETTE_LITESTREAM_RELEASE"

# .NET's name of a platform, the wheel's, and Litestream's.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "linux-x86_64"),
    "linux-arm64": ("manylinux_2_28_aarch64", "linux-arm64"),
    "linux-musl-x64": ("musllinux_1_2_x86_64", "linux-x86_64"),
    "linux-musl-arm64": ("musllinux_1_2_aarch64", "linux-arm64"),
    "osx-x64": ("macosx_10_15_x86_64", "darwin-x86_64"),
    "osx-arm64": ("macosx_11_0_arm64", "darwin-arm64"),
}

NO_SDK = (
    "datasette-litestream is built with the .NET 10 SDK, and there is none behind the `dotnet` on PATH. "
    "Install it from https://dotnet.microsoft.com/download/dotnet/10.0, or install a wheel instead."
)
NO_LITESTREAM = (
    f"Litestream is not built in, so the plugin will run the one beside Python or on PATH; {RELEASE} names a release to build in."
)


class BuildHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = os.environ.get(TARGET) or this_machine()
        if target not in PLATFORMS:
            raise SystemExit(f"There is no build for {target}; {TARGET} can be {', '.join(PLATFORMS)}.")
        wheel_platform, litestream_platform = PLATFORMS[target]
        # An editable install runs from the checkout; a wheel leaves it alone.
        output = Path(self.root, PACKAGE if version == "editable" else f"build/{target}")
        for folder in BUILT:
            shutil.rmtree(output / folder, ignore_errors=True)
        release = os.environ.get(RELEASE)
        if release:
            archive = f"litestream-{self.config['litestream-version']}-{litestream_platform}.tar.gz"
            program = output / "bin" / "litestream"
            program.parent.mkdir(parents=True)
            program.write_bytes(litestream(release, archive))
            program.chmod(0o755)
        else:
            self.app.display_warning(NO_LITESTREAM)
        publish(self.root, target, output)
        if version != "editable":
            build_data["force_include"][str(output)] = "datasette_litestream"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{wheel_platform}"


def this_machine() -> str:
    """Names this machine's platform as PLATFORMS does; it may be one that is not in there."""
    system = {"Linux": "linux", "Darwin": "osx"}.get(platform.system(), platform.system())
    if system == "linux" and platform.libc_ver()[0] != "glibc":
        system = "linux-musl"
    machine = platform.machine().lower()
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(machine, machine)
    return f"{system}-{machine}"


def publish(root: str, target: str, output: Path) -> None:
    # The folder's global.json says which SDK; a `dotnet` may have but a runtime.
    has_sdk = shutil.which("dotnet") and subprocess.run(["dotnet", "--version"], cwd=root, capture_output=True).returncode == 0
    if not has_sdk:
        raise SystemExit(NO_SDK)
    published = subprocess.run(
        [
            "dotnet", "publish", PROJECT, "--verbosity", "quiet",
            "--configuration", "Release", "--runtime", target, f"--property:PublishDir={output}/",
            # They check the source, which every build of the solution has done.
            "--property:RunAnalyzers=false",
        ],
        cwd=root,
        check=False,
    )  # fmt: skip
    if published.returncode:
        raise SystemExit("The assembly could not be built; what `dotnet publish` said is above.")
    for file in (output / "dotnet").rglob("*"):
        if file.is_file():
            # Not as NuGet unpacked it: that is another matter on another machine.
            file.chmod(0o644)


def litestream(release: str, archive: str) -> bytes:
    """The program in an archive of Litestream's release."""
    base = release.rstrip("/") if "://" in release else Path(release).resolve().as_uri()
    try:
        content, checksums = (urlopen(f"{base}/{name}").read() for name in (archive, "checksums.txt"))
    except OSError as error:
        raise SystemExit(f"Litestream's release cannot be read: {archive} and checksums.txt in {release}: {error}") from None
    listed = {name: checksum for checksum, name in map(str.split, checksums.decode().splitlines())}.get(archive)
    actual = hashlib.sha256(content).hexdigest()
    if actual != listed:
        raise SystemExit(f"{archive} in {release} has the SHA-256 {actual}, and its checksums.txt says {listed}.")
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        if (program := files.extractfile("litestream")) is None:
            raise SystemExit(f"{archive} in {release} has no file named litestream.")
        return program.read()
