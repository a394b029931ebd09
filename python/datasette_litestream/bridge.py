"""Datasette's side of the bridge: what it tells the assembly, and one ``Bridge`` object for each Datasette."""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasette.utils import StartupError

if TYPE_CHECKING:
    from datasette.app import Datasette

PLUGIN = "datasette-litestream"
BUNDLED_BINARY = Path(__file__).parent / "bin" / "litestream"

_bridges: dict[Datasette, Any] = {}


def start(datasette: Datasette) -> None:
    """Starts replication as ``datasette`` is configured; does nothing, and loads no .NET, where it is not."""
    request = start_request(datasette)
    if request is None:
        return
    from .runtime import load

    assembly = load()
    bridge = assembly.Bridge()
    try:
        warnings = bridge.Start(encode(request))
    except assembly.ReplicationException as error:
        raise StartupError(f"{PLUGIN}: {error.Message}") from None
    _bridges[datasette] = bridge
    # For hosts without a lifespan, and for `datasette --get`.
    atexit.register(stop, datasette)
    say(warnings)


def stop(datasette: Datasette) -> None:
    """Stops replication; does nothing where it has stopped or never started."""
    bridge = _bridges.pop(datasette, None)
    if bridge is not None:
        say(bridge.Stop())


def is_configured(datasette: Datasette) -> bool:
    return datasette in _bridges


def status(datasette: Datasette, query: dict[str, Any]) -> dict[str, Any] | None:
    """How replication stands, with the databases that ``query`` asks for, or None where it is not configured."""
    bridge = _bridges.get(datasette)
    return None if bridge is None else json.loads(bridge.Status(encode(query)))


def database(datasette: Datasette, name: str, history: str) -> dict[str, Any] | None:
    """One database with its history over the ``"hour"`` or the ``"day"``, or None where it is not replicated."""
    bridge = _bridges.get(datasette)
    return None if bridge is None else json.loads(bridge.Database(name, history) or "null")


def database_state(datasette: Datasette, name: str) -> dict[str, Any] | None:
    """One database's state in a sentence, or None where it is not replicated; the cheapest of all to ask for."""
    bridge = _bridges.get(datasette)
    return None if bridge is None else json.loads(bridge.DatabaseState(name) or "null")


def health(datasette: Datasette) -> dict[str, Any] | None:
    """Whether all is well, in a line without names, or None where replication is not configured."""
    bridge = _bridges.get(datasette)
    return None if bridge is None else json.loads(bridge.Health())


def metrics(datasette: Datasette) -> str | None:
    """Prometheus's text, or None where replication is not configured."""
    bridge = _bridges.get(datasette)
    return None if bridge is None else bridge.Metrics()


def start_request(datasette: Datasette) -> dict[str, Any] | None:
    """What ``Bridge.Start`` is told, or None where the plugin is not configured."""
    databases = (datasette.config or {}).get("databases") or {}
    try:
        settings = datasette.plugin_config(PLUGIN)
        database_settings = {
            name: datasette.plugin_config(PLUGIN, database=name, fallback=False) for name in databases
        }
    except OSError as error:
        raise StartupError(f'{PLUGIN}: a {{"$file": …}} in its settings cannot be read: {error}') from None
    database_settings = {name: value for name, value in database_settings.items() if value is not None}
    if not settings and not database_settings:
        return None
    return {
        "workingDirectory": os.getcwd(),
        "settings": settings,
        "databaseSettings": database_settings,
        "databases": [
            {
                "name": name,
                "path": str(Path(database.path).resolve()) if database.path and not database.is_memory else None,
                "isMutable": database.is_mutable,
            }
            for name, database in datasette.databases.items()
        ],
        "bundledBinary": str(BUNDLED_BINARY),
        "environment": dict(os.environ),
    }


def encode(request: dict[str, Any]) -> str:
    """JSON that .NET can read whatever YAML held: dates and such as text, no NaN, no half characters."""
    text = json.dumps(json.loads(json.dumps(request, default=str), parse_constant=str), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


def say(sentences: str) -> None:
    for sentence in sentences.splitlines():
        print(f"{PLUGIN}: {sentence}", file=sys.stderr)
