"""Datasette's side of the bridge: what it tells the assembly, and the number of each Datasette's bridge there."""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StartupError

if TYPE_CHECKING:
    from datasette.app import Datasette

PLUGIN = "datasette-litestream"
BUNDLED_BINARY = Path(__file__).parent / "bin" / "litestream"

# Datasette to the number of its bridge.
_bridges: dict[Datasette, str] = {}


def prepare(datasette: Datasette) -> None:
    """Begins to load .NET where the plugin is configured, and nothing where it is not."""
    config = datasette.config or {}
    scopes = [config, *(config.get("databases") or {}).values()]
    if any(PLUGIN in (scope.get("plugins") or {}) for scope in scopes if isinstance(scope, dict)):
        from .runtime import begin_loading

        begin_loading()


def start(datasette: Datasette) -> None:
    """Starts replication as ``datasette`` is configured; does nothing, and loads no .NET, where it is not."""
    request = start_request(datasette)
    if request is None:
        return
    from .runtime import ReplicationError, call

    try:
        number, warnings = call("Start", encode(request)).split("\n", 1)
    except ReplicationError as error:
        raise StartupError(f"{PLUGIN}: {error}") from None
    _bridges[datasette] = number
    # For hosts without a lifespan, and for `datasette --get`.
    atexit.register(stop, datasette)
    say(warnings)


def stop(datasette: Datasette) -> None:
    """Stops replication; does nothing where it has stopped or never started."""
    number = _bridges.pop(datasette, None)
    if number is not None:
        from .runtime import call

        say(call("Stop", number))


def is_configured(datasette: Datasette) -> bool:
    return datasette in _bridges


def status(datasette: Datasette, query: str) -> dict[str, Any] | None:
    """How replication stands, as the address's query string asks for it, or None where it is not configured."""
    return decode(ask(datasette, "Status", query))


def status_text(datasette: Datasette, query: str) -> dict[str, Any] | None:
    """The same as a page shows it."""
    return decode(ask(datasette, "StatusText", query))


def database_state(datasette: Datasette, name: str) -> dict[str, Any] | None:
    """One database's state in a sentence, or None where it is not replicated; the cheapest of all to ask for."""
    return decode(ask(datasette, "DatabaseState", name))


def health(datasette: Datasette) -> dict[str, Any] | None:
    """Whether all is well, in a line without names, or None where replication is not configured."""
    return decode(ask(datasette, "Health"))


def metrics(datasette: Datasette) -> str | None:
    """Prometheus's text, or None where replication is not configured."""
    return ask(datasette, "Metrics")


def ask(datasette: Datasette, method: str, *arguments: str) -> str | None:
    """What the bridge of ``datasette`` answers, or None where it has none."""
    number = _bridges.get(datasette)
    if number is None:
        return None
    from .runtime import call

    return call(method, number, *arguments)


def decode(answer: str | None) -> dict[str, Any] | None:
    return json.loads(answer) if answer else None


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
