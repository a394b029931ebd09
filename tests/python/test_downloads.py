"""Downloads in a real Datasette: who gets one, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from datasette import hookimpl
from datasette.plugins import pm

from datasette_litestream import bridge, downloads

PARKS = "/-/litestream/download?database=parks&at=2026-11-25T10:00:00"
MAY_RESTORE: dict[str, Any] = {"permissions": {"litestream-restore": {"id": "alice"}, "litestream-view-status": True}}


class Denies:
    """A plugin: Datasette 0.65 asks those, and has no block for single permissions of its own."""

    permission_allowed = hookimpl(lambda self, action: False if action == "view-database-download" else None)


@pytest.fixture
def restored(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file as a restore leaves it."""

    def make(*tables: str, rows: int = 1) -> Path:
        path = tmp_path / "private" / "restored ?#.db"
        path.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            for table in tables:
                connection.execute(f"create table {table} (text text)")
                connection.executemany(f"insert into {table} values (?)", [("x" * 1000,)] * rows)
            connection.commit()
        return path

    return make


@pytest.fixture
def serve(make_datasette: Any, stand_in: Any, restored: Any) -> Callable[..., Any]:
    """Makes a Datasette with the database parks, and its bridge, which restores a file with the tables that are named."""

    def make(*tables: str, rows: int = 1, settings: Any = None, **databases: Any) -> Any:
        datasette = make_datasette(MAY_RESTORE | {"databases": databases}, "parks", settings=settings)
        stand_in.restore = lambda: restored(*(tables or ("rows",)), rows=rows)
        bridge.bridges[datasette] = stand_in
        return datasette, stand_in

    return make


def ask(datasette: Any, path: str = PARKS, actor: str | None = "alice", method: str = "POST", **headers: str) -> Any:
    # With a token, Datasette 0.65 wants none of its forms.
    cookies = {"ds_actor": datasette.sign({"a": {"id": actor}}, "actor")} if actor else {}
    return asyncio.run(datasette.client.request(method, path, cookies=cookies, headers={"authorization": "Bearer none"} | headers))


def test_who_may_gets_the_file_and_nothing_is_left(serve: Any, tmp_path: Path) -> None:
    datasette, stand_in = serve(rows=2000)
    response = ask(datasette)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/vnd.sqlite3"
    assert response.headers["content-disposition"] == 'attachment; filename="parks.db"'
    assert response.headers["content-length"] == str(len(response.content))
    with closing(sqlite3.connect(tmp_path / "got.db")) as connection:
        connection.deserialize(response.content)
        assert connection.execute("select count(*), sum(length(text)) from rows").fetchone() == (2000, 2_000_000)
    ((_, number, *asked),) = stand_in.asked
    assert asked == ["POST", "database=parks&at=2026-11-25T10:00:00", "alice"]
    assert (stand_in.handed_out, set(stand_in.ended)) == ([number], {number})
    assert not list((tmp_path / "private").iterdir())


@pytest.mark.parametrize("actor", ["bob", None])
def test_who_may_only_look_is_forbidden(serve: Any, actor: str | None) -> None:
    datasette, stand_in = serve()
    response = ask(datasette, actor=actor)
    assert response.status_code == 403
    assert "litestream-restore" in response.text
    assert not stand_in.asked


@pytest.mark.parametrize("name", ["nothing", "", "_internal", "__INTERNAL__", "None"])
def test_a_database_that_is_not_served_is_not_found(serve: Any, name: str) -> None:
    datasette, stand_in = serve()
    for actor in "alice", "root":
        assert ask(datasette, f"/-/litestream/download?database={name}", actor).status_code == 404
    assert ask(datasette, "/-/litestream/download").status_code == 404
    assert not stand_in.asked


def test_a_database_that_the_actor_may_not_see_is_not_found(serve: Any) -> None:
    datasette, stand_in = serve(parks={"allow": {"id": "carol"}})
    missing = ask(datasette, "/-/litestream/download?database=nothing").text
    for actor in "alice", "bob", None:
        hidden = ask(datasette, actor=actor)
        assert hidden.status_code == 404
        assert ("Database not found" in hidden.text, "Database not found" in missing) == (True, True)
    assert not stand_in.asked


def test_where_downloads_are_off_it_is_forbidden(serve: Any) -> None:
    datasette, stand_in = serve(settings={"allow_download": False})
    assert ask(datasette).status_code == 403
    assert not stand_in.asked


def test_who_may_not_download_the_database_is_forbidden(serve: Any) -> None:
    datasette, stand_in = serve(parks={"permissions": {"view-database-download": {"id": "carol"}}})
    pm.register(denies := Denies())
    try:
        assert ask(datasette).status_code == 403
    finally:
        pm.unregister(denies)
    assert not stand_in.asked


