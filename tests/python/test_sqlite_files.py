from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = Path(__file__).parents[2] / "python/datasette_litestream/child/sqlite_files.py"


class Program:
    """The program, as long as its standard input is open."""

    def __init__(self, path: Path, state: Path | None, seconds: float = 30, is_suspect: bool = False) -> None:
        self.process = subprocess.Popen([sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.tell({"do": "hold-log", "path": str(path)} | ({} if state is None else {"state": str(state), "seconds": seconds, "suspect": is_suspect}))
        self.answer = json.loads(self.process.stdout.readline())

    def tell(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        self.process.communicate()


def write(path: Path, rows: range) -> None:
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO t VALUES (?, zeroblob(3000))", ((row,) for row in rows))
    connection.close()


@pytest.fixture
def litestream() -> str:
    litestream = shutil.which("litestream")
    if litestream is None or "0.5" not in subprocess.run([litestream, "version"], capture_output=True, text=True).stdout:
        pytest.skip("there is no Litestream 0.5 on PATH")
    return litestream


def serve(path: Path) -> sqlite3.Connection:
    """Makes a database; the connection keeps its log in its place."""
    serving = sqlite3.connect(path)
    serving.execute("PRAGMA journal_mode=wal")
    serving.execute("CREATE TABLE t (x, filler)")
    serving.commit()
    write(path, range(10))
    for row in range(10, 40):
        write(path, range(row, row + 1))
    return serving


def replicate(litestream: str, path: Path, state: Path, destination: str) -> None:
    """Makes one run of Litestream that keeps its state in a folder."""
    settings = path.with_name("litestream.yml")
    settings.write_text(json.dumps({"dbs": [{"path": str(path), "meta-path": str(state), "replica": {"url": destination}}]}))
    run(litestream, "replicate", "-once", "-config", str(settings))


def serve_replicated(litestream: str, folder: Path) -> tuple[Path, Path, sqlite3.Connection]:
    """Makes a database that Litestream has replicated once: its file, Litestream's folder of it, and the connection that keeps its log."""
    path, state = folder / "parks.db", folder / ".parks.db-litestream"
    serving = serve(path)
    replicate(litestream, path, state, f"file://{folder}/backup")
    return path, state, serving


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
    tmp_path: Path, litestream: str, before: Callable[[Path, sqlite3.Connection], None], is_held: bool
) -> None:
    """Without the program, Litestream 0.5.17 misses changes, and says nothing."""
    path, state, destination = tmp_path / "parks.db", tmp_path / ".parks.db-litestream", f"file://{tmp_path}/backup"
    serving = serve(path)
    replicate(litestream, path, state, destination)

    before(path, serving)
    program = Program(path, state) if is_held else None
    assert program is None or program.answer == {}
    change(path, serving, 40)
    replicate(litestream, path, state, destination)
    if program is not None:
        program.kill()
    run(litestream, "restore", "-o", str(tmp_path / "restored.db"), destination)
    expected = read(path)
    serving.close()
    assert (read(tmp_path / "restored.db") == expected) == is_held


@pytest.mark.parametrize(("state", "is_kept"), [("meta/parks", True), (".parks.db-litestream", False)])
def test_what_Litestream_has_read_is_looked_up_in_the_folder_of_meta_path(tmp_path: Path, litestream: str, state: str, is_kept: bool) -> None:
    """Where there is nothing, the log is emptied, so that Litestream writes a snapshot."""
    path, destination = tmp_path / "parks.db", f"file://{tmp_path}/backup"
    serving = serve(path)
    replicate(litestream, path, tmp_path / "meta/parks", destination)

    program = Program(path, tmp_path / state)
    assert program.answer == {}
    assert (path.with_name("parks.db-wal").stat().st_size > 0) == is_kept
    change(path, serving, 40)
    replicate(litestream, path, tmp_path / "meta/parks", destination)
    program.end()
    run(litestream, "restore", "-o", str(tmp_path / "restored.db"), destination)
    assert read(tmp_path / "restored.db") == read(path)
    serving.close()


@pytest.mark.parametrize(("rows", "is_emptied"), [(0, True), (1, False)])
def test_a_suspect_log_is_emptied_if_the_last_file_begins_with_it(tmp_path: Path, litestream: str, rows: int, is_emptied: bool) -> None:
    """What was written before that may be missing."""
    path, state, serving = serve_replicated(litestream, tmp_path)
    serving.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    for row in range(rows + 1):
        write(path, range(200 + row, 201 + row))
        replicate(litestream, path, state, f"file://{tmp_path}/backup")
    for is_suspect in [False, True]:
        program = Program(path, state, is_suspect=is_suspect)
        assert program.answer == {}
        assert (path.with_name("parks.db-wal").stat().st_size == 0) == (is_suspect and is_emptied)
        program.kill()
    serving.close()


def test_a_checkpoint_that_is_under_way_is_waited_for(tmp_path: Path, litestream: str) -> None:
    path, state, serving = serve_replicated(litestream, tmp_path)
    begin_again(path, serving)
    with open(tmp_path / "parks.db-shm", "r+b") as index:
        # The lock of a checkpoint, which SQLite does not wait for.
        fcntl.fcntl(index, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 121, 1, 0))
        timer = threading.Timer(0.5, index.close)
        timer.start()
        program = Program(path, state)
        timer.join()
    assert program.answer == {}
    assert path.with_name("parks.db-wal").stat().st_size == 0
    program.end()
    serving.close()


def test_a_log_that_somebody_reads_all_the_time_is_not_held(tmp_path: Path, litestream: str) -> None:
    path, state, serving = serve_replicated(litestream, tmp_path)
    begin_again(path, serving)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchone()
        write(path, range(102, 103))
        program = Program(path, state)
        assert program.answer == {"blocked": "somebody reads it all the time"}
        program.end()
    program = Program(path, state)
    assert program.answer == {}
    program.end()
    serving.close()


def test_a_log_that_is_let_go_of_can_begin_again(tmp_path: Path, litestream: str) -> None:
    path, state, serving = serve_replicated(litestream, tmp_path)
    write_more(path, serving)
    program = Program(path, state)
    change(path, serving, 40)
    assert not is_all_in_the_database(serving)
    program.tell({"do": "let-go", "path": str(path)})
    program.tell({"do": "look", "path": str(path)})
    assert program.process.stdout is not None
    program.process.stdout.readline()
    assert is_all_in_the_database(serving)
    program.end()
    serving.close()


def test_a_log_whose_holder_is_left_alone_is_emptied(tmp_path: Path, litestream: str) -> None:
    """Litestream may be left, too, and open the database only then."""
    path, state, serving = serve_replicated(litestream, tmp_path)
    write_more(path, serving)
    program = Program(path, state)
    assert path.with_name("parks.db-wal").stat().st_size > 0
    program.end()
    assert path.with_name("parks.db-wal").stat().st_size == 0
    serving.close()


def test_a_log_is_kept_as_it_is_while_a_running_Litestream_ends(tmp_path: Path) -> None:
    path = tmp_path / "parks.db"
    serving = serve(path)
    program = Program(path, state=None)
    change(path, serving, 40)
    assert not is_all_in_the_database(serving)
    size = path.with_name("parks.db-wal").stat().st_size
    program.end()
    assert path.with_name("parks.db-wal").stat().st_size == size
    assert is_all_in_the_database(serving)
    serving.close()


def test_a_log_that_is_held_for_long_is_emptied_as_soon_as_nobody_else_reads_it(tmp_path: Path, litestream: str) -> None:
    path, state, serving = serve_replicated(litestream, tmp_path)
    write_more(path, serving)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchone()
        program = Program(path, state, seconds=0.01)
        change(path, serving, 40)
        assert path.with_name("parks.db-wal").stat().st_size > 0
    give_up = time.monotonic() + 10
    while path.with_name("parks.db-wal").stat().st_size > 0:
        assert time.monotonic() < give_up
    program.end()
    serving.close()


def is_all_in_the_database(serving: sqlite3.Connection) -> bool:
    _, frames, copied = serving.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return bool(frames == copied)


def read(path: Path) -> list[tuple[int]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT x FROM t").fetchall()
    finally:
        connection.close()


def ask(**request: str | None) -> dict[str, Any]:
    result = subprocess.run([sys.executable, PROGRAM], input=json.dumps(request) + "\n", capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_database_that_somebody_has_open_is_not_locked(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    serving = serve(path)
    assert ask(do="lock", path=str(path)) == {"busy": True}
    serving.close()
    assert ask(do="lock", path=str(path)) == {"busy": False}
    (tmp_path / "text").write_text("x" * 5000)
    assert ask(do="lock", path=str(tmp_path / "text")) == {"error": "file is not a database"}


def test_a_lock_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    serve(path).close()
    subprocess.run([sys.executable, "-c", "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('delete from t'); c.commit(); os._exit(0)", path], check=True)
    before = Path(f"{path}-wal").read_bytes()
    assert before
    assert ask(do="lock", path=str(path)) == {"busy": False}
    assert Path(f"{path}-wal").read_bytes() == before


@pytest.mark.parametrize(
    ("statements", "is_empty"),
    [
        ("", True),
        ("vacuum", True),
        ("create table _litestream_seq (id integer primary key autoincrement); create table _litestream_lock (id integer)", True),
        ("create table t (x)", False),
        ("create view litestream as select 1", False),
    ],
)
def test_a_database_is_empty_with_Litestreams_own_tables_alone(tmp_path: Path, statements: str, is_empty: bool) -> None:
    path = tmp_path / "a.db"
    path.touch()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
    assert ask(do="is-empty", path=str(path)) == {"isEmpty": is_empty}


def test_what_is_in_the_log_alone_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    serving = sqlite3.connect(path, isolation_level=None)
    serving.execute("PRAGMA journal_mode=wal")
    serving.execute("CREATE TABLE t (x)")
    assert path.with_name("a.db-wal").stat().st_size > 0
    assert ask(do="is-empty", path=str(path)) == {"isEmpty": False}
    serving.close()


@pytest.mark.parametrize("page_size", [1024, 4096, 65536])
@pytest.mark.parametrize("has_log", [False, True])
def test_a_file_that_is_open_is_filled_with_a_restored_database(tmp_path: Path, page_size: int, has_log: bool) -> None:
    """As Datasette has opened it: with one connection that reads, and one that writes."""
    path, restored = tmp_path / "a.db", tmp_path / "restored.db"
    with closing(sqlite3.connect(restored, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute(f"PRAGMA journal_mode={'wal' if has_log else 'delete'}")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (1)")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("vacuum")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reading, closing(sqlite3.connect(path, isolation_level=None)) as writing:
        assert not reading.execute("SELECT * FROM sqlite_master").fetchall() + writing.execute("SELECT * FROM sqlite_master").fetchall()
        assert ask(do="fill", path=str(path), restored=str(restored)) == {}
        writing.execute("INSERT INTO t VALUES (2)")
        assert reading.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]
        assert writing.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_with_a_log_and_other_pages_is_not_filled(tmp_path: Path) -> None:
    path, restored = tmp_path / "a.db", tmp_path / "restored.db"
    for name, page_size in ((path, 4096), (restored, 1024)):
        with closing(sqlite3.connect(name, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size={page_size}")
            connection.execute("PRAGMA journal_mode=wal")
            connection.execute("CREATE TABLE _litestream_seq (id)")
    assert "error" in ask(do="fill", path=str(path), restored=str(restored))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA page_size").fetchall() == [(4096,)]
