"""The differences between the supported versions of Datasette, from 0.65 to the alphas of 1.0. No other module handles them."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import click
from datasette import Forbidden, actor_matches_allow, hookimpl, utils

try:
    from datasette.permissions import Action
    from datasette.resources import DatabaseResource, TableResource
except ImportError:
    # Datasette 0.65 asks plugins about permissions, and has no list of them.
    Action = None
# datasette.app.Datasette, which cannot be imported here: that module is still loading when it loads its plugins.
Datasette = Any
VIEW_STATUS, MANAGE, RESTORE = "litestream-view-status", "litestream-manage", "litestream-restore"
PERMISSIONS = {
    VIEW_STATUS: "See the status of Litestream replication",
    MANAGE: "Manage Litestream replication: sync, pause, register, restart",
    RESTORE: "Download databases as they were, restored from their backups",
}
# Datasette 0.65 lists its own catalog among the databases; later versions do not, and users may use that name.
CATALOG = "_internal" if Action is None else None
# Datasette prints the message of both classes and ends; before 1.0a24 it prints a traceback for StartupError alone.
StartupError = type("StartupError", (utils.StartupError, click.ClickException), {})


@hookimpl
def register_actions() -> list[Any]:
    return [Action(name=name, description=description) for name, description in PERMISSIONS.items()]


@hookimpl
def permission_allowed(datasette: Datasette, actor: dict[str, Any] | None, action: str) -> bool | None:
    """For Datasette 0.65: the ``permissions`` block and root, as Datasette 1.0 has them."""
    if action not in PERMISSIONS:
        return None
    allow = (datasette.metadata("permissions") or {}).get(action)
    default = True if actor is not None and actor.get("id") == "root" else None
    return default if allow is None else actor_matches_allow(actor, allow)


async def is_allowed(datasette: Datasette, actor: dict[str, Any] | None, action: str = VIEW_STATUS) -> bool:
    """Whether an actor has a permission of this plugin."""
    asked = datasette.allowed(action=action, actor=actor) if Action else datasette.permission_allowed(actor, action, default=False)
    return bool(await asked)


async def may(datasette: Datasette, actor: dict[str, Any] | None, action: str, *resource: str) -> bool:
    """Whether an actor has a permission of Datasette's own for a database, or for a table of it, by Datasette's own rules."""
    if Action:
        return bool(await datasette.allowed(action=action, resource=(DatabaseResource if len(resource) == 1 else TableResource)(*resource), actor=actor))
    # The first that is decided counts; what nothing decides is allowed.
    asked = [(action, resource if len(resource) > 1 else resource[0]), ("view-database", resource[0]), "view-instance"]
    with suppress(Forbidden):
        await datasette.ensure_permissions(actor, asked)
        return True
    return False


def databases(datasette: Datasette) -> list[tuple[str | None, Any]]:
    """The databases by name, without the catalog; the internal database has no name here, and is there if it is a file that outlives Datasette."""
    internal = getattr(datasette, "_internal_database", None)
    is_file = internal is not None and not internal.is_memory and not getattr(internal, "is_temp_disk", False)
    return [it for it in datasette.databases.items() if it[0] != CATALOG] + ([(None, internal)] if is_file else [])


def configuration(datasette: Datasette) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Datasette's configuration, the address at which Datasette itself shows it, and what it shows there."""
    metadata = None if Action else datasette.metadata()
    return (metadata, "/-/metadata.json", metadata) if metadata is not None else (datasette.config or {}, "/-/config.json", datasette._config() or {})


def run_beside(datasette: Datasette, task: Any) -> None:
    """Runs a coroutine function beside Datasette: as one of its background tasks from 1.0a38 on, otherwise on a thread."""
    if hasattr(datasette, "add_background_task"):
        datasette.add_background_task(task, name="datasette-litestream")
    else:
        threading.Thread(target=asyncio.run, args=[task(datasette)], daemon=True).start()
