from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "python/datasette_litestream/child/sqlite_files.py"


def close_gap(path: Path) -> str:
    request = json.dumps({"do": "close-gap", "path": str(path)})
    return subprocess.run([sys.executable, PROGRAM], input=request, check=True, capture_output=True, text=True).stdout


def write(path: Path, rows: range) -> None:
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO t VALUES (?, zeroblob(3000))", ((row,) for row in rows))
    connection.close()


def run(litestream: str, *arguments: str) -> None:
    subprocess.run([litestream, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("is_closed", [True, False])
def test_what_was_written_before_the_log_began_again_is_in_the_backup(tmp_path: Path, is_closed: bool) -> None:
    """Without the program, Litestream 0.5.17 misses it, and says nothing."""
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

    # The log begins again while no Litestream looks. What was added to the file is found, what was changed in it is not.
    with sqlite3.connect(path) as other:
        other.execute("UPDATE t SET x = -x WHERE x BETWEEN 1 AND 5")
    other.close()
    serving.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    write(path, range(40, 41))
    if is_closed:
        assert json.loads(close_gap(path)) == {}
    run(litestream, "replicate", "-once", str(path), destination)
    run(litestream, "restore", "-o", str(tmp_path / "restored.db"), destination)
    restored = sqlite3.connect(tmp_path / "restored.db")
    changed = {row for (row,) in restored.execute("SELECT x FROM t WHERE x < 0")}
    restored.close()
    serving.close()
    assert changed == ({-1, -2, -3, -4, -5} if is_closed else set())
