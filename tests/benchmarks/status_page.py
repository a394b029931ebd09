"""What the status page costs: the time and the bytes of the page and of its JSON, with 1, 100 and 1,000 databases.

    python tests/benchmarks/status_page.py [--requests 20] [--databases 1 100 1000]

Loopback, with Litestream's metrics on. `datasette` (with hatchling) and `litestream` must be on PATH.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from running import create_databases, fetch, install_plugin, running
from variants import THIS

METRICS = ["-s", "plugins.datasette-litestream.metrics-addr", "127.0.0.1:19090"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--databases", type=int, nargs="+", default=[1, 100, 1000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plugin = install_plugin(Path(folder, "plugin"))
        for count in options.databases:
            measure(Path(folder, str(count)), plugin, count, options.requests)


def measure(folder: Path, plugin: Path, count: int, requests: int) -> None:
    """Prints medians over some requests, after all databases have been replicated."""
    command = THIS.command_line(create_databases(folder, count), plugin)
    all_replicate = f'"replicating": {count}'.encode()
    with running([*command, *METRICS], folder) as run:
        page = run.address() + THIS.status
        run.wait_for("replication", lambda: True if all_replicate in fetch(f"{page}.json")[1] else None)
        for name, address in {"page": page, "JSON": f"{page}.json"}.items():
            times, answers = zip(*(fetch(address) for _ in range(requests)), strict=True)
            median, size = statistics.median(times) * 1000, len(answers[-1]) / 1024
            print(f"{count:5} databases, {name}: median {median:6.1f} ms, {size:6.1f} KiB")
        run.stop()


if __name__ == "__main__":
    main()
