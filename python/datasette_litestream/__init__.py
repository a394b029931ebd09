"""A Datasette plugin that keeps every attached SQLite database replicated by Litestream.

This package registers Datasette's hooks and forwards to a .NET assembly; see :mod:`datasette_litestream.bridge`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from datasette import hookimpl

from . import bridge, hosts, pages
from .datasette_versions import is_allowed, permission_allowed, register_actions

if TYPE_CHECKING:
    # Datasette loads its plugins while this module of it is still loading.
    from datasette import Request
    from datasette.app import Datasette

__all__ = ["permission_allowed", "register_actions"]


@hookimpl
def prepare_jinja2_environment(datasette: Datasette) -> None:
    """The first hook that knows the configuration: .NET loads while Datasette goes on with its own start."""
    bridge.prepare(datasette)


@hookimpl(trylast=True)
def startup(datasette: Datasette) -> Callable[[], Awaitable[None]]:
    """Starts replication; last, so that databases that other plugins attach are replicated too."""
    return partial(hosts.start, datasette)


@hookimpl(trylast=True)
def asgi_wrapper(datasette: Datasette) -> Callable[[Any], Any]:
    """The outermost of all plugins': what others write at the end is written before replication ends."""
    return partial(hosts.wrap, datasette)


@hookimpl
def menu_links(datasette: Datasette, actor: dict[str, Any] | None) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    async def links() -> list[dict[str, str]]:
        link = {"href": datasette.urls.path(pages.PATH), "label": "Litestream status"}
        return [link] if await is_allowed(datasette, actor) else []

    return links


@hookimpl
def database_actions(
    datasette: Datasette, actor: dict[str, Any] | None, database: str
) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    return partial(pages.database_actions, datasette, actor, database)


@hookimpl
def top_database(datasette: Datasette, request: Request, database: str) -> Callable[[], Awaitable[str | None]]:
    return partial(pages.database_line, datasette, request.actor, database)


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
