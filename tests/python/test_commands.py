"""The commands of ``datasette litestream``: what they hand to the assembly, for which something stands in here."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from datasette.cli import cli

from datasette_litestream import commands, runtime

KEYS = ("at", "txid", "to", "inPlace", "from", "ifMissing", "verify", "force", "json")
# Datasette 0.65 has no -c, and its plugins' settings are in its metadata.
OPTION = "-c" if any("-c" in it.opts for it in cli.commands["serve"].params) else "-m"


class StandInLine:
    """Answers as the assembly does, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], str, dict[str, Any]]] = []
        self.cancelled = 0
        self.ended = Event()
        self.on_run: Callable[[], None] = lambda: None

    def Run(self, request: str, command: str, arguments: str) -> int:
        self.asked.append((json.loads(request), command, json.loads(arguments)))
        os.write(self.asked[-1][2]["output"], b"written\n")
        self.on_run()
        return 130 if self.cancelled else 7

    def Cancel(self) -> None:
        self.cancelled += 1
        self.ended.set()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandInLine:
    stand_in, loaded = StandInLine(), Future[Any]()
    loaded.set_result(SimpleNamespace(CommandLine=lambda: stand_in))
    monkeypatch.setattr(runtime, "begin_loading", lambda: loaded)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasette.yaml").write_text("plugins: {datasette-litestream: {all-replicate: 'file://$PWD/backup/$DB_NAME'}}")
    return stand_in


@pytest.fixture(autouse=True, scope="session")
def group() -> None:
    """Adds the commands, as Datasette does for plugins that are installed."""
    if "litestream" not in cli.commands:
        commands.register_commands(cli)


def call(*words: str) -> Any:
    return CliRunner().invoke(cli, ["litestream", *words])


@pytest.mark.parametrize("name", ["restore", "points", "status", "verify", "doctor", "config", "litestream"])
def test_help_has_examples_and_loads_no_dotnet(name: str) -> None:
    # The tests' folder of .NET is empty.
    result = call(name, "--help")
    assert result.exit_code == 0
    assert f"  datasette litestream {name} " in result.output
    assert OPTION in result.output


def test_the_assembly_gets_the_databases_the_words_and_every_option(line: StandInLine, tmp_path: Path) -> None:
    with closing(sqlite3.connect("parks.db")) as connection:
        connection.execute("create table t (x)")
    result = call("restore", "parks.db", "trees.db", "lakes", OPTION, "datasette.yaml", "--at", "10:00", "-o", "x.db", "--from", "2", "--verify", "--json")
    assert (result.exit_code, result.output) == (7, "written\n")
    [(request, command, arguments)] = line.asked
    assert command == "restore"
    assert [(it["name"], it["path"]) for it in request["databases"] if it["name"] == "parks"] == [("parks", str(tmp_path / "parks.db"))]
    assert request["settings"] == {"all-replicate": "file://$PWD/backup/$DB_NAME"}
    assert arguments["words"] == ["parks.db", "trees.db", "lakes"]
    assert arguments["folder"] == str(tmp_path)
    assert {key: arguments[key] for key in KEYS} == {
        "at": "10:00", "txid": None, "to": "x.db", "inPlace": False, "from": 2, "ifMissing": False, "verify": True, "force": False, "json": True
    }


def test_a_folder_of_a_configuration_is_one(line: StandInLine, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/metadata.json").write_text("{}")
    (tmp_path / "parks").mkdir()
    assert call("points", "site/").exit_code == 7
    assert call("points", "parks").exit_code == 7
    assert [asked[2]["folder"] for asked in line.asked] == [str(tmp_path / "site"), str(tmp_path)]


def test_what_follows_two_dashes_is_Litestreams(line: StandInLine) -> None:
    assert call("litestream", "parks", OPTION, "datasette.yaml", "--", "restore", "-o", "x.db", "--", "parks").exit_code == 7
    assert (line.asked[0][2]["words"], line.asked[0][2]["rest"]) == (["parks"], ["restore", "-o", "x.db", "--", "parks"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_in_order(line: StandInLine, number: signal.Signals) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), number)
        assert line.ended.wait(30)

    line.on_run = interrupt
    # Whoever runs the tests in the background may have them ignore it.
    handlers = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler), signal.SIGTERM: signal.getsignal(signal.SIGTERM)}
    try:
        assert commands.run(line, "{}", "restore", json.dumps({"output": 1})) == 130
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    assert line.cancelled == 1


def test_without_dotnet_the_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("points", "parks")
    assert result.exit_code == 1
    assert result.output.startswith("Error: .NET 10 or later cannot be loaded from")
    assert "Traceback" not in result.output
