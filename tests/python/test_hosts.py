"""How replication starts and ends with whoever runs Datasette: with a lifespan, without one, at exit and by a signal."""

from __future__ import annotations

import asyncio
import atexit
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from datasette import hookimpl
from datasette.plugins import pm

from datasette_litestream import bridge, datasette_versions, hosts, runtime

SOURCES = Path(__file__).parents[2] / "python"
PLUGIN = "datasette-litestream"


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Each test has the signals' handlers, and what is blocked, to itself."""
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in hosts.SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, hosts.SIGNALS)
        hosts._handlers.clear()
        hosts._blocked.clear()


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Has replication start with a stand-in bridge."""

    def starts(stand_in: Any) -> None:
        monkeypatch.setattr(bridge, "start", lambda datasette: bridge.bridges.update({datasette: stand_in}))

    return starts


def slow_insert(connection: sqlite3.Connection) -> None:
    time.sleep(0.2)
    with connection:
        connection.execute("insert into rows values ('queued')")


def rows(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [text for (text,) in connection.execute("select text from rows")]


class Lifespan:
    """An ASGI server, as far as the lifespan of an application goes."""

    def __init__(self, app: Any) -> None:
        self._requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self._running = asyncio.create_task(app(scope, self._requests.get, self._answers.put))

    async def ask(self, request: str) -> dict[str, Any]:
        await self._requests.put({"type": request})
        return await asyncio.wait_for(self._answers.get(), 10)

    async def startup(self) -> dict[str, Any]:
        return await self.ask("lifespan.startup")

    async def shutdown(self) -> dict[str, Any]:
        answer = await self.ask("lifespan.shutdown")
        await asyncio.wait_for(self._running, 10)
        return answer


def test_a_refusal_ends_datasette_serve_with_its_message(make_datasette: Any, replicate_all: Any, run: Any) -> None:
    datasette = make_datasette(replicate_all, "parks")
    with pytest.raises(datasette_versions.StartupError, match="cannot be loaded") as caught:
        run(datasette.invoke_startup())
    assert caught.value.__cause__ is None


def test_a_refusal_fails_the_lifespans_start(make_datasette: Any, replicate_all: Any, run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def start() -> dict[str, Any]:
        return await Lifespan(make_datasette(replicate_all, "parks").app()).startup()

    answer = run(start())
    assert answer == {"type": "lifespan.startup.failed", "message": f"{PLUGIN} did not start; see above."}
    assert capsys.readouterr().err.count("cannot be loaded") == 1


def test_without_a_lifespan_Datasette_goes_on_and_shows_no_setting(
    make_datasette: Any, replicate_all: Any, get: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    replicate_all["databases"] = {"parks": {"plugins": {PLUGIN: {"replicas": "s3://key:secret@bucket/parks"}}}}
    datasette = make_datasette(replicate_all, "parks")
    datasette.app()
    assert get(datasette, "/parks").status_code == 200
    assert get(datasette, "/-/litestream/health").status_code == 503
    assert "secret" not in get(datasette, datasette_versions.configuration(datasette)[1]).text
    # Told once, however many requests there are.
    assert capsys.readouterr().err.count("cannot be loaded") == 1


def test_other_Datasettes_lifespans_are_left_alone(make_datasette: Any, run: Any) -> None:
    async def start_and_stop() -> list[str]:
        lifespan = Lifespan(make_datasette(None, "parks").app())
        return [(await lifespan.startup())["type"], (await lifespan.shutdown())["type"]]

    assert run(start_and_stop()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert all(signal.getsignal(number) is signal.SIG_DFL for number in hosts.SIGNALS)


def test_the_lifespans_end_stops_replication_after_the_last_write(
    make_datasette: Any, replicated: Any, starts: Any, run: Any, tmp_path: Path
) -> None:
    stand_in = replicated[1]
    stand_in.on_stop = lambda: seen.extend(rows(tmp_path / "trees.db"))
    seen: list[str] = []
    bridge.bridges.clear()
    starts(stand_in)

    def own(number: int, frame: object) -> None:
        raise AssertionError("nobody has sent a signal")

    signal.signal(signal.SIGTERM, own)

    async def start_and_stop() -> None:
        datasette = make_datasette(None, "trees")
        lifespan = Lifespan(datasette.app())
        await lifespan.startup()
        assert bridge.bridges == {datasette: stand_in}
        assert signal.getsignal(signal.SIGTERM) is hosts.on_signal
        await datasette.get_database("trees").execute_write_fn(slow_insert, block=False)
        assert (await lifespan.shutdown())["type"] == "lifespan.shutdown.complete"

    run(start_and_stop())
    assert stand_in.stopped == 1
    assert not bridge.bridges
    # The program that ran it has its own handlers back.
    assert signal.getsignal(signal.SIGTERM) is own
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    assert seen == ["queued"]


def test_what_is_ignored_stays_ignored(make_datasette: Any, replicated: Any, starts: Any, run: Any) -> None:
    starts(replicated[1])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run(make_datasette(None, "trees").invoke_startup())
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is hosts.on_signal


def test_a_start_on_another_thread_leaves_the_signals_alone(make_datasette: Any, replicated: Any, starts: Any, run: Any) -> None:
    starts(replicated[1])
    datasette = make_datasette(None, "trees")
    run(asyncio.to_thread(lambda: asyncio.run(datasette.invoke_startup())))
    assert datasette in bridge.bridges
    assert all(signal.getsignal(number) is signal.SIG_DFL for number in hosts.SIGNALS)


def test_a_start_arranges_for_the_end_at_exit(make_datasette: Any, replicated: Any, starts: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[Any] = []
    monkeypatch.setattr(atexit, "register", lambda *function: registered.append(function))
    starts(replicated[1])
    datasette = make_datasette(None, "trees")
    run(datasette.invoke_startup())
    assert (hosts.finish, datasette) in registered


def test_the_end_at_exit_stops_replication_once_and_after_the_last_write(replicated: Any, run: Any, tmp_path: Path) -> None:
    datasette, stand_in = replicated
    stand_in.on_stop = lambda: seen.extend(rows(tmp_path / "parks.db"))
    seen: list[str] = []
    run(datasette.get_database("parks").execute_write_fn(slow_insert, block=False))
    hosts.finish(datasette)
    assert seen == ["queued"]
    hosts.finish(datasette)
    assert stand_in.stopped == 1


def test_a_signal_that_the_host_handles_waits_for_the_end_of_replication(replicated: Any) -> None:
    received: list[int] = []
    hosts._handlers[signal.SIGTERM] = lambda number, frame: received.append(number)
    hosts.on_signal(signal.SIGTERM, None)
    assert received == [signal.SIGTERM]
    assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    hosts.finish(replicated[0])
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.usefixtures("replicated")
def test_SIGTERM_that_nobody_handles_ends_the_process_by_its_exit() -> None:
    hosts._handlers[signal.SIGTERM] = signal.SIG_DFL
    with pytest.raises(SystemExit) as caught:
        hosts.on_signal(signal.SIGTERM, None)
    assert caught.value.code == 128 + signal.SIGTERM


@pytest.mark.usefixtures("replicated")
def test_SIGHUP_that_nobody_handles_is_SIGTERM_to_the_host() -> None:
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    hosts._handlers[signal.SIGHUP] = signal.SIG_DFL
    hosts.on_signal(signal.SIGHUP, None)
    assert received == [signal.SIGTERM]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_after_the_end_of_replication_a_signal_ends_the_process_as_its_sender_expects(name: str) -> None:
    number = signal.Signals[name]
    program = f"""if True:
        import signal
        from datasette_litestream import hosts
        hosts._handlers[{number:d}] = signal.SIG_DFL
        hosts.on_signal({number:d}, None)"""
    ended = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(SOURCES)}, check=False)
    assert ended.returncode == -number


def test_a_database_that_was_never_written_to_is_not_waited_for(make_datasette: Any, run: Any) -> None:
    datasette = make_datasette(None, "parks", memory=True)
    assert run(hosts.write_what_waits(datasette)) is None


def test_a_write_that_fails_does_not_keep_the_others_from_being_waited_for(make_datasette: Any, run: Any, tmp_path: Path) -> None:
    datasette = make_datasette(None, "parks", "trees")

    async def write() -> None:
        await datasette.get_database("parks").execute_write("insert into nothing values (1)", block=False)
        await datasette.get_database("trees").execute_write_fn(slow_insert, block=False)
        await hosts.write_what_waits(datasette)

    run(write())
    assert rows(tmp_path / "trees.db") == ["queued"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_replication_ends_hurries_it_and_does_nothing_else(
    make_datasette: Any, replicated: Any, run: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    datasette, stand_in = replicated

    def stop() -> bool:
        if not stand_in.hurried:
            signal.raise_signal(number)
        return bool(stand_in.hurried)

    monkeypatch.setattr(stand_in, "Stop", stop)
    # A shell starts what runs in the background with SIGINT ignored.
    inherited = signal.signal(number, signal.SIG_DFL)
    run(hosts.end(datasette))
    assert stand_in.hurried == 1
    assert not bridge.bridges
    assert signal.getsignal(number) is signal.SIG_DFL
    signal.signal(number, inherited)


def test_a_Datasette_that_is_closed_outside_of_a_lifespan_ends_its_replication(make_datasette: Any, replicated: Any, starts: Any, run: Any) -> None:
    _, stand_in = replicated
    starts(stand_in)
    datasette = make_datasette()
    run(datasette.invoke_startup())
    datasette.close()
    assert datasette not in bridge.bridges
    assert stand_in.stopped == 1


def test_missing_databases_are_restored_before_other_plugins_begin(make_datasette: Any, replicated: Any, starts: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before those that do not wait for anything, and want to be first."""

    class Other:
        __name__ = "other"  # As a module has.

        def startup(self) -> None:
            order.append("another plugin")

        startup = hookimpl(tryfirst=True)(startup)

    order: list[str] = []
    monkeypatch.setattr(bridge, "restore_missing", lambda datasette: order.append("restored"))
    monkeypatch.setattr(bridge, "start", lambda datasette: order.append("started"))
    pm.register(Other(), name="other")
    try:
        run(make_datasette(None, "trees").invoke_startup())
    finally:
        pm.unregister(name="other")
    assert order == ["restored", "another plugin", "started"]


