"""Starts .NET, and loads the assembly into it through Python.NET: once a process, on a thread of its own."""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import sys
import threading
from concurrent.futures import Future
from functools import cache
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


class Runtime:
    """A .NET as ``pythonnet.load`` takes one from clr_loader, with the wheel's compiled twin of Python.NET's library.

    Not clr_loader's own: reading C declarations at run time, as that does, takes a tenth of Datasette's whole start.
    """

    def __init__(self, root: Path) -> None:
        """Starts the .NET that is installed in a folder; an OSError tells why it cannot be started."""
        hosts = sorted(root.glob("host/fxr/*/libhostfxr.*"), key=lambda path: version(path.parent.name))
        if not hosts:
            raise OSError("There is no host/fxr/VERSION/libhostfxr in it.")
        host, errors, context, self.load = ctypes.CDLL(str(hosts[-1])), [], ctypes.c_void_p(), LoadFunction()
        write_error = ErrorWriter(lambda line: errors.append(os.fsdecode(line)))
        host.hostfxr_set_error_writer(write_error)
        config = os.fsencode(FOLDER / f"{NAMESPACE}.runtimeconfig.json")
        code = host.hostfxr_initialize_for_runtime_config(config, None, ctypes.byref(context))
        # Codes above 0 say that the process had a runtime already.
        if code >= 0:
            kind = LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER
            code = host.hostfxr_get_runtime_delegate(context, kind, ctypes.byref(self.load))
        host.hostfxr_set_error_writer(ErrorWriter())
        if code < 0:
            raise OSError(" ".join(errors) or f"error 0x{code & 0xFFFFFFFF:08x}")

    def get_assembly(self, path: str) -> Any:
        """Python.NET's library: the twin of the one at a path."""
        library = FOLDER / Path(path).name

        def get_function(name: str) -> Any:
            owner, _, method = name.rpartition(".")
            pointer = ctypes.c_void_p()
            names = os.fsencode(library), f"{owner}, {library.stem}".encode(), method.encode()
            if (code := self.load(*names, None, None, ctypes.byref(pointer))) < 0:
                raise OSError(f"{library} cannot be loaded: error 0x{code & 0xFFFFFFFF:08x}")
            function = ComponentFunction(pointer.value or 0)
            return lambda buffer: function(buffer, len(buffer))

        return SimpleNamespace(get_function=get_function)

    def info(self) -> Any:
        from clr_loader import RuntimeInfo

        return RuntimeInfo("CoreCLR", "10", initialized=True, shutdown=False, properties={})

    def shutdown(self) -> None:
        """Nothing: a process has but one CoreCLR, which ends with it."""


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
    # One that somebody else has chosen, or loaded, is the only one that this process can have.
    if pythonnet is not None and pythonnet._RUNTIME is not None:
        pythonnet.load()
        from System import Environment

        if Environment.Version.Major < 10:
            raise RuntimeError(
                f"something else in this process has chosen .NET {Environment.Version} for Python.NET, and this plugin needs "
                ".NET 10 or later. Have it choose that, or run it in another process."
            )
    else:
        # Absolute: the host looks for some of its files in the working directory, and for others beside itself.
        root = Path(os.environ.get(ROOT_VARIABLE) or PRIVATE_ROOT).absolute()
        try:
            load_pythonnet(Runtime(root))
        except OSError as error:
            raise RuntimeError(f".NET 10 or later cannot be loaded from {root}: {error}") from None
    import clr

    # Without its suffix it is found at once, instead of after a look into each folder of sys.path.
    clr.AddReference(str(FOLDER / NAMESPACE))
    import Datasette.Litestream

    return Datasette.Litestream


def load_pythonnet(runtime: Runtime) -> None:
    if find_spec("pythonnet") is None:
        if runtime.get_assembly("Python.Runtime.dll").get_function("Python.Runtime.Loader.Initialize")(b"") != 0:
            raise OSError("Python.NET cannot be initialized; it says above why.")
        return
    import pythonnet

    pythonnet.load(runtime)
    # At the end of the process it would collect garbage for half a second.
    atexit.unregister(pythonnet.unload)
