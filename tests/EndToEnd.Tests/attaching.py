"""A plugin of Datasette that attaches and detaches databases by routes."""

from pathlib import Path
from typing import Any

from datasette import Response, hookimpl
from datasette.database import Database


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    return [("^/-/test/attach$", attach), ("^/-/test/detach$", detach), ("^/-/test/add$", add)]


async def attach(datasette: Any, request: Any) -> Response:
    """Attaches files: each ``path`` under its ``name``, and all of a ``folder``."""
    files = [*zip(request.args.getlist("path"), request.args.getlist("name"), strict=True)]
    files += [(str(path), path.stem) for folder in request.args.getlist("folder") for path in Path(folder).glob("*.db")]
    for path, name in files:
        datasette.add_database(Database(datasette, path=path, is_mutable="immutable" not in request.args), name=name)
    return Response.json(len(files))


async def detach(datasette: Any, request: Any) -> Response:
    for name in request.args.getlist("name"):
        datasette.remove_database(name)
    return Response.json(list(datasette.databases))


async def add(datasette: Any, request: Any) -> Response:
    """Writes a row as Datasette does."""
    text = request.args.get("text")
    await datasette.get_database(request.args.get("name")).execute_write("insert into rows (text) values (?)", [text])
    return Response.json(True)
