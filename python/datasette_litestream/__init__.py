"""A Datasette plugin that keeps every attached SQLite database replicated by Litestream.

This package registers Datasette's hooks and forwards to a .NET assembly; see :mod:`datasette_litestream.bridge`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from datasette import hookimpl
from datasette.permissions import Action

from . import bridge, pages

if TYPE_CHECKING:
    # Datasette loads its plugins while this module of it is still loading.
    from datasette import Request
    from datasette.app import Datasette

VIEW_STATUS = pages.VIEW_STATUS


@hookimpl
def prepare_jinja2_environment(datasette: Datasette) -> None:
    """The first hook that knows the configuration: .NET loads while Datasette goes on with its own start."""
    bridge.prepare(datasette)


@hookimpl(trylast=True)
def startup(datasette: Datasette) -> Callable[[], Awaitable[None]]:
    """Starts replication; last, so that databases that other plugins attach are replicated too."""

    async def start() -> None:
        await asyncio.to_thread(bridge.start, datasette)

    return start


@hookimpl
def asgi_wrapper(datasette: Datasette) -> Callable[[Any], Any]:
    """Stops replication when the server has shut down: uvicorn ends the process by a signal, which skips ``atexit``."""

    def wrap(app: Any) -> Any:
        async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
            async def send_after_stop(message: dict[str, Any]) -> None:
                if message["type"].startswith("lifespan.shutdown."):
                    await asyncio.to_thread(bridge.stop, datasette)
                await send(message)

            await app(scope, receive, send_after_stop if scope["type"] == "lifespan" else send)

        return wrapped

    return wrap


@hookimpl
def register_actions() -> list[Action]:
    return [Action(name=VIEW_STATUS, description="See how Litestream replication stands")]


@hookimpl
def menu_links(datasette: Datasette, actor: dict[str, Any] | None) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    async def links() -> list[dict[str, str]]:
        if not await datasette.allowed(action=VIEW_STATUS, actor=actor):
            return []
        return [{"href": datasette.urls.path(pages.PATH), "label": "Litestream status"}]

    return links


@hookimpl
def database_actions(
    datasette: Datasette, actor: dict[str, Any] | None, database: str
) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    async def actions() -> list[dict[str, str]]:
        state = await pages.database_state(datasette, actor, database)
        if state is None:
            return []
        return [
            {
                "href": pages.database_link(datasette, database),
                "label": "Litestream status",
                "description": "How the replication of this database stands",
            }
        ]

    return actions


@hookimpl
def top_database(datasette: Datasette, request: Request, database: str) -> Callable[[], Awaitable[str | None]]:
    async def line() -> str | None:
        state = await pages.database_state(datasette, request.actor, database)
        return None if state is None else pages.database_line(datasette, database, state)

    return line


@hookimpl
def extra_css_urls(datasette: Datasette, view_name: str) -> list[str]:
    """For the line of ``top_database``."""
    return [datasette.urls.static_plugins("datasette_litestream", "status.css")] if view_name == "database" else []


@hookimpl
def register_routes() -> list[tuple[str, Callable[..., Any]]]:
    return [
        (rf"^{pages.PATH}$", pages.status),
        (rf"^{pages.PATH}\.json$", pages.status_json),
        (rf"^{pages.METRICS_PATH}$", pages.metrics),
        (rf"^{pages.HEALTH_PATH}$", pages.health),
    ]
