"""Who runs Datasette, and how replication ends with it: at the end of the ASGI lifespan, at exit, or by a signal."""

import asyncio
import atexit
import signal
import sys
import threading
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from datasette import hookimpl

from . import bridge
from .datasette_versions import Datasette, StartupError, configuration, is_made

# What ends a process that does not handle it, and may reach one that has no lifespan.
SIGNALS = (signal.SIGTERM, signal.SIGHUP)
# Those that an ASGI server may be starting; `datasette serve` starts Datasette before it asks for the application.
_applications: WeakSet[Datasette] = WeakSet()
# The handlers that ours have replaced, and the signals that wait for the end of replication. The main thread owns both.
_handlers: dict[int, Any] = {}
_blocked: set[int] = set()


@hookimpl(trylast=True)
def startup(datasette: Datasette) -> Any:
    """Starts replication; last, so that databases that other plugins attach are replicated too."""

    async def start() -> None:
        try:
            await asyncio.to_thread(bridge.start, datasette)
        except bridge.Refused as error:
            if datasette not in _applications:
                raise StartupError(str(error)) from None
            # A server without a lifespan would answer 500 to every request, and start all plugins again at each.
            with suppress(OSError, ValueError):
                print(error, file=sys.stderr)
            # Nor does Datasette show, as it goes on, what was refused because it would.
            for block in bridge.plugin_blocks(configuration(datasette)[0]).values():
                block[bridge.PLUGIN] = "***"
        if datasette not in bridge.bridges:
            return
        atexit.register(finish, datasette)
        for number in SIGNALS if threading.current_thread() is threading.main_thread() else ():
            handler = signal.getsignal(number)
            # What is ignored stays so, as under `nohup`.
            if handler not in (on_signal, signal.SIG_IGN, None):
                _handlers[number] = handler
                signal.signal(number, on_signal)

    return start


@hookimpl(trylast=True)
def asgi_wrapper(datasette: Datasette) -> Any:
    """Stops replication at the end of the lifespan; the outermost of all plugins', so that all others have written then."""

    def wrap(app: Any) -> Any:
        async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
            async def send_in_lifespan(message: dict[str, Any]) -> None:
                if datasette in bridge.refusals and message["type"] == "lifespan.startup.complete":
                    message = {"type": "lifespan.startup.failed", "message": f"{bridge.PLUGIN} did not start; see above."}
                elif message["type"].startswith("lifespan.shutdown."):
                    await write_what_waits(datasette)
                    await asyncio.to_thread(bridge.stop, datasette)
                    for number in () if bridge.bridges else SIGNALS:
                        if signal.getsignal(number) is on_signal:
                            signal.signal(number, _handlers[number])
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, () if bridge.bridges else _blocked)
                await send(message)

            await app(scope, receive, send_in_lifespan if scope["type"] == "lifespan" else send)

        return wrapped

    if is_made(datasette):
        _applications.add(datasette)
    return wrap


async def write_what_waits(datasette: Datasette) -> None:
    """Returns when what plugins have asked Datasette to write, without waiting for it, is written."""
    for database in datasette.databases.values():
        if getattr(database, "_write_queue", None) is not None:
            # It is served in turn. One that is closed has written all; one that is locked may be so without end.
            with suppress(Exception):
                await asyncio.wait_for(database.execute_write_fn(lambda connection: None), timeout=10)


def finish(datasette: Datasette) -> None:
    """At exit, for hosts without a lifespan and for ``datasette --get``."""
    if datasette in bridge.bridges:
        # The host has taken its handlers back, and one more signal would end the process before replication.
        handlers = {number: signal.signal(number, lambda *_: None) for number in _blocked}
        asyncio.run(write_what_waits(datasette))
        bridge.stop(datasette)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    # A signal that waited until now ends the process as its sender expects.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, () if bridge.bridges else _blocked)


def on_signal(number: int, frame: Any) -> None:
    handler = _handlers[number]
    if callable(handler):
        # The host's, which shuts down when its requests are answered. uvicorn then ends the process by the same signal,
        # without a word to atexit: here it waits for finish().
        _blocked.add(number)
        signal.pthread_sigmask(signal.SIG_BLOCK, _blocked)
        handler(number, frame)
    elif not bridge.bridges:
        signal.signal(number, handler)
        signal.raise_signal(number)
    elif number != signal.SIGTERM:
        # A closed terminal, say. Of the two a host handles SIGTERM, if any.
        signal.raise_signal(signal.SIGTERM)
    else:
        sys.exit(128 + number)
