"""The pages: each shows what the assembly says."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette import Forbidden, NotFound, Request, Response
from markupsafe import Markup

from . import bridge, shown
from .datasette_versions import is_allowed

if TYPE_CHECKING:
    from datasette.app import Datasette

PATH = "/-/litestream-status"
HEALTH_PATH = "/-/litestream/health"
METRICS_PATH = "/-/litestream/metrics"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FRESH = {"cache-control": "no-store"}
# How much of the log the page shows; its JSON has more.
LOG_LINES = 100
NUMBER = re.compile("[0-9]{1,9}")


async def status(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    name = request.args.get("database")
    report = await ask(datasette, request)
    if report is None and name and bridge.is_running(datasette):
        raise NotFound(f"{name} is not replicated")
    template = "unconfigured" if report is None else "database" if name else "status"
    context = {
        "report": report,
        "shown": shown,
        "now": datetime.now(timezone.utc),
        "path": datasette.urls.path(PATH),
        "metrics_path": datasette.urls.path(METRICS_PATH),
        "database_path": datasette.urls.database(name) if name in datasette.databases else None,
        "query_string": request.query_string,
        "log_lines": LOG_LINES,
        "link": link,
    }
    html = await datasette.render_template(f"litestream_{template}.html", context, request=request)
    return Response.html(html, headers=FRESH)


async def status_json(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    report = await ask(datasette, request)
    if report is not None:
        return Response.json(report, headers=FRESH)
    if bridge.is_running(datasette):
        return Response.json({"ok": False, "error": "This database is not replicated"}, status=404)
    return Response.json({"state": "unconfigured"}, headers=FRESH)


async def metrics(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    text = await asyncio.to_thread(bridge.ask, datasette, "Metrics")
    if text is None:
        return Response.text("not configured\n", status=404)
    return Response(text, headers=FRESH, content_type=METRICS_TYPE)


async def health(datasette: Datasette) -> Response:
    """For load balancers, which have no permission: it tells no names."""
    report = await report_of(datasette, "Health")
    if report is None or not report["enabled"]:
        return Response.text("not found\n", status=404)
    return Response.text(f"{report['line']}\n", status=200 if report["healthy"] else 503, headers=FRESH)


async def database_state(datasette: Datasette, actor: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    """The state of a database as a page of Datasette's own may show it to this actor, or None."""
    if not await is_allowed(datasette, actor):
        return None
    try:
        return await report_of(datasette, "DatabaseState", name)
    except Exception:
        # Whatever is wrong with replication, the database's page is shown; the status page tells what it is.
        return None


def database_link(datasette: Datasette, name: str) -> str:
    return f"{datasette.urls.path(PATH)}?{urlencode({'database': name})}"


async def database_actions(datasette: Datasette, actor: dict[str, Any] | None, name: str) -> list[dict[str, str]]:
    """The link to a database's own page, in the menu of Datasette's page of it."""
    if await database_state(datasette, actor, name) is None:
        return []
    description = "How the replication of this database stands"
    return [{"href": database_link(datasette, name), "label": "Litestream status", "description": description}]


async def database_line(datasette: Datasette, actor: dict[str, Any] | None, name: str) -> str | None:
    """The state of a database on Datasette's page of it."""
    state = await database_state(datasette, actor, name)
    if state is None:
        return None
    html = '<p class="litestream-line">Litestream: <a class="litestream-state" data-state="{}" href="{}">{}</a></p>'
    return Markup(html).format(state["state"], database_link(datasette, name), state["sentence"])


async def ask(datasette: Datasette, request: Request) -> dict[str, Any] | None:
    args = request.args
    if name := args.get("database"):
        return await report_of(datasette, "Database", name, args.get("history") or "hour")
    query: dict[str, Any] = {key: int(args[key]) for key in ("page", "size") if NUMBER.fullmatch(args.get(key, ""))}
    query |= {"search": args.get("search", ""), "sort": args.get("sort", ""), "descending": args.get("descending") == "1"}
    return await report_of(datasette, "Status", json.dumps(query))


async def report_of(datasette: Datasette, method: str, *arguments: str) -> dict[str, Any] | None:
    answer = await asyncio.to_thread(bridge.ask, datasette, method, *arguments)
    return json.loads(answer) if answer else None


async def check_permission(datasette: Datasette, request: Request) -> None:
    if not await is_allowed(datasette, request.actor):
        raise Forbidden("Permission denied: litestream-view-status")


def link(report: dict[str, Any], **changes: Any) -> str:
    """The query string of the same list with another page or order; what is as by default is left out."""
    query = {key: report[key] for key in ("search", "sort", "descending", "size", "page")} | changes
    default = {"search": "", "sort": "name", "descending": False, "size": 50, "page": 1}
    return "?" + urlencode({key: int(value) if value is True else value for key, value in query.items() if value != default[key]})
