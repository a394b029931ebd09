"""Loads the .NET runtime and the assembly, once a process, and carries calls to the assembly."""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
import threading
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

# What EntryPoint.Call returns.
SUCCESS, REFUSED = 0, 1

# hostfxr.h and coreclr_delegates.h, https://learn.microsoft.com/dotnet/core/tutorials/netcore-hosting
LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER = 5
UNMANAGED_CALLERS_ONLY = ctypes.c_void_p(-1)
ErrorWriter = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
LoadFunction = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
Call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p)
Free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class InitializeParameters(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("host_path", ctypes.c_char_p), ("dotnet_root", ctypes.c_char_p)]


class ReplicationError(Exception):
    """Replication cannot start or go on; the message is for the user."""


@dataclass(frozen=True)
class Assembly:
    """The functions of ``EntryPoint``."""

    call: Any
    free: Any


def call(*parts: str) -> str:
    """Calls the assembly with a method's name and its arguments, as ``EntryPoint.Call`` has them, and gives its answer.

    Blocks, without holding the GIL, until the assembly has answered.
    """
    assembly = begin_loading().result()
    request = json.dumps(parts).encode()
    address, size = ctypes.c_void_p(), ctypes.c_ssize_t()
    code = assembly.call(request, len(request), ctypes.byref(address), ctypes.byref(size))
    answer = ctypes.string_at(address, size.value).decode()
    assembly.free(address)
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
    # Absolute: the host looks for some of its files in the working directory, and for others beside itself.
    root = root_of_loaded_runtime() or Path(os.environ.get(ROOT_VARIABLE) or PRIVATE_ROOT).absolute()
    errors: list[str] = []
    try:
        load_function = start_runtime(root, errors)
        return Assembly(Call(find(load_function, "Call")), Free(find(load_function, "Free")))
    except OSError as error:
        reason = " ".join(errors) or str(error)
        raise StartupError(f"datasette-litestream cannot load .NET 10 or later from {root}: {reason}") from None


def start_runtime(root: Path, errors: list[str]) -> Any:
    """What loads an assembly's functions; ``errors`` gets what the host says where it fails.

    Not through clr_loader: reading C declarations at run time, as it does, takes a tenth of Datasette's whole start.
    """
    hosts = sorted(root.glob("host/fxr/*/libhostfxr.*"), key=lambda path: version(path.parent.name))
    if not hosts:
        raise FileNotFoundError("There is no host/fxr/VERSION/libhostfxr in it.")
    host = ctypes.CDLL(str(hosts[-1]))
    write_error = ErrorWriter(lambda line: errors.append(os.fsdecode(line)))
    host.hostfxr_set_error_writer(write_error)
    try:
        context, load_function = ctypes.c_void_p(), ctypes.c_void_p()
        parameters = InitializeParameters(ctypes.sizeof(InitializeParameters), None, os.fsencode(root))
        config = os.fsencode(FOLDER / f"{NAMESPACE}.runtimeconfig.json")
        check(host.hostfxr_initialize_for_runtime_config(config, ctypes.byref(parameters), ctypes.byref(context)))
        kind = LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER
        check(host.hostfxr_get_runtime_delegate(context, kind, ctypes.byref(load_function)))
        check(host.hostfxr_close(context))
        return LoadFunction(load_function.value)
    finally:
        host.hostfxr_set_error_writer(ErrorWriter())


def find(load_function: Any, name: str) -> int:
    """The address of one of ``EntryPoint``'s functions."""
    function = ctypes.c_void_p()
    library, owner = os.fsencode(FOLDER / f"{NAMESPACE}.dll"), f"{NAMESPACE}.EntryPoint, {NAMESPACE}".encode()
    check(load_function(library, owner, name.encode(), UNMANAGED_CALLERS_ONLY, None, ctypes.byref(function)))
    return function.value or 0


def check(code: int) -> None:
    """Codes below 0 are errors; 1 and 2 say that the process had a runtime already."""
    if code < 0:
        raise OSError(f"error 0x{code & 0xFFFFFFFF:08x}")


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]+", text))


def root_of_loaded_runtime() -> Path | None:
    """Where the runtime is from that Python.NET has loaded for somebody else: a process can have but one."""
    # One that was chosen, and not loaded yet, holds up everybody else who uses its host.
    pythonnet = sys.modules.get("pythonnet")
    if not getattr(pythonnet, "_LOADED", False):
        return None
    info = pythonnet.get_runtime_info()
    if info.kind != "CoreCLR":
        raise StartupError(
            f"datasette-litestream needs .NET 10 or later, and something else in this process has loaded {info.kind} "
            "through Python.NET. Have it load .NET 10, or run it in another process."
        )
    # ROOT/shared/Microsoft.NETCore.App/VERSION/Microsoft.NETCore.App.deps.json
    return Path(info.properties["FX_DEPS_FILE"]).parents[3]
