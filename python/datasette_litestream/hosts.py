"""How replication starts and ends with the host of Datasette: at the end of the ASGI lifespan, at exit, or by a signal."""

import asyncio
import atexit
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakSet

from datasette import hookimpl

from . import bridge
from . import datasette_versions as versions
from .datasette_versions import Datasette, StartupError, configuration

SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # They end a process by default, and may reach a host without a lifespan.
# Datasettes that an ASGI server may be starting (`datasette serve` starts Datasette before it creates the application), and those in a lifespan.
_applications: WeakSet[Datasette] = WeakSet()
_lifespans: WeakSet[Datasette] = WeakSet()
# The handlers that ours have replaced, and the signals that are blocked until replication ends. The main thread owns both.
_handlers: dict[int, Any] = {}
_blocked: set[int] = set()


@hookimpl(hookwrapper=True)
def startup(datasette: Datasette) -> Generator[None, Any, None]:
    """Restores missing databases before other plugins make tables in them, and starts replication after all that they attach is there."""

    async def start() -> None:
        try:
            await asyncio.to_thread(bridge.start, datasette)
        except bridge.Refused as error:
            if datasette not in _applications:
                raise StartupError(str(error)) from None
            # A server without a lifespan would answer an exception with 500, and start all plugins again, at every request.
            with suppress(OSError, ValueError):
                print(error, file=sys.stderr)
            # Datasette continues, and must not show a configuration that may be refused because it contains a secret.
            for block in bridge.plugin_blocks(configuration(datasette)[0]).values():
                block[bridge.PLUGIN] = "***"
        if datasette in bridge.bridges:
            atexit.register(finish, datasette)
            _handlers.update(handle(SIGNALS, on_signal))
            datasette.close = partial(close, datasette, getattr(datasette, "close", lambda: None))

    bridge.restore_missing(datasette)
    outcome = yield
    outcome.force_result([*outcome.get_result(), start])


@hookimpl(trylast=True)
def asgi_wrapper(datasette: Datasette) -> Any:
    """Stops replication at the end of the lifespan; the outermost wrapper, so that all other plugins have written by then."""

    def wrap(app: Any) -> Any:
        async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
            async def send_in_lifespan(message: dict[str, Any]) -> None:
                if datasette in bridge.refusals and message["type"] == "lifespan.startup.complete":
                    message = {"type": "lifespan.startup.failed", "message": f"{bridge.PLUGIN} did not start; see above."}
                elif message["type"].startswith("lifespan.shutdown."):
                    await end(datasette)
                    for number in () if bridge.bridges else SIGNALS:
                        if signal.getsignal(number) is on_signal:
                            signal.signal(number, _handlers[number])
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, () if bridge.bridges else _blocked)
                await send(message)

            is_lifespan = scope["type"] == "lifespan"
            _lifespans.update([datasette] if is_lifespan else [])
            await app(scope, receive, send_in_lifespan if is_lifespan else send)

        return wrapped

    if hasattr(datasette, "client"):  # Older versions create an application for their own client in the constructor.
        _applications.add(datasette)
    return wrap


async def write_what_waits(datasette: Datasette) -> None:
    """Returns when Datasette has done the writes that plugins queued without waiting for them."""
    for _, database in versions.databases(datasette):
        if getattr(database, "_write_queue", None) is not None:
            # The queue is served in order. A closed database has written everything; a locked one may stay locked forever.
            with suppress(Exception):
                await asyncio.wait_for(database.execute_write_fn(lambda connection: None), timeout=10)


def handle(numbers: Iterable[int], by: Any) -> dict[int, Any]:
    """Has signals handled; returns the handlers before. An ignored signal stays ignored, as under `nohup`."""
    is_main = threading.current_thread() is threading.main_thread()
    return {number: signal.signal(number, by) for number in numbers if is_main and signal.getsignal(number) not in (by, signal.SIG_IGN, None)}


async def end(datasette: Datasette) -> None:
    """Stops replication. Another signal, such as a second Ctrl-C, makes it hurry, and does nothing else: the process may have its own handlers back."""
    handlers = handle((signal.SIGINT, *SIGNALS), lambda *_: [each.Hurry() for each in bridge.bridges.values()])
    await write_what_waits(datasette)
    while not bridge.stop(datasette):
        await asyncio.sleep(0.01)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def finish(datasette: Datasette) -> None:
    """At exit, for hosts without a lifespan."""
    if datasette in bridge.bridges:
        asyncio.run(end(datasette))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, () if bridge.bridges else _blocked)  # It ends the process as its sender expects.


def close(datasette: Datasette, close_databases: Callable[[], None]) -> None:
    """Closes a Datasette; outside of a lifespan, as in a test, its replication ends too: no hook tells of that."""
    close_databases()
    if datasette not in _lifespans:
        ThreadPoolExecutor(1).submit(finish, datasette).result()


def on_signal(number: int, frame: Any) -> None:
    handler = _handlers[number]
    if callable(handler):
        # The host's handler shuts down after the pending requests. uvicorn then ends the process by the same signal,
        # without calling atexit; so the signal is blocked until finish().
        _blocked.add(number)
        signal.pthread_sigmask(signal.SIG_BLOCK, _blocked)
        handler(number, frame)
    elif not bridge.bridges:
        signal.signal(number, handler)
        signal.raise_signal(number)
    elif number != signal.SIGTERM:
        # For example a closed terminal. Hosts usually handle SIGTERM, but not SIGHUP.
        signal.raise_signal(signal.SIGTERM)
    else:
        sys.exit(128 + number)
