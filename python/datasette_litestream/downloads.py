"""Downloads of databases as they were: who may have one, and how it is sent. The assembly restores it."""

import asyncio
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any, BinaryIO
from urllib.parse import quote
from uuid import uuid4

from datasette import Forbidden, NotFound, Request

from . import bridge
from .datasette_versions import RESTORE, Datasette, databases, is_allowed, may

CHUNK, PATIENCE = 256 * 1024, 60  # Bytes, and how many seconds a client may take for them: who takes none would keep the file for ever.


async def send_restored(datasette: Datasette, request: Request, send: Any) -> Any:
    """Restores a database and sends it, if this actor may see everything in it; returns the assembly's reply if that fails."""
    name, number = await check(datasette, request), uuid4().hex
    gone = asyncio.ensure_future(leaves(request))
    actor = str((request.actor or {}).get("id", ""))
    restoring = asyncio.ensure_future(bridge.ask(datasette, "Download", number, request.method, request.query_string, actor))
    try:
        await asyncio.wait((gone, restoring), return_when=asyncio.FIRST_COMPLETED)
        if not restoring.done():
            return None
        reply = restoring.result() or bridge.UNCONFIGURED | {"status": 404}
        if not reply.get("file"):
            return reply
        # It may have tables that are not there any more, to which the same rules apply.
        await check_tables(datasette, request, name, await asyncio.to_thread(tables_in, reply["file"]))
        with open(reply["file"], "rb") as file:
            os.unlink(reply["file"])  # Now it goes with this process at the latest.
            if bridge.bridges[datasette].HandOutDownload(number):
                await stream(file, reply, send, gone)
    finally:
        gone.cancel()
        end(datasette, number)
        # The restore may begin only now, on its thread.
        restoring.add_done_callback(lambda _: end(datasette, number))


async def is_offered(datasette: Datasette, actor: dict[str, Any] | None, name: str) -> bool:
    """Whether an actor may download a database, as far as it is cheap to know: its tables are looked at when it is asked for."""
    return (
        name in dict(databases(datasette)) and bool(datasette.setting("allow_download"))
        and await is_allowed(datasette, actor, RESTORE) and await may(datasette, actor, "view-database-download", name)
    )


async def check(datasette: Datasette, request: Request) -> str:
    """The database that is asked for. Raises NotFound for who may not see it, and Forbidden for who may not download it."""
    name, actor = request.args.get("database") or "", request.actor
    # The internal database has no name here, and is nobody's to download.
    if name not in dict(databases(datasette)) or not await may(datasette, actor, "view-database", name):
        raise NotFound("Database not found")
    if not await is_allowed(datasette, actor, RESTORE):
        raise Forbidden(f"Permission denied: {RESTORE}")
    if not datasette.setting("allow_download") or not await may(datasette, actor, "view-database-download", name):
        raise Forbidden("Database download is forbidden")
    database = datasette.get_database(name)
    await check_tables(datasette, request, name, [*await database.table_names(), *await database.view_names()])
    return name


async def check_tables(datasette: Datasette, request: Request, name: str, tables: Iterable[str]) -> None:
    for table in tables:
        # SQLite's own statistics, which newer versions of Datasette show nobody, hold values of the other tables.
        if not table.startswith("sqlite_stat") and not await may(datasette, request.actor, "view-table", name, table):
            raise Forbidden("Permission denied: view-table")


def tables_in(path: str) -> list[str]:
    """The tables and views of a file that nobody else has open."""
    with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as connection:
        return [name for (name,) in connection.execute("select name from sqlite_master where type in ('table', 'view')")]


async def stream(file: BinaryIO, reply: dict[str, Any], send: Any, gone: asyncio.Future[None]) -> None:
    """Sends a file until its end, or until nobody takes it any more; then the server ends the connection."""
    headers = {
        "content-type": reply["content_type"], "content-length": str(os.fstat(file.fileno()).st_size), "content-disposition": reply["disposition"],
        "cache-control": "no-store", "x-content-type-options": "nosniff",
    }
    await send({"type": "http.response.start", "status": reply["status"], "headers": [[name.encode(), value.encode()] for name, value in headers.items()]})
    chunk = None
    with suppress(TimeoutError):
        while chunk != b"" and not gone.done():
            chunk = await asyncio.to_thread(file.read, CHUNK)
            await asyncio.wait_for(send({"type": "http.response.body", "body": chunk, "more_body": chunk != b""}), PATIENCE)


async def leaves(request: Request) -> None:
    """Returns when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def end(datasette: Datasette, number: str) -> None:
    if running := bridge.bridges.get(datasette):
        running.EndDownload(number)
