"""A Datasette plugin that keeps every attached SQLite database replicated by Litestream: its hooks."""

from .bridge import prepare_jinja2_environment
from .commands import register_commands
from .datasette_versions import permission_allowed, register_actions
from .hosts import asgi_wrapper, startup
from .pages import database_actions, menu_links, register_routes, top_database
