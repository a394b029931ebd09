"""Loads the .NET runtime and the assembly, once a process."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

import pythonnet
from clr_loader import get_coreclr
from datasette.utils import StartupError

ASSEMBLY = "Datasette.Litestream"
FOLDER = Path(__file__).parent / "dotnet"
OLDEST = 10
NO_RUNTIME = (
    "datasette-litestream needs the .NET 10 runtime or a later one, and found none. Install it from "
    "https://dotnet.microsoft.com/download/dotnet/10.0, or set DOTNET_ROOT to where it is."
)


def load() -> Any:
    """The assembly's namespace. A runtime that something else in this process has loaded is used if it will do."""
    if pythonnet.get_runtime_info() is None:
        config = FOLDER / f"{ASSEMBLY}.runtimeconfig.json"
        try:
            pythonnet.load(get_coreclr(runtime_config=config))
        except Exception as error:
            raise StartupError(f"{NO_RUNTIME} ({error})") from None
        # Unloading takes a third of a second, and the process that it would tidy up is about to end.
        atexit.unregister(pythonnet.unload)
    else:
        pythonnet.load()
    import clr
    from System import Environment

    if Environment.Version.Major < OLDEST:
        raise StartupError(
            f"datasette-litestream needs .NET {OLDEST} or later, and something else in this process has loaded "
            f"{pythonnet.get_runtime_info().kind} {Environment.Version} through Python.NET. "
            "Have it load .NET 10, or run it in another process."
        )
    clr.AddReference(str(FOLDER / ASSEMBLY))
    import Datasette.Litestream

    return Datasette.Litestream
