"""What the shim reads of a Datasette and hands to the assembly, and what answers where replication has not started."""

from __future__ import annotations

import asyncio
import datetime
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasette_litestream import bridge

PLUGIN = "datasette-litestream"
Make = Callable[..., Any]


def request_of(datasette: Any) -> Any:
    return json.loads(bridge.start_request(datasette))


@pytest.mark.parametrize(
    ("configuration", "scopes"),
    [
        ({}, []),
        ({"plugins": {}}, []),
        ({"plugins": None}, []),
        ({"plugins": {"datasette-other": {"key": 1}}}, []),
        ({"plugins": {PLUGIN: {}}}, []),
        ({"plugins": {PLUGIN: None}}, []),
        ({"plugins": {PLUGIN: {"health": False}}}, [None]),
        ({"databases": None}, []),
        ({"databases": {"parks": None}}, []),
        ({"databases": {"parks": {"plugins": {PLUGIN: {"replicas": []}}}}}, ["parks"]),
        ({"databases": {"parks": "text"}, "plugins": {PLUGIN: "text"}}, [None]),
        ({"databases": {"a": {"plugins": {PLUGIN: [1]}}, "b": {}}, "plugins": {PLUGIN: {"x": 1}}}, [None, "a"]),
    ],
)
def test_plugin_blocks_are_those_that_set_the_plugin(configuration: dict[str, Any], scopes: list[str | None]) -> None:
    assert list(bridge.plugin_blocks(configuration)) == scopes


def test_the_request_has_settings_databases_and_environment(make_datasette: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "my-bucket")
    configuration = {
        "plugins": {PLUGIN: {"all-replicate": {"$env": "BUCKET"}}},
        "databases": {"parks": {"plugins": {PLUGIN: {"monitor-interval": "5s"}}}},
    }
    request = request_of(make_datasette(configuration, "parks", memory=True))
    assert request["settings"] == {"all-replicate": "my-bucket"}
    assert request["databaseSettings"] == {"parks": {"monitor-interval": "5s"}}
    assert request["workingDirectory"] == str(Path.cwd())
    assert request["environment"]["BUCKET"] == "my-bucket"
    program = subprocess.run(request["sqliteProgram"], input=b'{"do": "look", "path": "/not/there"}', capture_output=True, check=True)
    assert json.loads(program.stdout) == {"error": "No such file or directory"}
    databases = {database.pop("name"): database for database in request["databases"]}
    assert databases.pop("parks") == {"isMutable": True, "path": str(tmp_path.resolve() / "parks.db"), "servedPath": str(tmp_path / "parks.db")}
    # Datasette's catalog is not the user's; what is left is in memory.
    assert "_internal" not in databases
    assert all(database["path"] is None for database in databases.values())


def test_a_database_is_in_the_request_as_the_file_and_as_the_link_to_it(make_datasette: Make, tmp_path: Path) -> None:
    datasette = make_datasette({"plugins": {PLUGIN: {}}}, "parks")
    (tmp_path / "real.db").write_bytes(b"")
    (tmp_path / "parks.db").unlink(missing_ok=True)
    (tmp_path / "parks.db").symlink_to("real.db")
    parks = next(database for database in request_of(datasette)["databases"] if database["name"] == "parks")
    assert (parks["path"], parks["servedPath"]) == (str(tmp_path.resolve() / "real.db"), str(tmp_path / "parks.db"))


def test_what_Datasette_shows_is_in_the_request_as_it_shows_it(make_datasette: Make) -> None:
    published = request_of(make_datasette({"plugins": {PLUGIN: {"secret-access-key": {"$env": "NOT_SET"}}}}))["published"]
    assert published["at"] in ("/-/metadata.json", "/-/config.json")
    # 1.0 masks a key of that name, 0.65 shows the reference.
    assert published["settings"]["secret-access-key"] in ("***", {"$env": "NOT_SET"})


