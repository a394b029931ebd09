"""Works on SQLite files in a process of its own, since a process that serves a database must not open or close its files.

SQLite's locks are POSIX locks: any ``close()`` of a database file by the serving process would drop them all
(https://sqlite.org/howtocorrupt.html, 2.2). Each line of standard input is a request as JSON, ``{"do": "look", "path": "/srv/parks.db"}``,
and is answered by one line of standard output, in the same order; an answer with ``error`` is that of a request that failed.
It uses nothing but the standard library, and loads SQLite only where it is needed, since it runs often.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

# The byte of a -shm file that a checkpoint locks (https://sqlite.org/walformat.html, 2.3.3).
CHECKPOINT_LOCK = 121

CHECKPOINT_TRIES = 3

# The bytes before the first frame of a write-ahead log, and before each page (https://sqlite.org/fileformat.html, 4.1).
LOG_HEADER, FRAME_HEADER = 32, 24

# The connections that hold logs, until standard input ends.
held: list[sqlite3.Connection] = []


def look(path: str) -> dict[str, Any]:
    """Returns the headers of a database's files: what is on disk, which is not what SQLite makes of it."""
    with open(path, "rb", buffering=0) as database:
        for _ in range(10):
            index, status, main = read_index(path), os.fstat(database.fileno()), read_main(database.fileno())
            # A checkpoint, or a log that begins again, may have come in between.
            if (index, main) == (read_index(path), read_main(database.fileno())):
                break
    file = {"inode": status.st_ino, "size": status.st_size, "modified": status.st_mtime_ns}
    return {"file": file, "header": main, "index": index}


def read_main(database: int) -> dict[str, Any] | None:
    """Reads the database header; None if this is not an SQLite database (https://sqlite.org/fileformat.html, 1.3)."""
    header = os.pread(database, 100, 0)
    if len(header) < 100 or header[:16] != b"SQLite format 3\0":
        return None
    page_size, write_version, read_version = struct.unpack_from(">HBB", header, 16)
    change_counter, page_count = struct.unpack_from(">II", header, 24)
    return {
        "pageSize": 65536 if page_size == 1 else page_size,
        "isWal": (write_version, read_version) == (2, 2),
        "changeCounter": change_counter,
        "pageCount": page_count,
        "schemaCookie": struct.unpack_from(">I", header, 40)[0],
    }


def read_index(path: str) -> dict[str, Any] | None:
    """Reads the index of the write-ahead log; None if there is none (https://sqlite.org/walformat.html, 2.1 and 2.2)."""
    try:
        with open(path + "-shm", "rb", buffering=0) as file:
            return read_open_index(file.fileno())
    except FileNotFoundError:
        return None


def read_open_index(file: int) -> dict[str, Any] | None:
    header, is_checkpointing = os.pread(file, 136, 0), is_locked(file, CHECKPOINT_LOCK)
    if len(header) < 136 or not header[12]:
        return None
    return {
        "frames": struct.unpack_from("=I", header, 16)[0],
        "pageCount": struct.unpack_from("=I", header, 20)[0],
        "salt": header[32:40].hex(),
        "backfilled": struct.unpack_from("=I", header, 96)[0],
        "attempted": struct.unpack_from("=I", header, 128)[0],
        "isCheckpointing": is_checkpointing,
    }


def is_locked(file: int, byte: int) -> bool:
    """Whether another process has locked a byte exclusively: struct flock of fcntl(2), whose fields macOS has in another order."""
    if sys.platform == "darwin":
        layout, at, asked = "qqihh", 20, (byte, 1, 0, fcntl.F_RDLCK, os.SEEK_SET)
    else:
        layout, at, asked = "hhqqi", 0, (fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
    answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(layout, *asked))
    return bool(struct.unpack_from("h", answer, at)[0] != fcntl.F_UNLCK)


