"""Starts .NET, and loads the assembly into it through Python.NET: once per process, on a separate thread."""

import atexit
import ctypes
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ASSEMBLY = Path(__file__).parent / "assembly" / "Datasette.Litestream"
LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER = 5  # hostfxr.h and coreclr_delegates.h, https://learn.microsoft.com/dotnet/core/tutorials/netcore-hosting
ErrorWriter, ComponentFunction = ctypes.CFUNCTYPE(None, ctypes.c_char_p), ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
LoadFunction = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_char_p] * 3, *[ctypes.c_void_p] * 3)
_loader = ThreadPoolExecutor(1, "datasette-litestream loads .NET")  # One thread: several Datasettes of a process may start at the same time.


def start_runtime(root: Path) -> Any:
    """Starts the .NET in a folder, and returns a runtime for ``pythonnet.load``; raises OSError if it cannot."""
    # Not with clr_loader, which parses C declarations at run time: that takes a tenth of Datasette's whole start.
    hosts = root.glob("host/fxr/*/libhostfxr.*")
    newest = max(hosts, key=lambda host: [int(part) for part in re.findall("[0-9]+", host.parent.name)], default=None)
    if newest is None:
        raise OSError("There is no host/fxr/VERSION/libhostfxr in it.")
    host, errors, context, load_function = ctypes.CDLL(str(newest)), [], ctypes.c_void_p(), LoadFunction()
    write_error = ErrorWriter(lambda line: errors.append(os.fsdecode(line)))
    host.hostfxr_set_error_writer(write_error)
    config = os.fsencode(f"{ASSEMBLY}.runtimeconfig.json")
    if (code := host.hostfxr_initialize_for_runtime_config(config, None, ctypes.byref(context))) >= 0:  # Above 0, there already was a runtime.
        with without_diagnostics():
            code = host.hostfxr_get_runtime_delegate(context, LOAD_ASSEMBLY_AND_GET_FUNCTION_POINTER, ctypes.byref(load_function))
    host.hostfxr_set_error_writer(ErrorWriter())
    if code < 0:
        raise OSError(" ".join(errors) or f"error 0x{code & 0xFFFFFFFF:08x}")

    def get_function(name: str) -> Any:
        library, (owner, _, method) = ASSEMBLY.with_name("Python.Runtime.dll"), name.rpartition(".")
        function, names = ComponentFunction(), (f"{owner}, {library.stem}".encode(), method.encode())
        if (code := load_function(os.fsencode(library), *names, None, None, ctypes.byref(function))) < 0:
            raise OSError(f"{name} in {library}: error 0x{code & 0xFFFFFFFF:08x}")
        return lambda buffer: function(buffer, len(buffer))

    return SimpleNamespace(
        get_assembly=lambda path: SimpleNamespace(get_function=get_function),  # The wheel's precompiled copy, whatever the path.
        info=lambda: sys.modules["clr_loader"].RuntimeInfo("CoreCLR", "10", True, False, {}),
        shutdown=lambda: None,  # A process has only one CoreCLR, which ends with it.
    )


@contextmanager
def without_diagnostics() -> Iterator[None]:
    """Has a runtime that starts open no pipes for debuggers, unless the environment says whether it is to.

    A process that ends by a signal, as uvicorn's does after SIGTERM, leaves them in the temporary folder. The runtime reads it from the
    environment alone (https://learn.microsoft.com/dotnet/core/runtime-config/debugging-profiling), which no child is to inherit.
    """
    variable = "DOTNET_EnableDiagnostics"
    if variable in os.environ:
        yield
        return
    os.putenv(variable, "0")
    try:
        yield
    finally:
        os.unsetenv(variable)


@cache
def load() -> Any:
    # A runtime that other code has chosen for Python.NET, loaded or not, is the only one that this process can have.
    chosen = getattr(sys.modules.get("pythonnet"), "_RUNTIME", None)
    # The wheel contains a folder like that of an installed .NET. Absolute, since the host also searches the working directory.
    root = Path(os.environ.get("DATASETTE_LITESTREAM_DOTNET_ROOT") or Path(__file__).parent / "dotnet").absolute()
    try:
        runtime = chosen or start_runtime(root)
        if chosen is not None or importlib.util.find_spec("pythonnet") is not None:
            import pythonnet
            pythonnet.load(runtime)
            if chosen is None:
                atexit.unregister(pythonnet.unload)  # It would collect garbage for half a second at the end of the process.
        elif runtime.get_assembly("").get_function("Python.Runtime.Loader.Initialize")(b"") != 0:
            raise OSError("Python.NET cannot be initialized; its own message above says why.")
    except OSError as error:
        raise RuntimeError(f".NET 10 or later cannot be loaded from {root}: {error}") from None
    if chosen is not None and (found := importlib.import_module("System").Environment.Version).Major < 10:
        problem = f"other code in this process has chosen .NET {found} for Python.NET, and this plugin needs .NET 10 or later"
        raise RuntimeError(f"{problem}. Change that choice, or run the other code in another process.")
    import clr
    clr.AddReference(str(ASSEMBLY))  # Without its suffix it is not searched for in each folder of sys.path.
    import Datasette.Litestream
    return Datasette.Litestream


def begin_loading() -> Future[Any]:
    """Begins to load the assembly in parallel with Datasette's start; the result is its namespace."""
    return _loader.submit(load)
