"""Datasette's side of the bridge: each Datasette's ``Bridge``, and what that is told."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .datasette_versions import CATALOG, configuration, published_configuration

if TYPE_CHECKING:
    from datasette.app import Datasette

PLUGIN = "datasette-litestream"
BUNDLED_BINARY = Path(__file__).parent / "bin" / "litestream"

_bridges: dict[Datasette, Any] = {}
# Why replication did not start, where Datasette goes on all the same.
_refusals: dict[Datasette, str] = {}


class Refused(Exception):
    """Replication cannot start; the message is for the user."""


def prepare(datasette: Datasette) -> None:
    """Begins to load .NET where the plugin is configured, and nothing where it is not."""
    settings, database_settings = plugin_settings(configuration(datasette))
    if settings or database_settings:
        from .runtime import begin_loading

        begin_loading()


def start(datasette: Datasette) -> None:
    """Starts replication as ``datasette`` is configured; does nothing, and loads no .NET, where it is not.

    Raises ``Refused`` where replication cannot start; ``ask`` does so too from then on.
    """
    try:
        request = start_request(datasette)
        if request is None:
            return
        from .runtime import begin_loading

        assembly = begin_loading().result()
        bridge = assembly.Bridge()
        try:
            warnings = bridge.Start(encode(request))
        except assembly.ReplicationException as error:
            raise Refused(error.Message) from None
    except Exception as error:
        _refusals[datasette] = f"{PLUGIN}: {error}"
        raise Refused(_refusals[datasette]) from error
    _bridges[datasette] = bridge
    print_warnings(warnings)


def stop(datasette: Datasette) -> None:
    """Stops replication; does nothing where it has stopped or never started."""
    bridge = _bridges.pop(datasette, None)
    if bridge is not None:
        print_warnings(bridge.Stop())


def is_running(datasette: Datasette | None = None) -> bool:
    """Whether replication runs for ``datasette``, or for any."""
    return bool(_bridges) if datasette is None else datasette in _bridges


def refusal(datasette: Datasette) -> str | None:
    """Why replication did not start, or None where it did or is not configured."""
    return _refusals.get(datasette)


def ask(datasette: Datasette, method: str, *arguments: str) -> str | None:
    """What a method of the bridge of ``datasette`` answers, or None where replication is not configured."""
    if datasette in _refusals:
        raise Refused(_refusals[datasette])
    bridge = _bridges.get(datasette)
    return None if bridge is None else getattr(bridge, method)(*arguments)


def plugin_settings(config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The plugin's settings in a configuration of Datasette's: those for all, and each database's that has any."""

    def settings(scope: Any) -> Any:
        return (scope.get("plugins") or {}).get(PLUGIN) if isinstance(scope, dict) else None

    scopes = (config.get("databases") or {}).items()
    return settings(config), {name: settings(scope) for name, scope in scopes if settings(scope) is not None}


def start_request(datasette: Datasette) -> dict[str, Any] | None:
    """What ``Bridge.Start`` is told, or None where the plugin is not configured."""
    settings, database_settings = plugin_settings(configuration(datasette))
    if not settings and not database_settings:
        return None
    address, published = published_configuration(datasette)
    published_settings, published_database_settings = plugin_settings(published)
    try:
        # As plugins get them: each {"$env": …} and {"$file": …} is replaced by what it names.
        settings = datasette.plugin_config(PLUGIN)
        database_settings = {
            name: datasette.plugin_config(PLUGIN, database=name, fallback=False) for name in database_settings
        }
    except OSError as error:
        raise Refused(f'a {{"$file": …}} in its settings cannot be read: {error}') from None
    return {
        "workingDirectory": os.getcwd(),
        "settings": settings,
        "databaseSettings": database_settings,
        "published": {
            "at": address,
            "settings": published_settings,
            "databaseSettings": published_database_settings,
        },
        "databases": [
            {
                "name": name,
                "path": str(Path(database.path).resolve()) if database.path and not database.is_memory else None,
                "isMutable": database.is_mutable,
            }
            for name, database in datasette.databases.items()
            if name != CATALOG
        ],
        "bundledBinary": str(BUNDLED_BINARY),
        "programFolder": str(Path(sys.executable).parent),
        "environment": dict(os.environ),
    }


def encode(request: dict[str, Any]) -> str:
    """JSON that .NET can read whatever YAML held: dates and such as text, no NaN, no half characters."""
    text = json.dumps(json.loads(json.dumps(request, default=str), parse_constant=str), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


def print_warnings(sentences: str) -> None:
    for sentence in sentences.splitlines():
        print(f"{PLUGIN}: {sentence}", file=sys.stderr)
