"""The plugin's pages, and its parts of Datasette's own pages, which show the reports of the assembly."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from datasette import Forbidden, NotFound, Request, Response, hookimpl
from markupsafe import Markup

from . import bridge, downloads
from .datasette_versions import MANAGE, VIEW_STATUS, Datasette, is_allowed

PATH, DOWNLOAD, FRESH = "/-/litestream-status", "/-/litestream/download", {"cache-control": "no-store"}
ACTIONS, TITLE = "sync|pause|resume|register|unregister|restart|check|verify|accept", "Litestream status"
LINE = '<link rel="stylesheet" href="{}"><p class="litestream-line">Litestream: <a class="litestream-state" data-state="{}" href="{}">{}</a></p>'


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    pages = [(f"^{PATH}$", page), ("^/-/litestream/(?P<page>drills)$", page), (f"^{DOWNLOAD}$", download)]
    for_machines = rf"^{PATH}\.(?P<what>json)$", r"^/-/litestream/(?P<what>drills)\.json$", f"^/-/litestream/(?P<what>health|metrics|{ACTIONS})$"
    return [*pages, *((path, answer) for path in for_machines)]


async def page(datasette: Datasette, request: Request) -> Response:
    await check_permission(datasette, request)
    method = request.url_vars.get("page", "page").capitalize()
    text = await bridge.ask(datasette, method, request.query_string, await is_allowed(datasette, request.actor, MANAGE)) or {"view": "unconfigured"}
    if "view" not in text:
        raise NotFound(text["error"])
    path = datasette.urls.database(text["name"]) if text.get("name") in datasette.databases and not text["is_internal"] else None
    download_path = datasette.urls.path(DOWNLOAD) if path and await downloads.is_offered(datasette, request.actor, text["name"]) else None
    context = {"text": text, "database_path": path, "download_path": download_path}
    html = await datasette.render_template(f"litestream_{text['view']}.html", context, request=request)
    return Response.html(html, headers=FRESH)


async def answer(datasette: Datasette, request: Request) -> Response:
    """The answers for machines, and what is done by hand. Load balancers have no permission, so the health line contains no names."""
    what, may_manage = request.url_vars["what"], await is_allowed(datasette, request.actor, MANAGE)
    by_hand = what in ACTIONS.split("|")
    if what != "health":
        await check_permission(datasette, request, MANAGE if by_hand else VIEW_STATUS)
    question: tuple[Any, ...] = "Answer", what, request.query_string, may_manage
    if by_hand:
        # Datasette itself has refused forged requests before.
        body, kind = (await request.post_body()).decode(errors="replace"), request.headers.get("content-type", "")
        question = "Act", request.method, what, kind, body, str((request.actor or {}).get("id", ""))
    reply = await bridge.ask(datasette, *question) or bridge.UNCONFIGURED | {"status": 200 if what in ("json", "drills") else 404}
    return respond(datasette, request, reply, is_form=by_hand)


async def download(datasette: Datasette, request: Request, send: Any) -> Response | None:
    """A database as it was. By POST alone, which neither a browser that looks ahead nor another site sends: each restore is work."""
    reply = await downloads.send_restored(datasette, request, send)
    return respond(datasette, request, reply, is_form=True) if reply else None


def respond(datasette: Datasette, request: Request, reply: dict[str, Any], is_form: bool) -> Response:
    """The response to a program or, where a form may have been sent, to a browser, which goes back to the page."""
    if is_form and request.method == "POST" and "text/html" in request.headers.get("accept", ""):
        datasette.add_message(request, reply["message"], datasette.INFO if reply["status"] == 200 else datasette.ERROR)
        return Response.redirect(datasette.urls.path(PATH) + reply["page"])
    headers = FRESH | {"allow": "POST"} if reply["status"] == 405 else FRESH
    return Response(reply["body"], status=reply["status"], headers=headers, content_type=reply["content_type"])


async def check_permission(datasette: Datasette, request: Request, action: str = VIEW_STATUS) -> None:
    if not await is_allowed(datasette, request.actor, action):
        raise Forbidden(f"Permission denied: {action}")


@hookimpl
async def menu_links(datasette: Datasette, actor: dict[str, Any] | None) -> list[dict[str, str]]:
    return [{"href": datasette.urls.path(PATH), "label": TITLE}] if await is_allowed(datasette, actor) else []


@hookimpl
async def database_actions(datasette: Datasette, actor: dict[str, Any] | None, database: str) -> list[dict[str, str]]:
    state = await database_state(datasette, actor, database)
    return [{"href": state["href"], "label": TITLE, "description": "The replication status of this database"}] if state else []


@hookimpl
async def top_database(datasette: Datasette, request: Request, database: str) -> str | None:
    state = await database_state(datasette, request.actor, database)
    style = datasette.urls.static_plugins("datasette_litestream", "status.css")
    return Markup(LINE).format(style, state["state"], state["href"], state["sentence"]) if state else None


async def database_state(datasette: Datasette, actor: dict[str, Any] | None, name: str) -> Any:
    """The state of a database for Datasette's own pages, or None if this actor may not see it."""
    # The database's page must work despite any fault of replication; the status page reports the fault.
    with suppress(Exception):
        if await is_allowed(datasette, actor) and (state := await bridge.ask(datasette, "DatabaseState", name)):
            return state | {"href": f"{datasette.urls.path(PATH)}?{urlencode({'database': name})}"}
    return None
