"""The pages: each shows what the assembly says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette import NotFound, Request, Response
from markupsafe import Markup

from . import bridge

if TYPE_CHECKING:
    from datasette.app import Datasette

VIEW_STATUS = "litestream-view-status"
PATH = "/-/litestream-status"
HEALTH_PATH = "/-/litestream/health"
METRICS_PATH = "/-/litestream/metrics"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FRESH = {"cache-control": "no-store"}


async def status(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    text = await asyncio.to_thread(bridge.status_text, datasette, request.query_string)
    if text and "error" in text:
        raise NotFound(text["error"])
    name = text and text.get("name")
    context = {
        "text": text,
        "path": datasette.urls.path(PATH),
        "metrics_path": datasette.urls.path(METRICS_PATH),
        "database_path": datasette.urls.database(name) if name in datasette.databases else None,
    }
    view = text["view"] if text else "unconfigured"
    html = await datasette.render_template(f"litestream_{view}.html", context, request=request)
    return Response.html(html, headers=FRESH)


async def status_json(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    report = await asyncio.to_thread(bridge.status, datasette, request.query_string)
    report = report or {"state": "unconfigured"}
    return Response.json(report, status=404 if "error" in report else 200, headers=FRESH)


async def metrics(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    text = await asyncio.to_thread(bridge.metrics, datasette)
    if text is None:
        return Response.text("not configured\n", status=404)
    return Response(text, headers=FRESH, content_type=METRICS_TYPE)


async def health(datasette: Datasette) -> Response:
    """For load balancers, which have no permission: it tells no names."""
    report = await asyncio.to_thread(bridge.health, datasette)
    if report is None or not report["enabled"]:
        return Response.text("not found\n", status=404)
    return Response.text(f"{report['line']}\n", status=200 if report["healthy"] else 503, headers=FRESH)


async def database_state(datasette: Datasette, actor: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    """The state of a database as a page of Datasette's own may show it to this actor, or None."""
    if not await datasette.allowed(action=VIEW_STATUS, actor=actor):
        return None
    try:
        return await asyncio.to_thread(bridge.database_state, datasette, name)
    except Exception:
        # Whatever is wrong with replication, the database's page is shown; the status page tells what it is.
        return None


def database_link(datasette: Datasette, name: str) -> str:
    return f"{datasette.urls.path(PATH)}?{urlencode({'database': name})}"


def database_line(datasette: Datasette, name: str, state: dict[str, Any]) -> str:
    html = '<p class="litestream-line">Litestream: <a class="litestream-state" data-state="{}" href="{}">{}</a></p>'
    return Markup(html).format(state["state"], database_link(datasette, name), state["sentence"])


async def check_permission(datasette: Datasette, request: Request) -> None:
    await datasette.ensure_permission(action=VIEW_STATUS, actor=request.actor)
