"""The commands that are measured, as templates, and how their placeholders are filled in."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from running import datasette_python


@dataclass(frozen=True)
class Variant:
    name: str
    # See compare.py for its placeholders.
    command: str
    status: str | None = None
    # What it serves besides its status page; db0 stands for all databases.
    pages: tuple[str, ...] = ()
    serves: bool = True

    @property
    def replicates(self) -> bool:
        return "{replica}" in self.command or "{litestream}" in self.command

    def command_line(self, databases: list[Path], plugin: Path) -> list[str]:
        folder = databases[0].parent
        litestream = folder / "litestream.yml"
        # JSON is YAML; a list of one replica is read by Litestream 0.5 and 0.3 alike.
        entries = [{"path": str(file), "replicas": [{"url": f"file://{replica_of(file)}"}]} for file in databases]
        litestream.write_text(json.dumps({"dbs": entries}))
        command = self.command
        for placeholder, text in {
            "{databases}": " ".join(map(str, databases)),
            "{replica}": str(replica_of(databases[0]).parent),
            "{litestream}": str(litestream),
            "{python}": datasette_python(),
            "{plugin}": str(plugin),
        }.items():
            command = command.replace(placeholder, text)
        return shlex.split(command)


def replica_of(database: Path) -> Path:
    """Where a database's replica is expected."""
    return database.parent / "replica" / database.stem


# Datasette opens each database once for each of its threads that happens to use it: with more than one thread a thousand
# databases take 70 MiB more or less by chance.
SERVE = "{python} -m datasette {databases} -p 0 --setting num_sql_threads 1"
ALONE = Variant("Datasette alone", f"env PYTHONPATH= {SERVE}")
STATUS = "/-/litestream-status"
NOT_CONFIGURED = Variant("not configured", f"env PYTHONPATH={{plugin}} {SERVE}")
THIS = Variant(
    "this plugin",
    f"{NOT_CONFIGURED.command} -s permissions.litestream-view-status true"
    " -s plugins.datasette-litestream.all-replicate file://{replica}/$DB_NAME",
    status=STATUS,
    pages=(f"{STATUS}?database=db0", f"{STATUS}.json", *(f"/-/litestream/{it}" for it in ("health", "metrics", "drills", "drills.json"))),
)
BARE = Variant("bare Litestream", "litestream replicate -config {litestream}", serves=False)
