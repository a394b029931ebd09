"""The pages: each shows what the assembly says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from datasette import Request, Response

from . import bridge

if TYPE_CHECKING:
    from datasette.app import Datasette

VIEW_STATUS = "litestream-view-status"
PATH = "/-/litestream-status"


async def status(datasette: Datasette, request: Request) -> Response:
    await datasette.ensure_permission(action=VIEW_STATUS, actor=request.actor)
    report = await asyncio.to_thread(bridge.status, datasette)
    template = "litestream_unconfigured.html" if report is None else "litestream_status.html"
    return Response.html(await datasette.render_template(template, {"report": report}, request=request))


async def status_json(datasette: Datasette, request: Request) -> Response:
    await datasette.ensure_permission(action=VIEW_STATUS, actor=request.actor)
    report = await asyncio.to_thread(bridge.status, datasette)
    return Response.json({"state": "unconfigured"} if report is None else report)