@pytest.mark.parametrize(("settings", "is_restored"), [({"restore": "missing"}, True), ({"restore": "never"}, False), ({}, False)])
def test_NET_is_waited_for_only_where_something_may_be_restored(
    make_datasette: Any, run: Any, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], is_restored: bool
) -> None:
    requests: list[str] = []
    loaded: Future[Any] = Future()
    loaded.set_result(SimpleNamespace(Bridge=lambda: SimpleNamespace(RestoreMissing=requests.append)))
    monkeypatch.setattr(runtime, "begin_loading", lambda: loaded)
    bridge.restore_missing(make_datasette({"plugins": {PLUGIN: {"all-replicate": "file:///backup"} | settings}}, "trees"))
    assert [json.loads(request)["settings"].get("restore") for request in requests] == (["missing"] if is_restored else [])


def test_datasette_get_starts_nothing(make_datasette: Any, replicate_all: dict[str, Any], run: Any, get: Any) -> None:
    datasette = make_datasette(replicate_all, "parks")
    with click.Context(click.Command("serve")) as context:
        context.params["get"] = "/"
        run(datasette.invoke_startup())
    assert not bridge.bridges
    answer = get(datasette, "/-/litestream/health")
    assert (answer.status_code, answer.text) == (503, "off: replication has not started\n")
    assert get(datasette, "/-/litestream-status.json").json()["state"] == "off"
