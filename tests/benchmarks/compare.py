r"""What replication costs: Datasette alone, with this plugin, with whatever else you name, and Litestream by itself.

    python tests/benchmarks/compare.py
    python tests/benchmarks/compare.py --rounds 10 --databases 1 1000 \
        --command 'other=env REPLICA={replica} /venv/bin/datasette {databases} -p 0 -c /path/other.yaml' \
        --status other=/-/its-status-page

For each number of databases and each round, every command in turn is started on databases and a replica of its own,
measured, and stopped; they take turns so that whatever else the machine does meets all of them. Four commands are
always there: Datasette alone; with this plugin, built from the checkout, installed but not configured; with it
replicating to a folder; and bare `litestream replicate` on the same databases.

A command is split as a shell would, and run without one. It is to start Datasette on a free port (`-p 0`). In it stand

    {databases}   the files, db0.db and so on, with their paths
    {replica}     the folder for the replicas; that of db0.db is expected in {replica}/db0
    {litestream}  a configuration file for Litestream that says just that
    {python}      the Python of the `datasette` on PATH
    {plugin}      the folder with this plugin, for PYTHONPATH

A command with neither {replica} nor {litestream} is taken not to replicate. The working directory is the folder above
{replica}. Another example, Datasette as Litestream's child, where SIGTERM goes to Litestream:

    --command 'child=litestream replicate -config {litestream} -exec "datasette {databases} -p 0"'

What is printed, for each number of databases, medians over the rounds:

    first answered request   s from the command's start until /db0.json is answered
    first files              s from the command's start until every database has a file at the replica
      from Litestream's      the same from the start of Litestream's process, which Datasette's own start comes before
    status page              ms for one request of it, the median of five
    memory                   MiB resident, of `ps` (Linux: VmRSS), when all has its first file and is at rest
      after all pages        the same after each page of Datasette's, and each of this plugin's or the --status page, was opened once
    idle CPU                 % of one core, user and system, over --idle seconds without requests
    time to stop             s from SIGTERM until the process has ended
    processes left           what then still runs of all that it started; the sum over the rounds
    last rows kept           rows written to every database right before SIGTERM that `litestream restore` brings back

Litestream's process is counted by itself; "Datasette" is every other process of the command. What is over Datasette
alone or bare Litestream is the difference and the ratio of the medians.

`datasette` (with hatchling) and `litestream` must be on PATH.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from processes import Process, cpu_seconds, start_time
from running import LIMIT, Run, create_databases, fetch, install_plugin, running
from variants import ALONE, BARE, NOT_CONFIGURED, THIS, Variant, replica_of

MIB = 1024 * 1024
# Litestream holds about five files open for each database.
OPEN_FILES = 16384
STATUS_REQUESTS = 5
# Datasette is at rest when some seconds (more than the beat of what it does regularly) take less of a core than this.
# What is not at rest within the limit, in seconds, shows that in its idle CPU.
REST = 0.01
REST_SECONDS = 5
REST_LIMIT = 60
LAST_ROW = "the last row"
# Datasette's, in every version; db0 stands for all databases.
PAGES = ("/", "/db0", "/db0/rows", "/db0?sql=select+1", *(f"/-/{it}" for it in ("versions", "plugins", "settings", "databases", "actor")))


@dataclass
class Sample:
    """One run, in seconds, bytes and shares of a core; None is what the variant has not."""

    first_request: float | None = None
    first_files: float | None = None
    first_files_from_litestream: float | None = None
    status_page: float | None = None
    memory: float | None = None
    memory_after_pages: float | None = None
    idle_cpu: float | None = None
    litestream_memory: float | None = None
    litestream_idle_cpu: float | None = None
    stop: float | None = None
    processes_left: int = 0
    rows_kept: int | None = None


@dataclass(frozen=True)
class Quantity:
    """A field of the samples as the table shows it: in a unit, and beside the same field of another variant."""

    field: str
    label: str
    unit: float
    symbol: str
    decimals: int
    compared_with: Variant | None = None

    def median(self, samples: list[Sample]) -> float | None:
        values = [value for sample in samples if (value := getattr(sample, self.field)) is not None]
        return statistics.median(values) / self.unit if values else None

    def cell(self, samples: list[Sample]) -> str:
        value = self.median(samples)
        return "-" if value is None else f"{value:.{self.decimals}f} {self.symbol}"

    def comparison(self, samples: list[Sample], others: list[Sample]) -> str:
        """The difference and the ratio of the medians; nothing for the others themselves."""
        value, base = self.median(samples), self.median(others)
        if value is None or base is None or samples is others:
            return ""
        return f"{value - base:+.{self.decimals}f} {self.symbol}, {value / base:.2f} ×"


MEMORY = Quantity("memory", "memory, Datasette", MIB, "MiB", 1, ALONE)
QUANTITIES = (
    Quantity("first_request", "first answered request", 1, "s", 3, ALONE),
    Quantity("first_files", "first files", 1, "s", 3, BARE),
    Quantity("first_files_from_litestream", "  from Litestream's start", 1, "s", 3, BARE),
    Quantity("status_page", "status page", 0.001, "ms", 1),
    MEMORY,
    Quantity("memory_after_pages", "  after all pages", MIB, "MiB", 1, ALONE),
    Quantity("litestream_memory", "memory, Litestream", MIB, "MiB", 1, BARE),
    Quantity("idle_cpu", "idle CPU, Datasette", 0.01, "%", 3, ALONE),
    Quantity("litestream_idle_cpu", "idle CPU, Litestream", 0.01, "%", 3, BARE),
    Quantity("stop", "time to stop", 1, "s", 3, ALONE),
)
Runs = dict[Variant, list[Sample]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each command for each number (5)")
    parser.add_argument(
        "--databases", type=int, nargs="+", default=[1, 10, 100, 1000], help="the numbers (1 10 100 1000)"
    )
    parser.add_argument("--idle", type=float, default=30, help="seconds over which the idle CPU is measured (30)")
    parser.add_argument(
        "--command", type=named, action="append", default=[], metavar="NAME=COMMAND", help="one more; can be repeated"
    )
    parser.add_argument(
        "--status", type=named, action="append", default=[], metavar="NAME=PATH", help="a command's status page"
    )
    options = parser.parse_args()
    commands, pages = dict(options.command), dict(options.status)
    if unknown := pages.keys() - commands.keys():
        parser.error(f"--status names {', '.join(sorted(unknown))}, and --command does not")
    others = [Variant(name, command, pages.get(name)) for name, command in commands.items()]
    variants = [ALONE, NOT_CONFIGURED, THIS, *others, BARE]

    # Children inherit it.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard) if hard > 0 else OPEN_FILES, hard))

    runs: dict[int, Runs] = {}
    # Nothing is deleted before the end: ext4 creates files slowly for minutes after many were deleted.
    with tempfile.TemporaryDirectory() as folder:
        plugin = install_plugin(Path(folder, "plugin"))
        for count in options.databases:
            runs[count] = {variant: [] for variant in variants}
            for round_number in range(1, options.rounds + 1):
                for variant, samples in runs[count].items():
                    print(f"Databases: {count:,}. Round {round_number}: {variant.name}", file=sys.stderr)
                    place = Path(tempfile.mkdtemp(dir=folder), "run")
                    samples.append(measure(variant, place, count, plugin, options.idle))
            print(f"\nDatabases: {count:,}. Medians of {options.rounds} interleaved rounds.\n")
            print_table(runs[count], count)
    if len(runs) > 1:
        print_memory_per_database(runs)


def named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def measure(variant: Variant, folder: Path, count: int, plugin: Path, idle: float) -> Sample:
    """Runs a variant once, from its start to the restored databases."""
    databases = create_databases(folder, count)
    replicas = [replica_of(database) for database in databases]
    sample = Sample()
    with running(variant.command_line(databases, plugin), folder) as run:
        if variant.serves:
            address = run.address()
            fetch(f"{address}/{databases[0].stem}.json")
            sample.first_request = time.time() - run.started
        if variant.replicates:
            # The clock is the files' own, so it does not matter that they are looked for one after another.
            first = [run.wait_for(f"file in {it}", partial(first_file_time, it)) for it in replicas]
            sample.first_files = max(first) - run.started
            litestream = min(start_time(process) for process in run.processes() if process.is_litestream)
            sample.first_files_from_litestream = max(first) - litestream
        wait_for_rest(run)
        measure_rest(run, sample, idle)
        if variant.status is not None:
            sample.status_page = statistics.median(fetch(address + variant.status)[0] for _ in range(STATUS_REQUESTS))
        if variant.serves:
            for page in (*PAGES, *variant.pages):
                fetch(address + page)
            wait_for_rest(run)
            sample.memory_after_pages = sum(process.memory for process in datasette_of(run.processes()))
        if variant.replicates:
            for database in databases:
                write_last_row(database)
        sample.stop = run.stop()
        sample.processes_left = len(run.processes())
    if variant.replicates:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sample.rows_kept = sum(pool.map(keeps_last_row, replicas))
    return sample


def first_file_time(replica: Path) -> float | None:
    """When the first of Litestream's files was there (0.5: ltx/0/*.ltx, 0.3: generations/…/*.lz4), as Unix time.

    It is the inode's change time, which renaming the finished file sets; Litestream sets the modification time, to that
    of the transaction.
    """
    files = (file for file in replica.rglob("*") if file.suffix in (".ltx", ".lz4"))
    return min((file.stat().st_ctime for file in files), default=None)


def wait_for_rest(run: Run) -> None:
    """Until Datasette has done what a start leaves to do, which its CPU time tells."""
    deadline = time.monotonic() + REST_LIMIT
    while time.monotonic() < deadline:
        shares = cpu_shares(run, REST_SECONDS)
        if sum(shares[process] for process in datasette_of(shares)) < REST:
            return


def measure_rest(run: Run, sample: Sample, seconds: float) -> None:
    shares = cpu_shares(run, seconds)
    if datasette := datasette_of(shares):
        sample.memory = sum(process.memory for process in datasette)
        sample.idle_cpu = sum(shares[process] for process in datasette)
    if litestream := [process for process in shares if process.is_litestream]:
        sample.litestream_memory = sum(process.memory for process in litestream)
        sample.litestream_idle_cpu = sum(shares[process] for process in litestream)


def datasette_of(processes: Iterable[Process]) -> list[Process]:
    """Whatever is not Litestream counts as Datasette."""
    return [process for process in processes if not process.is_litestream]


def cpu_shares(run: Run, seconds: float) -> dict[Process, float]:
    """The share of a core that each process takes over some seconds; the processes are as they are at the end."""
    before = cpu_times(run.processes())
    started = time.perf_counter()
    time.sleep(seconds)
    after = cpu_times(process for process in run.processes() if process in before)
    elapsed = time.perf_counter() - started
    return {process: (seconds - before[process]) / elapsed for process, seconds in after.items()}


def cpu_times(processes: Iterable[Process]) -> dict[Process, float]:
    """Their CPU times; a process that has just ended, such as a check of a backup, has none."""
    times = {}
    for process in processes:
        with suppress(OSError):
            times[process] = cpu_seconds(process)
    return times


def write_last_row(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=LIMIT)) as connection, connection:
        connection.execute("insert into rows (text) values (?)", [LAST_ROW])


def keeps_last_row(replica: Path) -> bool:
    restored = replica.with_name(f"{replica.name}-restored")
    command = ["litestream", "restore", "-o", str(restored), f"file://{replica}"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return False
    with closing(sqlite3.connect(restored)) as connection:
        return bool(connection.execute("select text from rows order by id desc").fetchone() == (LAST_ROW,))


def print_table(runs: Runs, count: int) -> None:
    rows = [["", *(variant.name for variant in runs)]]
    for quantity in QUANTITIES:
        rows.append([quantity.label, *map(quantity.cell, runs.values())])
        if quantity.compared_with is not None:
            others = runs[quantity.compared_with]
            cells = [quantity.comparison(it, others) if variant.serves else "" for variant, it in runs.items()]
            rows.append([f"    over {quantity.compared_with.name}", *cells])
    rows.append(["processes left", *(str(sum(it.processes_left for it in samples)) for samples in runs.values())])
    rows.append(["last rows kept", *(rows_kept(samples, count) for samples in runs.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for label, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print(label.ljust(widths[0]), *right, sep="  ")


def rows_kept(samples: list[Sample], count: int) -> str:
    kept = [sample.rows_kept for sample in samples if sample.rows_kept is not None]
    return f"{sum(kept):,} of {len(kept) * count:,}" if kept else "-"


def print_memory_per_database(runs: dict[int, Runs]) -> None:
    """What a variant needs for each further database, beyond what Datasette alone needs for it."""
    fewest, most = min(runs), max(runs)
    print(f"\nMemory of Datasette for each further database, from {fewest:,} to {most:,}, over {ALONE.name}:\n")
    for variant in runs[most]:
        if variant.serves and variant is not ALONE:
            few, many = (memory_over_alone(it, variant) for it in (runs[fewest], runs[most]))
            print(f"  {variant.name}: {(many - few) * 1024 / (most - fewest):+.1f} KiB")


def memory_over_alone(runs: Runs, variant: Variant) -> float:
    memory, alone = MEMORY.median(runs[variant]), MEMORY.median(runs[ALONE])
    if memory is None or alone is None:
        raise SystemExit(f"The memory of {variant.name} was not measured.")
    return memory - alone


if __name__ == "__main__":
    main()
