"""Starts .NET, and loads the assembly into it through Python.NET: once a process, on a thread of its own."""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import sys
import threading
from concurrent.futures import Future
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

NAMESPACE = "Datasette.Litestream"
FOLDER = Path(__file__).parent / "assembly"
# The runtime that the wheel carries, laid out like an installed .NET, and the variable that names another.
PRIVATE_ROOT = Path(__file__).parent / "dotnet"
ROOT_VARIABLE = "DATASETTE_LITESTREAM_DOTNET_ROOT"

# hostfxr.h and coreclr_delegates.h, https://learn.microsoft.com/dotnet/core/tutorials/netcore-hosting
LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER = 5
ErrorWriter = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
LoadFunction = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_char_p] * 3, *[ctypes.c_void_p] * 3)
ComponentFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int)


class InitializeParameters(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("host_path", ctypes.c_char_p), ("dotnet_root", ctypes.c_char_p)]


class Runtime:
    """A .NET as ``pythonnet.load`` takes one from clr_loader, with the wheel's compiled twin of Python.NET's library.

    Not clr_loader's own: reading C declarations at run time, as that does, takes a tenth of Datasette's whole start.
    """

    def __init__(self, root: Path) -> None:
        """Starts it; an OSError tells why it cannot be started."""
        hosts = sorted(root.glob("host/fxr/*/libhostfxr.*"), key=lambda path: version(path.parent.name))
        if not hosts:
            raise FileNotFoundError("There is no host/fxr/VERSION/libhostfxr in it.")
        host, errors = ctypes.CDLL(str(hosts[-1])), []
        write_error = ErrorWriter(lambda line: errors.append(os.fsdecode(line)))
        host.hostfxr_set_error_writer(write_error)
        context, self._load = ctypes.c_void_p(), LoadFunction()
        parameters = InitializeParameters(ctypes.sizeof(InitializeParameters), None, os.fsencode(root))
        config = os.fsencode(FOLDER / f"{NAMESPACE}.runtimeconfig.json")
        try:
            check(host.hostfxr_initialize_for_runtime_config(config, ctypes.byref(parameters), ctypes.byref(context)))
            kind = LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER
            check(host.hostfxr_get_runtime_delegate(context, kind, ctypes.byref(self._load)))
            check(host.hostfxr_close(context))
        except OSError as error:
            raise OSError(" ".join(errors) or str(error)) from None
        finally:
            host.hostfxr_set_error_writer(ErrorWriter())

    def get_assembly(self, path: str) -> Any:
        """Python.NET's library, whose twin it is whatever the path; its functions take bytes and give a number."""
        return SimpleNamespace(get_function=partial(self._function, FOLDER / Path(path).name))

    def _function(self, library: Path, name: str) -> Any:
        owner, _, method = name.rpartition(".")
        pointer = ctypes.c_void_p()
        names = os.fsencode(library), f"{owner}, {library.stem}".encode(), method.encode()
        check(self._load(*names, None, None, ctypes.byref(pointer)))
        function = ComponentFunction(pointer.value or 0)
        return lambda buffer: function(buffer, len(buffer))

    def info(self) -> Any:
        from clr_loader import RuntimeInfo

        return RuntimeInfo("CoreCLR", "", initialized=True, shutdown=False, properties={})

    def shutdown(self) -> None:
        """A process has but one CoreCLR, which ends with it."""


def check(code: int) -> None:
    """Codes below 0 are errors; 1 and 2 say that the process had a runtime already."""
    if code < 0:
        raise OSError(f"error 0x{code & 0xFFFFFFFF:08x}")


def version(text: str) -> list[int]:
    return [int(part) for part in re.findall("[0-9]+", text)]


@cache
def begin_loading() -> Future[ModuleType]:
    """Begins to load the assembly, beside whatever else Datasette does at its start; the result is its namespace."""
    loading: Future[ModuleType] = Future()

    def run() -> None:
        try:
            loading.set_result(load())
        except BaseException as error:
            loading.set_exception(error)

    threading.Thread(target=run, name="datasette-litestream loads .NET", daemon=True).start()
    return loading


def load() -> ModuleType:
    pythonnet = sys.modules.get("pythonnet")
    # One that somebody has chosen is used, loaded or not: a process can have but one.
    if pythonnet is not None and pythonnet._RUNTIME is not None:
        pythonnet.load()
        from System import Environment

        if Environment.Version.Major < 10:
            raise RuntimeError(
                f"something else in this process has loaded .NET {Environment.Version} through Python.NET, and "
                "datasette-litestream needs .NET 10 or later. Have it load that, or run it in another process."
            )
    else:
        # Absolute: the host looks for some of its files in the working directory, and for others beside itself.
        root = Path(os.environ.get(ROOT_VARIABLE) or PRIVATE_ROOT).absolute()
        try:
            load_pythonnet(Runtime(root))
        except OSError as error:
            raise RuntimeError(f"cannot load .NET 10 or later from {root}: {error}") from None
    import clr

    clr.AddReference(str(FOLDER / NAMESPACE))
    import Datasette.Litestream

    return Datasette.Litestream


def load_pythonnet(runtime: Runtime) -> None:
    if find_spec("pythonnet") is None:
        if runtime.get_assembly("Python.Runtime.dll").get_function("Python.Runtime.Loader.Initialize")(b"") != 0:
            raise OSError("Python.NET could not be initialized; its reason is above.")
        return
    import pythonnet

    pythonnet.load(runtime)
    # At the end of the process it would collect garbage for half a second, and only then let Python end.
    atexit.unregister(pythonnet.unload)
