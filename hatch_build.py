"""Builds the .NET assembly into the Python package, for a wheel and for an editable install alike."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROJECT = "dotnet/Datasette.Litestream/Datasette.Litestream.csproj"
OUTPUT = "python/datasette_litestream/dotnet"
NO_SDK = (
    "datasette-litestream is built with the .NET 10 SDK, and there is no `dotnet` on PATH. "
    "Install it from https://dotnet.microsoft.com/download/dotnet/10.0, or install a wheel instead."
)


class DotnetPublish(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if shutil.which("dotnet") is None:
            raise SystemExit(NO_SDK)
        output = Path(self.root, OUTPUT)
        shutil.rmtree(output, ignore_errors=True)
        subprocess.run(
            [
                "dotnet", "publish", PROJECT, "--verbosity", "quiet",
                "--configuration", "Release", "--runtime", runtime_identifier(), f"--property:PublishDir={output}/",
            ],
            cwd=self.root,
            check=True,
        )  # fmt: skip
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def runtime_identifier() -> str:
    """.NET's name for this platform, such as linux-x64: what the assembly is precompiled for."""
    system = {"Linux": "linux", "Darwin": "osx"}[platform.system()]
    if system == "linux" and platform.libc_ver()[0] != "glibc":
        system = "linux-musl"
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]
    return f"{system}-{machine}"
