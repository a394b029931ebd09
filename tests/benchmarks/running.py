"""What the benchmarks share: the plugin as a user has it, databases to serve, and a command that runs until stopped."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from processes import Process, kill, processes

REPOSITORY = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:[0-9]+(?= \(Press)")
# Seconds until what is waited for is taken to fail. A thousand databases on a slow machine need a minute.
LIMIT = 300

T = TypeVar("T")


def install_plugin(target: Path) -> Path:
    """The plugin, built from this checkout and installed into a folder of its own, which is to be PYTHONPATH."""
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


def create_databases(folder: Path, count: int) -> list[Path]:
    """Small SQLite files of one table, db0.db and so on, in a new folder.

    They are as Litestream leaves them, with a write-ahead log and two tables of its own (``init`` in its db.go), so that all
    commands serve the same: Datasette takes about 30 KiB of memory for the two tables in its connection and its catalog.
    """
    folder.mkdir()
    files = [folder / f"db{i}.db" for i in range(count)]
    with closing(sqlite3.connect(files[0])) as database, database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table rows (id integer primary key, text text)")
        database.execute("create table _litestream_seq (id integer primary key, seq integer)")
        database.execute("create table _litestream_lock (id integer)")
    for file in files[1:]:
        shutil.copy(files[0], file)
    return files


def fetch(url: str, token: str | None = None) -> tuple[float, bytes]:
    """The seconds that a request takes, and the answer; with a token, as whom Datasette gave it to."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    started = time.perf_counter()
    with urllib.request.urlopen(request) as response:
        answer = response.read()
    return time.perf_counter() - started, answer


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[Run]:
    """Starts a command with a folder as its working directory. At the end kills whatever is left of it."""
    log = folder / "output.log"
    with log.open("w") as output:
        started = time.time()
        # A session of its own, so that Ctrl-C ends the benchmark first, which then ends this.
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    run = Run(process, log, started)
    try:
        yield run
    finally:
        kill(run.processes())
        process.wait()


class Run:
    """A command that runs, and what it started."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, started: float) -> None:
        self._process = process
        self._log = log
        self._family: set[Process] = set()
        # Unix time, seconds: what a file's times can be compared with.
        self.started = started

    def address(self) -> str:
        """Waits until Datasette serves, and tells where."""
        return self.wait_for("Datasette to serve", lambda: ADDRESS.search(self._log.read_text())).group()

    def wait_for(self, what: str, condition: Callable[[], T | None]) -> T:
        """Asks again and again until there is an answer that is not None."""
        deadline = time.monotonic() + LIMIT
        while (answer := condition()) is None:
            if self._process.poll() is not None:
                raise SystemExit(f"{self._process.args!r} ended while waiting for {what}:\n{self._log.read_text()}")
            if time.monotonic() > deadline:
                raise SystemExit(f"No {what} from {self._process.args!r} in {LIMIT} s:\n{self._log.read_text()}")
            time.sleep(0.005)
        return answer

    def processes(self) -> set[Process]:
        """Its process and those that it started, as far as they run.

        A child in a process group of its own is known by its parent, and so by memory when the parent has ended.
        """
        everything = processes()
        family = {process for process in everything if process in self._family or process.group == self._process.pid}
        while children := {p for p in everything - family if p.parent in {member.pid for member in family}}:
            family |= children
        self._family |= family
        return family

    def stop(self) -> float:
        """Sends SIGTERM, as service managers do, and tells the seconds until the process has ended."""
        self.processes()
        started = time.perf_counter()
        self._process.terminate()
        # With a time limit of its own, wait() would look every 50 ms only.
        self._process.wait()
        return time.perf_counter() - started