@pytest.mark.parametrize("hidden", [False, True])
def test_with_a_table_that_is_denied_now_it_is_forbidden(serve: Any, hidden: bool) -> None:
    datasette, stand_in = serve(parks={"tables": {"rows": {"allow": {"id": "carol"}, "hidden": hidden}}})
    for actor in "alice", "root":
        assert ask(datasette, actor=actor).status_code == 403
    assert not stand_in.asked


def test_with_a_view_that_is_denied_it_is_forbidden(serve: Any, tmp_path: Path) -> None:
    datasette, stand_in = serve(parks={"tables": {"seen": {"allow": False}}})
    with closing(sqlite3.connect(tmp_path / "parks.db")) as connection:
        connection.execute("create view seen as select * from rows")
    assert ask(datasette).status_code == 403
    assert not stand_in.asked


def test_with_a_table_that_is_denied_and_was_there_then_it_is_forbidden(serve: Any) -> None:
    datasette, stand_in = serve("rows", "gone", parks={"tables": {"gone": {"allow": {"id": "carol"}}}})
    response = ask(datasette)
    assert response.status_code == 403
    assert "gone" not in response.text
    ((_, number, *_),) = stand_in.asked
    assert (stand_in.handed_out, set(stand_in.ended)) == ([], {number})


def test_statistics_of_SQLite_are_no_hindrance(serve: Any, tmp_path: Path) -> None:
    datasette, _ = serve()
    with closing(sqlite3.connect(tmp_path / "parks.db")) as connection:
        connection.executescript("create index by_text on rows (text); insert into rows values ('x'); analyze")
        assert connection.execute("select count(*) from sqlite_stat1").fetchone() == (1,)
    assert ask(datasette).status_code == 200


def test_nothing_but_a_POST_restores(serve: Any) -> None:
    datasette, stand_in = serve()
    response = ask(datasette, method="GET")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert not stand_in.handed_out


def test_a_browser_goes_back_to_the_page_with_the_reason(serve: Any) -> None:
    datasette, stand_in = serve()
    stand_in.restore = lambda: None
    assert ask(datasette).status_code == 429
    response = ask(datasette, accept="text/html")
    assert (response.status_code, response.headers["location"]) == (302, "/-/litestream-status?database=parks")
    assert "ds_messages" in response.headers["set-cookie"]


def test_without_configuration_there_is_nothing(make_datasette: Any) -> None:
    datasette = make_datasette(MAY_RESTORE, "parks")
    response = ask(datasette)
    assert (response.status_code, response.json()) == (404, {"state": "unconfigured"})


def test_a_client_that_leaves_while_it_is_restored_ends_that(serve: Any) -> None:
    datasette, stand_in = serve()
    is_restoring, is_given_up = threading.Event(), threading.Event()

    def restore() -> None:
        is_restoring.set()
        assert is_given_up.wait(10)

    def end(number: str) -> None:
        stand_in.ended.append(number)
        is_given_up.set()

    stand_in.restore, stand_in.EndDownload = restore, end
    sent = asyncio.run(leave(datasette, lambda _: is_restoring.is_set()))
    assert not sent
    assert not stand_in.handed_out
    assert len(set(stand_in.ended)) == 1


def test_a_client_that_leaves_while_it_is_sent_ends_that(serve: Any, tmp_path: Path) -> None:
    datasette, stand_in = serve(rows=5000)
    sent = asyncio.run(leave(datasette, lambda sent: len(sent) > 2))
    assert sum(len(message.get("body", b"")) for message in sent) < 5_000_000
    assert set(stand_in.ended) == set(stand_in.handed_out)
    assert len(stand_in.handed_out) == 1
    assert not list((tmp_path / "private").iterdir())


def test_a_client_that_takes_nothing_is_given_up(serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PATIENCE", 0.05)
    datasette, stand_in = serve(rows=5000)
    sent = asyncio.run(leave(datasette, lambda _: False, takes=2))
    assert len(sent) == 2
    assert set(stand_in.ended) == set(stand_in.handed_out)
    assert not list((tmp_path / "private").iterdir())


async def leave(datasette: Any, is_time: Callable[[list[dict[str, Any]]], bool], takes: int | None = None) -> list[dict[str, Any]]:
    """Asks for a download as a server does whose client leaves, or takes so many messages alone; returns what was sent."""
    await datasette.invoke_startup()
    sent: list[dict[str, Any]] = []
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        while not asked:
            if is_time(sent):
                return {"type": "http.disconnect"}
            await asyncio.sleep(0.001)
        return asked.pop()

    async def send(message: dict[str, Any]) -> None:
        while len(sent) == takes:
            await asyncio.sleep(0.01)
        sent.append(message)
        await asyncio.sleep(0.01)

    path, _, query = PARKS.partition("?")
    cookie = f"ds_actor={datasette.sign({'a': {'id': 'alice'}}, 'actor')}"
    headers = [(b"host", b"localhost"), (b"cookie", cookie.encode()), (b"authorization", b"Bearer none")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": headers, "scheme": "http", "http_version": "1.1"}
    await datasette.app()(scope, receive, send)
    return sent
