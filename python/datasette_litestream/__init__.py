"""A Datasette plugin that keeps every attached SQLite database replicated by Litestream: its hooks."""

import sys

from . import bridge
from .datasette_versions import permission_allowed, register_actions
from .hosts import asgi_wrapper, startup
from .pages import database_actions, menu_links, register_routes, top_database

if any(map(bridge.is_named, sys.argv[1:])):
    # Datasette imports its plugins first: .NET loads while the rest is imported, and tries what it is to do.
    from .runtime import begin_loading
    begin_loading().add_done_callback(lambda loading: loading.exception() or loading.result().Bridge.Rehearse())
