"""A Datasette for an ASGI server to run: ``parks.db``, as ``APP_CONFIGURATION`` has it, with the plugins in ``plugins``."""

import inspect
import json
import os
from pathlib import Path

from datasette.app import Datasette

# What 1.0 has in its configuration, 0.65 has in its metadata.
keyword = "config" if "config" in inspect.signature(Datasette.__init__).parameters else "metadata"


def make(file: str) -> Datasette:
    datasette = Datasette(
        [file],
        plugins_dir="plugins" if Path("plugins").is_dir() else None,
        secret=os.environ["DATASETTE_SECRET"],
        **{keyword: json.loads(os.environ["APP_CONFIGURATION"])},
    )
    datasette.root_enabled = True
    return datasette


app = make("parks.db").app()
