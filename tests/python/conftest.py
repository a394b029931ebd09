"""What the tests share: real Datasettes with the plugin, and what stands in for the assembly, which is not built here."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from datasette.app import Datasette
from datasette.plugins import pm

import datasette_litestream
from datasette_litestream import bridge

T = TypeVar("T")
# Datasette 1.0 has plugins' settings in its configuration, 0.65 in its metadata.
KEYWORD = "config" if "config" in inspect.signature(Datasette.__init__).parameters else "metadata"
REPLICATE_ALL = {"plugins": {"datasette-litestream": {"all-replicate": "file://$PWD/backup/$DB_NAME"}}}


class StandInBridge:
    """Answers as the assembly does, with fixed texts; ``broken`` has every answer fail. ``restore`` makes the file of a download."""

    def __init__(self) -> None:
        self.broken = False
        self.restore: Callable[[], Path | None] = lambda: None
        self.handed_out: list[str] = []
        self.ended: list[str] = []
        self.asked: list[tuple[Any, ...]] = []
        self.served: list[list[dict[str, Any]]] = []
        self.stopped = 0
        self.hurried = 0
        self.on_stop: Callable[[], None] = lambda: None

    def Serve(self, served: str) -> None:
        self.served.append(json.loads(served))

    def Page(self, query: str, may_manage: bool) -> str:
        return self._answer("Page", query, may_manage, reply={"error": "no such database"})

    def Drills(self, query: str, may_manage: bool) -> str:
        return self._answer("Drills", query, may_manage, reply={"error": "no such database"})

    def DatabaseState(self, name: str) -> str:
        return self._answer("DatabaseState", name, reply={"state": "behind", "sentence": "behind: <5 s>"} if name == "parks" else None)

    def Answer(self, what: str, query: str, may_manage: bool) -> str:
        return self._answer("Answer", what, query, may_manage, reply={"status": 200, "content_type": "text/plain", "body": f"{what} {query}"})

    def Act(self, *request: str) -> str:
        reply = {"status": 405 if request[0] != "POST" else 200, "content_type": "application/json", "body": "{}", "message": "Done.", "page": "?database=parks"}
        return self._answer("Act", *request, reply=reply)

    def Download(self, number: str, method: str, query: str, actor: str) -> str:
        file = self.restore() if method == "POST" else None
        headers = {"content_type": "application/vnd.sqlite3", "disposition": 'attachment; filename="parks.db"'}
        failed = {"status": 405 if method != "POST" else 429, "content_type": "application/json", "body": "{}", "message": "Busy.", "page": "?database=parks"}
        return self._answer("Download", number, method, query, actor, reply=headers | {"status": 200, "file": str(file)} if file else failed)

    def HandOutDownload(self, number: str) -> bool:
        self.handed_out.append(number)
        return number not in self.ended

    def EndDownload(self, number: str) -> None:
        self.ended.append(number)

    def Stop(self) -> bool:
        self.stopped += 1
        self.on_stop()
        return True

    def Hurry(self) -> None:
        self.hurried += 1

    def _answer(self, *asked: Any, reply: Any) -> str:
        self.asked.append(asked)
        if self.broken:
            raise RuntimeError("the bridge is broken")
        return json.dumps(reply)


@pytest.fixture(autouse=True, scope="session")
def no_runtime(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An empty folder for .NET: whatever starts replication is refused by the plugin's own code."""
    os.environ["DATASETTE_LITESTREAM_DOTNET_ROOT"] = str(tmp_path_factory.mktemp("no-dotnet"))


@pytest.fixture(autouse=True)
def clean_state() -> Iterator[None]:
    yield
    bridge.bridges.clear()
    bridge.refusals.clear()


@pytest.fixture(autouse=True, scope="session")
def plugin() -> None:
    if not pm.has_plugin("datasette_litestream") and datasette_litestream not in pm.get_plugins():
        pm.register(datasette_litestream, "datasette_litestream")


@pytest.fixture
def make_datasette(tmp_path: Path) -> Callable[..., Any]:
    """Makes a Datasette with a configuration, and with an empty database for each name."""

    def make(configuration: Any = None, *names: str, **options: Any) -> Any:
        files = [tmp_path / f"{name}.db" for name in names]
        for file in files:
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("create table if not exists rows (text text)")
        options[KEYWORD] = configuration or {}
        datasette = Datasette([str(file) for file in files], **options)
        datasette.root_enabled = True
        return datasette

    return make


@pytest.fixture
def stand_in() -> StandInBridge:
    return StandInBridge()


@pytest.fixture
def replicated(make_datasette: Callable[..., Any], stand_in: StandInBridge) -> tuple[Any, StandInBridge]:
    """A Datasette with the database ``parks``, and its bridge."""
    # Without a configuration, its start leaves the bridge alone.
    datasette = make_datasette(None, "parks")
    bridge.bridges[datasette] = stand_in
    return datasette, stand_in


@pytest.fixture
def replicate_all() -> dict[str, Any]:
    configuration: dict[str, Any] = json.loads(json.dumps(REPLICATE_ALL))
    return configuration


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    return asyncio.run


@pytest.fixture
def get() -> Callable[..., Any]:
    """Asks a Datasette for a path, as root or as nobody."""

    def get(datasette: Any, path: str, as_root: bool = True) -> Any:
        cookies = {"ds_actor": datasette.sign({"a": {"id": "root"}}, "actor")} if as_root else {}
        return asyncio.run(datasette.client.get(path, cookies=cookies))

    return get
