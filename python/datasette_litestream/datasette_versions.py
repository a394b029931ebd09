"""The differences between the supported versions of Datasette, from 0.65 to the alphas of 1.0. No other module handles them."""

import asyncio
import threading
from typing import Any

import click
from datasette import actor_matches_allow, hookimpl, utils

try:
    from datasette.permissions import Action
except ImportError:
    # Datasette 0.65 asks plugins about permissions, and has no list of them.
    Action = None
# datasette.app.Datasette, which cannot be imported here: that module is still loading when it loads its plugins.
Datasette = Any
VIEW_STATUS = "litestream-view-status"
# Datasette 0.65 lists its own catalog among the databases; later versions do not, and users may use that name.
CATALOG = "_internal" if Action is None else None
# Datasette prints the message of both classes and ends; before 1.0a24 it prints a traceback for StartupError alone.
StartupError = type("StartupError", (utils.StartupError, click.ClickException), {})


@hookimpl
def register_actions() -> list[Any]:
    return [Action(name=VIEW_STATUS, description="See the status of Litestream replication")]


@hookimpl
def permission_allowed(datasette: Datasette, actor: dict[str, Any] | None, action: str) -> bool | None:
    """For Datasette 0.65: the ``permissions`` block and root, as Datasette 1.0 has them."""
    if action != VIEW_STATUS:
        return None
    allow = (datasette.metadata("permissions") or {}).get(VIEW_STATUS)
    default = True if actor is not None and actor.get("id") == "root" else None
    return default if allow is None else actor_matches_allow(actor, allow)


async def is_allowed(datasette: Datasette, actor: dict[str, Any] | None) -> bool:
    """Whether an actor may see the status of replication."""
    if Action is None:
        return bool(await datasette.permission_allowed(actor, VIEW_STATUS, default=False))
    return bool(await datasette.allowed(action=VIEW_STATUS, actor=actor))


def is_made(datasette: Datasette) -> bool:
    """Whether a Datasette is complete: older versions create an application for their own client in the constructor."""
    return hasattr(datasette, "client")


def configuration(datasette: Datasette) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Datasette's configuration, the address at which Datasette itself shows it, and what it shows there."""
    if Action is None:
        return datasette.metadata(), "/-/metadata.json", datasette.metadata()
    return datasette.config or {}, "/-/config.json", datasette._config() or {}


def run_beside(datasette: Datasette, task: Any) -> None:
    """Runs a coroutine function beside Datasette: as one of its background tasks from 1.0a38 on, otherwise on a thread."""
    if hasattr(datasette, "add_background_task"):
        datasette.add_background_task(task, name="datasette-litestream")
    else:
        threading.Thread(target=asyncio.run, args=[task(datasette)], daemon=True).start()