def test_a_variable_that_is_not_set_reads_as_nothing(make_datasette: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    datasette = make_datasette({"plugins": {PLUGIN: {"access-key-id": {"$env": "NOT_SET"}}}})
    assert request_of(datasette)["settings"] == {"access-key-id": None}


def test_a_secret_is_read_from_its_file(make_datasette: Make, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file")
    datasette = make_datasette({"plugins": {PLUGIN: {"secret-access-key": {"$file": str(secret)}}}})
    assert request_of(datasette)["settings"] == {"secret-access-key": "from a file"}


def test_a_file_that_is_not_there_is_refused_by_its_name(make_datasette: Make, tmp_path: Path) -> None:
    datasette = make_datasette({"plugins": {PLUGIN: {"secret-access-key": {"$file": str(tmp_path / "missing")}}}})
    with pytest.raises(bridge.Refused, match=r'a \{"\$file": …\} in its settings cannot be read: .*missing'):
        bridge.start_request(datasette)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (datetime.date(2026, 5, 1), "2026-05-01"),
        (datetime.datetime(2026, 5, 1, 12), "2026-05-01 12:00:00"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        ("half \ud800 a pair", "half ? a pair"),
        ("both \ud83d\ude00 halves", "both 😀 halves"),
        ("größer", "größer"),
        (b"bytes", "b'bytes'"),
        (1.5, 1.5),
        ([None, True, {"key": ()}], [None, True, {"key": []}]),
    ],
)
def test_whatever_YAML_holds_the_request_is_JSON(make_datasette: Make, value: Any, sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    datasette = make_datasette()
    shown = {"plugins": {PLUGIN: {"value": value}}}
    # As Datasette has it in memory: its own loaders do not make all of these from a file.
    monkeypatch.setattr(bridge, "configuration", lambda _: (shown, "/-/config.json", shown))
    request = bridge.start_request(datasette)
    request.encode("utf-8")
    assert json.loads(request, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["settings"] == {"value": sent}


def test_an_environment_that_is_not_text_is_sent(make_datasette: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # Python reads a byte that is no UTF-8 as half a surrogate pair.
    monkeypatch.setenv("ODD", "\udcff")
    assert request_of(make_datasette())["environment"]["ODD"] == "?"


def test_nothing_is_started_where_the_plugin_is_not_configured(make_datasette: Make) -> None:
    datasette = make_datasette({"plugins": {"datasette-other": {"key": 1}}}, "parks")
    bridge.start(datasette)
    assert not bridge.bridges
    assert not bridge.refusals


def test_what_cannot_start_is_refused_and_answers_from_then_on(make_datasette: Make, replicate_all: Any, run: Any) -> None:
    datasette = make_datasette(replicate_all, "parks")
    with pytest.raises(bridge.Refused, match=r"^datasette-litestream: \.NET 10 or later cannot be loaded from .*: There is no host/fxr") as caught:
        bridge.start(datasette)
    assert not bridge.bridges
    page = run(bridge.ask(datasette, "Page", ""))
    assert page == {"view": "failed", "state": "failed", "sentence": "failed", "error": str(caught.value)}
    assert run(bridge.ask(datasette, "DatabaseState", "parks")) == page


@pytest.mark.parametrize("state", ["failed", "starting"])
def test_a_refusal_is_503_for_machines_and_names_nothing(state: str) -> None:
    refused: Any = bridge.Refused("datasette-litestream: s3://secret-bucket is wrong", state)
    for what in "health", "metrics":
        answer = json.loads(refused.Answer(what, ""))
        assert answer == {"status": 503, "content_type": "text/plain", "body": f"{state}: replication has not started\n"}
    answer = json.loads(refused.Answer("json", ""))
    assert (answer["status"], answer["content_type"]) == (200, "application/json")
    assert json.loads(answer["body"])["error"] == "datasette-litestream: s3://secret-bucket is wrong"


def test_nobody_answers_for_a_Datasette_without_replication(make_datasette: Make, run: Any) -> None:
    assert run(bridge.ask(make_datasette(), "Page", "")) is None


def test_stopping_twice_stops_once(replicated: Any) -> None:
    datasette, stand_in = replicated
    bridge.stop(datasette)
    bridge.stop(datasette)
    assert stand_in.stopped == 1


def test_the_assembly_is_told_of_databases_that_come_and_go_once_a_change(replicated: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    datasette, stand_in = replicated
    looks: list[Callable[[], Any]] = [lambda: None, lambda: datasette.add_memory_database("kept"), lambda: datasette.remove_database("kept"), bridge.bridges.clear]

    async def pass_on(seconds: float) -> None:
        looks.pop(0)()

    monkeypatch.setattr(asyncio, "sleep", pass_on)
    run(bridge.watch(datasette))
    told = [[database["name"] for database in databases] for databases in stand_in.served]
    assert [names.count("kept") for names in told] == [0, 1, 0]
    assert all("parks" in names for names in told)


def test_the_options_of_serve_are_told() -> None:
    from datasette.cli import serve

    words = ["--immutable", __file__, "--plugins-dir", str(Path(__file__).parent), "--setting", "max_returned_rows", "5"]
    with serve.make_context("serve", words) as context:
        options = bridge.serve_options(context)
    assert ["--plugins-dir", str(Path(__file__).parent)] in options
    assert ["-i", __file__] in options
    assert [[name.removeprefix("settings."), value] for option, name, value in (it for it in options if len(it) == 3)] == [["max_returned_rows", "5"]]
