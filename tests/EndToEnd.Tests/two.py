"""Two Datasettes in one application: that of ``app.py``, and under ``/trees`` one with ``trees.db``."""

from typing import Any

from app import app as parks
from app import make

__all__ = ["app", "parks", "trees"]

trees = make("trees.db").app()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await (trees if scope["path"].startswith("/trees") else parks)(scope, receive, send)