def use_log(path: str) -> dict[str, Any]:
    """Switches a database to a write-ahead log; does nothing if it has one."""
    with open(path, "rb", buffering=0) as database:
        header = read_main(database.fileno())
    if header is None or not header["isWal"]:
        connection = connect(path, "mode=rw")
        try:
            if header is not None and not os.path.exists(path + "-journal"):
                # Some bytes of the first sector change, which a power cut cannot tear; to wait for the disk may take 15 ms.
                connection.execute("PRAGMA synchronous=off")
            connection.execute("PRAGMA journal_mode=wal")
        finally:
            connection.close()
    return {}


def hold_log(path: str) -> dict[str, Any]:
    """Keeps a write-ahead log from beginning again until this process ends; empties one of which Litestream would miss a part.

    Litestream 0.5 goes on at the beginning of a log that has begun again if what it read last is still in the file, behind the new frames;
    what was written after that, and before the log began again, would be in no backup (``verifyWithExecutor`` in db.go, v0.5.17). Where it
    has no file of its own, what it read last is what the destination has, and not known here. An empty log has it write a snapshot.
    """
    read = read_last_log(os.path.join(os.path.dirname(path), f".{os.path.basename(path)}-litestream", "ltx", "0"))
    if not is_file_with_content(path + "-wal"):
        return {}
    # One that can only read does not copy the log into the database when it is closed.
    reader = connect(path, "mode=ro")
    reader.execute("BEGIN")
    reader.execute("PRAGMA schema_version").fetchone()
    # It stays open, since this process would lose its locks if it closed it.
    file = os.open(path + "-shm", os.O_RDONLY | os.O_CLOEXEC)
    index = read_open_index(file)
    # A reader of a log of which a part is not in the database yet keeps it as it is. Where all of it is, the log may begin again once,
    # and then no more, since the reader keeps its frames out of the database (https://sqlite.org/walformat.html, 2.3.3).
    if index and read and index["salt"] == read["salt"] and (index["backfilled"] < index["frames"] or index["frames"] == read["frames"]):
        held.append(reader)
        return {}
    reader.close()
    os.close(file)
    return empty_log(path)


def empty_log(path: str) -> dict[str, Any]:
    connection = connect(path, "mode=rw")
    try:
        for _ in range(CHECKPOINT_TRIES):
            # Each waits for a second for readers of the log.
            if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                return {}
    finally:
        connection.close()
    return {"error": "Litestream would miss a part of the write-ahead log, which could not be emptied: somebody reads it all the time"}


def read_last_log(folder: str) -> dict[str, Any] | None:
    """Reads up to which frame of which log Litestream's last file reaches; None if there is no file.

    The header is that of github.com/superfly/ltx, v0.5.2.
    """
    try:
        last = max(name for name in os.listdir(folder) if name.endswith(".ltx"))
    except (FileNotFoundError, ValueError):
        return None
    with open(os.path.join(folder, last), "rb", buffering=0) as file:
        header = os.pread(file.fileno(), 100, 0)
    if len(header) < 100:
        return None
    page_size = struct.unpack_from(">I", header, 8)[0]
    offset, size = struct.unpack_from(">qq", header, 48)
    return {"salt": header[64:72].hex(), "frames": (offset + size - LOG_HEADER) // (page_size + FRAME_HEADER)}


def is_file_with_content(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0
    except FileNotFoundError:
        return False


def connect(path: str, options: str) -> sqlite3.Connection:
    import sqlite3

    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{name}?{options}", uri=True, timeout=1, isolation_level=None)


def answer(request: dict[str, str]) -> dict[str, Any]:
    try:
        return {"look": look, "use-log": use_log, "hold-log": hold_log}[request["do"]](request["path"])
    except OSError as error:
        return {"error": error.strerror or str(error)}
    except Exception as error:
        # SQLite's; one file that fails must not keep the others from their answers.
        return {"error": str(error)}


if __name__ == "__main__":
    for line in sys.stdin.buffer:
        print(json.dumps(answer(json.loads(line))), flush=True)
