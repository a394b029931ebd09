"""The plugin's pages, and its parts of Datasette's own pages, which show the reports of the assembly."""

from typing import Any
from urllib.parse import urlencode

from datasette import Forbidden, NotFound, Request, Response, hookimpl
from markupsafe import Markup

from . import bridge
from .datasette_versions import VIEW_STATUS, Datasette, is_allowed

PATH, FRESH = "/-/litestream-status", {"cache-control": "no-store"}
TITLE, DESCRIPTION = "Litestream status", "The replication status of this database"
LINE = '<link rel="stylesheet" href="{}"><p class="litestream-line">Litestream: <a class="litestream-state" data-state="{}" href="{}">{}</a></p>'


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    return [(f"^{PATH}$", page), (rf"^{PATH}\.(?P<what>json)$", answer), ("^/-/litestream/(?P<what>health|metrics)$", answer)]


async def page(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    text = await bridge.ask(datasette, "Page", request.query_string) or {"view": "unconfigured"}
    if "view" not in text:
        raise NotFound(text["error"])
    path = datasette.urls.database(text["name"]) if text.get("name") in datasette.databases else None
    html = await datasette.render_template(f"litestream_{text['view']}.html", {"text": text, "database_path": path}, request=request)
    return Response.html(html, headers=FRESH)


async def answer(datasette: Datasette, request: Request) -> Response:
    """The answers for machines. Load balancers have no permission, so the health line contains no names."""
    what = request.url_vars["what"]
    if what != "health":
        await check_permission(datasette, request)
    not_configured = {"status": 200 if what == "json" else 404, "content_type": "application/json", "body": '{"state": "unconfigured"}\n'}
    reply = await bridge.ask(datasette, "Answer", what, request.query_string) or not_configured
    return Response(reply["body"], status=reply["status"], headers=FRESH, content_type=reply["content_type"])


async def check_permission(datasette: Datasette, request: Request) -> None:
    if not await is_allowed(datasette, request.actor):
        raise Forbidden(f"Permission denied: {VIEW_STATUS}")


@hookimpl
async def menu_links(datasette: Datasette, actor: dict[str, Any] | None) -> list[dict[str, str]]:
    return [{"href": datasette.urls.path(PATH), "label": TITLE}] if await is_allowed(datasette, actor) else []


@hookimpl
async def database_actions(datasette: Datasette, actor: dict[str, Any] | None, database: str) -> list[dict[str, str]]:
    state = await database_state(datasette, actor, database)
    return [{"href": state["href"], "label": TITLE, "description": DESCRIPTION}] if state else []


@hookimpl
async def top_database(datasette: Datasette, request: Request, database: str) -> str | None:
    state = await database_state(datasette, request.actor, database)
    style = datasette.urls.static_plugins("datasette_litestream", "status.css")
    return Markup(LINE).format(style, state["state"], state["href"], state["sentence"]) if state else None


async def database_state(datasette: Datasette, actor: dict[str, Any] | None, name: str) -> Any:
    """The state of a database for Datasette's own pages, or None if this actor may not see it."""
    if not await is_allowed(datasette, actor):
        return None
    try:
        state = await bridge.ask(datasette, "DatabaseState", name)
    except Exception:
        # The database's page must work despite any fault of replication; the status page reports the fault.
        return None
    return state and state | {"href": f"{datasette.urls.path(PATH)}?{urlencode({'database': name})}"}
