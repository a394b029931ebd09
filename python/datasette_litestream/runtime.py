"""Loads the .NET runtime and the assembly, once a process, and carries calls to the assembly."""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .errors import StartupError

NAMESPACE = "Datasette.Litestream"
FOLDER = Path(__file__).parent / "assembly"
# The runtime that the wheel carries, laid out like an installed .NET, and the variable that names another.
PRIVATE_ROOT = Path(__file__).parent / "dotnet"
ROOT_VARIABLE = "DATASETTE_LITESTREAM_DOTNET_ROOT"

# See EntryPoint.cs: where the answer is and how long, before the call; and what the number says that comes back.
ANSWER = struct.Struct("@Nq")
SUCCESS, REFUSED = 0, 1

Function = Callable[[bytearray], int]


class ReplicationError(Exception):
    """Replication cannot start or go on; the message is for the user."""


@dataclass(frozen=True)
class Assembly:
    """``EntryPoint``'s functions, and what they live by: a ``clr_loader.Runtime`` that is dropped is shut down."""

    runtime: Any
    call: Function
    free: Function


def call(*parts: str) -> str:
    """Calls the assembly with a method's name and its arguments, as ``EntryPoint.Call`` has them, and gives its answer.

    Blocks, without holding the GIL, until the assembly has answered.
    """
    assembly = begin_loading().result()
    buffer = bytearray(ANSWER.size) + json.dumps(parts).encode()
    code = assembly.call(buffer)
    address, length = ANSWER.unpack_from(buffer)
    answer = ctypes.string_at(address, length).decode()
    assembly.free(buffer)
    if code == REFUSED:
        raise ReplicationError(answer)
    if code != SUCCESS:
        raise RuntimeError(answer)
    return answer


@cache
def begin_loading() -> Future[Assembly]:
    """Loads the assembly on a thread of its own, beside whatever else Datasette does at its start."""
    loading: Future[Assembly] = Future()

    def run() -> None:
        try:
            loading.set_result(load())
        except BaseException as error:
            loading.set_exception(error)

    threading.Thread(target=run, name="datasette-litestream loads .NET", daemon=True).start()
    return loading


def load() -> Assembly:
    from clr_loader import get_coreclr

    root = root_of_loaded_runtime() or Path(os.environ.get(ROOT_VARIABLE) or PRIVATE_ROOT)
    try:
        runtime = get_coreclr(runtime_config=FOLDER / f"{NAMESPACE}.runtimeconfig.json", dotnet_root=root)
        assembly = runtime.get_assembly(FOLDER / f"{NAMESPACE}.dll")
        functions = (assembly.get_function(f"{NAMESPACE}.EntryPoint", name) for name in ("Call", "Free"))
        return Assembly(runtime, *functions)
    except Exception as error:
        raise StartupError(f"datasette-litestream cannot load .NET 10 or later from {root}: {error}") from None


def root_of_loaded_runtime() -> Path | None:
    """Where the runtime is from that Python.NET has loaded for somebody else: a process can have but one."""
    pythonnet = sys.modules.get("pythonnet")
    info = pythonnet and pythonnet.get_runtime_info()
    if not info:
        return None
    if info.kind != "CoreCLR":
        raise StartupError(
            f"datasette-litestream needs .NET 10 or later, and something else in this process has loaded {info.kind} "
            "through Python.NET. Have it load .NET 10, or run it in another process."
        )
    # ROOT/shared/Microsoft.NETCore.App/VERSION/Microsoft.NETCore.App.deps.json
    return Path(info.properties["FX_DEPS_FILE"]).parents[3]
