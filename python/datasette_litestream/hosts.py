"""Who runs Datasette, and how replication ends with it: at the end of the ASGI lifespan, at exit, or by a signal."""

from __future__ import annotations

import asyncio
import atexit
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from . import bridge
from .datasette_versions import StartupError, is_made

if TYPE_CHECKING:
    from datasette.app import Datasette

# How long writes that wait in Datasette's own queue may take at the end.
WRITE_TIMEOUT = 10
# What ends a process that does not handle it, and may reach one that has no lifespan.
SIGNALS = (signal.SIGTERM, signal.SIGHUP)

# Those that an ASGI server may be starting; `datasette serve` starts Datasette before it asks for the application.
_applications: WeakSet[Datasette] = WeakSet()
# The handlers that ours have replaced. The main thread owns it.
_handlers: dict[int, Any] = {}
# Signals that wait for the end of replication. The main thread owns it, too.
_blocked: set[int] = set()


async def start(datasette: Datasette) -> None:
    """Starts replication. A refusal ends the start where somebody waits for it, and is told in any case."""
    try:
        await asyncio.to_thread(bridge.start, datasette)
    except bridge.Refused as error:
        if datasette not in _applications:
            raise StartupError(str(error)) from None
        # Raised here, a server without a lifespan would answer 500 to every request and start all plugins again at each.
        print(error, file=sys.stderr)
        return
    atexit.register(finish, datasette)
    handle_signals()


def wrap(datasette: Datasette, app: Any) -> Any:
    """The ASGI application with replication stopped at the end of its lifespan, when everybody has written."""

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def send_in_lifespan(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete" and bridge.refusal(datasette) is not None:
                message = {"type": "lifespan.startup.failed", "message": f"{bridge.PLUGIN} could not start; see above."}
            elif message["type"].startswith("lifespan.shutdown."):
                await write_what_waits(datasette)
                await asyncio.to_thread(bridge.stop, datasette)
                release_signals()
            await send(message)

        await app(scope, receive, send_in_lifespan if scope["type"] == "lifespan" else send)

    if is_made(datasette):
        _applications.add(datasette)
    return wrapped


async def write_what_waits(datasette: Datasette) -> None:
    """Returns when what plugins have asked Datasette to write, without waiting for it, is written."""
    for database in datasette.databases.values():
        if getattr(database, "_write_queue", None) is not None:
            try:
                # The queue is served in turn.
                await asyncio.wait_for(database.execute_write_fn(lambda connection: None), WRITE_TIMEOUT)
            except Exception:
                # Closed, and all written then, or locked by somebody else, who may write on without end.
                continue


def finish(datasette: Datasette) -> None:
    """At exit, for hosts without a lifespan and for ``datasette --get``."""
    if bridge.is_running(datasette):
        # The host has taken its handlers back: at another thread one more signal would end the process before replication.
        handlers = {number: signal.signal(number, lambda number, frame: None) for number in _blocked}
        asyncio.run(write_what_waits(datasette))
        bridge.stop(datasette)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if not bridge.is_running():
        # A signal that waited until now ends the process as its sender expects.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _blocked)


def handle_signals() -> None:
    """Has replication stopped before a signal ends the process; what is ignored stays so, as under ``nohup``."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler not in (on_signal, signal.SIG_IGN, None):
                _handlers[number] = handler
                signal.signal(number, on_signal)


def release_signals() -> None:
    """Gives the handlers back, where nobody has replaced ours since."""
    for number in list(_handlers):
        if signal.getsignal(number) is on_signal:
            signal.signal(number, _handlers.pop(number))


def on_signal(number: int, frame: FrameType | None) -> None:
    handler = _handlers[number]
    if callable(handler):
        # The host's, which shuts down when its requests are answered. uvicorn then ends the process by the same signal,
        # without a word to atexit: here it waits for finish().
        _blocked.add(number)
        signal.pthread_sigmask(signal.SIG_BLOCK, _blocked)
        handler(number, frame)
    elif not bridge.is_running():
        signal.signal(number, handler)
        signal.raise_signal(number)
    elif number != signal.SIGTERM:
        # A closed terminal, say. Of the two a host handles SIGTERM, if any.
        signal.raise_signal(signal.SIGTERM)
    else:
        sys.exit(128 + number)
