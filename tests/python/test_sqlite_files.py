from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(__file__).parents[2] / "python/datasette_litestream/child/sqlite_files.py"


class Program:
    """The program, as long as its standard input is open."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen([sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": "hold-log", "path": str(path)}) + "\n")
        self.process.stdin.flush()
        self.answer = json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def write(path: Path, rows: range) -> None:
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO t VALUES (?, zeroblob(3000))", ((row,) for row in rows))
    connection.close()


def run(litestream: str, *arguments: str) -> None:
    subprocess.run([litestream, *arguments], check=True, capture_output=True)


def change(path: Path, serving: sqlite3.Connection, row: int) -> None:
    """Changes rows, copies the log into the database as far as readers let it, and writes, so that the log begins again if it can."""
    with sqlite3.connect(path) as other:
        other.execute("UPDATE t SET x = -x WHERE abs(x) <= 5")
    other.close()
    serving.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    write(path, range(row, row + 1))


def begin_again(path: Path, serving: sqlite3.Connection) -> None:
    change(path, serving, 100)


def write_more(path: Path, serving: sqlite3.Connection) -> None:
    write(path, range(101, 102))


def copy_all(path: Path, serving: sqlite3.Connection) -> None:
    serving.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def write_and_copy_all(path: Path, serving: sqlite3.Connection) -> None:
    write_more(path, serving)
    copy_all(path, serving)


def forget(path: Path, serving: sqlite3.Connection) -> None:
    """Litestream takes up the last file of the destination then."""
    shutil.rmtree(path.with_name(f".{path.name}-litestream"))


def do_nothing(path: Path, serving: sqlite3.Connection) -> None:
    pass


@pytest.mark.parametrize(
    ("before", "is_held"),
    [
        (begin_again, True),
        (forget, True),
        (write_more, True),
        (copy_all, True),
        (write_and_copy_all, True),
        (do_nothing, True),
        (do_nothing, False),
    ],
)
def test_what_is_written_while_no_litestream_reads_is_in_the_backup(
    tmp_path: Path, before: Callable[[Path, sqlite3.Connection], None], is_held: bool
) -> None:
    """Without the program, Litestream 0.5.17 misses changes, and says nothing."""
    litestream = shutil.which("litestream")
    if litestream is None or "0.5" not in subprocess.run([litestream, "version"], capture_output=True, text=True).stdout:
        pytest.skip("there is no Litestream 0.5 on PATH")
    path, destination = tmp_path / "parks.db", f"file://{tmp_path}/backup"
    serving = sqlite3.connect(path)  # Keeps the log in its place.
    serving.execute("PRAGMA journal_mode=wal")
    serving.execute("CREATE TABLE t (x, filler)")
    serving.commit()
    write(path, range(10))
    for row in range(10, 40):
        write(path, range(row, row + 1))
    run(litestream, "replicate", "-once", str(path), destination)

    before(path, serving)
    program = Program(path) if is_held else None
    assert program is None or program.answer == {}
    change(path, serving, 40)
    run(litestream, "replicate", "-once", str(path), destination)
    if program is not None:
        program.end()
    run(litestream, "restore", "-o", str(tmp_path / "restored.db"), destination)
    expected = read(path)
    serving.close()
    assert (read(tmp_path / "restored.db") == expected) == is_held


def read(path: Path) -> list[tuple[int]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT x FROM t").fetchall()
    finally:
        connection.close()
