"""Works on SQLite files in a process of its own, since a process that serves a database must not open or close its files.

SQLite's locks are POSIX locks: any ``close()`` of a database file by the serving process would drop them all
(https://sqlite.org/howtocorrupt.html, 2.2). Each line of standard input is a request as JSON, ``{"do": "look", "path": "/srv/parks.db"}``,
and is answered by one line of standard output, in the same order; an answer with ``error`` is that of a request that failed. Only
``let-go``, of a log that was held, has no answer. Those that begin with ``drill-`` are described in ``drill.py``.
It uses nothing but the standard library, and loads SQLite only where it is needed, since it runs often.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import select
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

# The byte of a -shm file that a checkpoint locks (https://sqlite.org/walformat.html, 2.3.3).
CHECKPOINT_LOCK = 121

# How long a log that must be emptied is waited for, in seconds: one, and all those that one run is first asked for.
PATIENCE, TOTAL_PATIENCE = 3, 10

# The bytes before the first frame of a write-ahead log, and before each page (https://sqlite.org/fileformat.html, 4.1).
LOG_HEADER, FRAME_HEADER = 32, 24

# How long others may use a file into which a restored database is brought, in seconds.
BUSY_PATIENCE = 10

# The logs that are held, by the paths of their databases.
held: dict[str, LogHold] = {}

# The connections that hold files.
locks: list[sqlite3.Connection] = []


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
    header = os.pread(file, 136, 0)
    for _ in range(10):
        # One that begins again gets a new salt first, and has no frame in the database a moment later.
        before, header = header, os.pread(file, 136, 0)
        if header == before:
            break
    is_checkpointing = is_locked(file, CHECKPOINT_LOCK)
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


class LogHold:
    """Keeps a write-ahead log from beginning again as long as it is open; empties one of which Litestream would miss a part.

    Litestream 0.5 goes on at the beginning of a log that has begun again if what it read last is still in the file, behind the new frames;
    what was written after that, and before the log began again, would be in no backup (``verifyWithExecutor`` in db.go, v0.5.17). Where it
    has no file of its own, what it read last is what the destination has, and not known here. An empty log has it write a snapshot.

    A Litestream that ends lets go of the log before it reads it for the last time (``Close`` in db.go, v0.5.17, cancels the context of its
    transaction first), with the same consequence. While it ends, the log is held as it is, and never emptied. Where it ended without that,
    a last file from the beginning of a log may lack the end of the log before.
    """

    def __init__(self, path: str, state: str | None, seconds: float, is_suspect: bool) -> None:
        """With Litestream's folder if no Litestream runs, and Litestream is about to be started; None if it runs, and is about to end.

        After so many seconds, during which the log grows, it is to be emptied instead, if nobody else keeps it as it is. It is suspect if
        the last Litestream ended while nobody held the log.
        """
        self.path = path
        self.state = state
        self.seconds = seconds
        self.is_suspect = is_suspect
        self.due = 0.0
        self.reader: sqlite3.Connection | None = None
        self.index = -1

    def open(self, patience: float) -> bool:
        """Holds the log, or empties it; false if it must be emptied, and others kept it from that for so many seconds."""
        self.due = time.monotonic() + self.seconds
        read = read_last_log(os.path.join(self.state, "ltx", "0")) if self.state is not None else None
        if not is_file_with_content(self.path + "-wal"):
            return True
        # One that can only read does not copy the log into the database when it is closed.
        self.reader = connect(self.path, "mode=ro")
        self.reader.execute("BEGIN")
        self.reader.execute("PRAGMA schema_version").fetchone()
        if self.state is None:
            # Litestream has read what is in the database already, so a log that begins again once more lacks nothing.
            return True
        # It stays open as long as the reader, which would lose its locks.
        self.index = os.open(self.path + "-shm", os.O_RDONLY | os.O_CLOEXEC)
        index = read_open_index(self.index)
        # A reader of a log of which a part is not in the database yet keeps it as it is. Where all of it is, the log may begin again once,
        # and then no more, since the reader keeps its frames out of the database (https://sqlite.org/walformat.html, 2.3.3).
        is_read = index and read and index["salt"] == read["salt"] and not (self.is_suspect and read["begins"])
        if index and read and is_read and (index["backfilled"] < index["frames"] or index["frames"] == read["frames"]):
            return True
        self.close()
        return empty_log(self.path, patience)

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None
        if self.index >= 0:
            os.close(self.index)
            self.index = -1


def hold_log(path: str, state: str | None, seconds: float, is_suspect: bool, until: float) -> dict[str, Any]:
    hold = LogHold(path, state, seconds, is_suspect)
    try:
        if not hold.open(min(PATIENCE, until - time.monotonic())):
            return {"blocked": "somebody reads it all the time"}
    except Exception as error:
        hold.close()
        if str(error) == "database is locked":
            return {"blocked": "somebody has locked the database all the time"}
        raise
    if hold.reader is not None:
        held[path] = hold
    return {}


def let_go(path: str) -> None:
    if hold := held.pop(path, None):
        hold.close()


def empty_held_logs(due: float) -> None:
    """Empties logs that were held for long, as far as nobody reads them: a Litestream that has opened a database keeps its log as well."""
    for path, hold in list(held.items()):
        if hold.due > due or hold.state is None:
            continue
        hold.close()
        try:
            if empty_log(path, 0) or (hold.open(0) and hold.reader is None):
                del held[path]
        except Exception:
            # It may pass, and Litestream tells of what it meets itself.
            hold.close()
            hold.due = time.monotonic() + hold.seconds


def empty_log(path: str, patience: float) -> bool:
    """Copies a log into the database and empties it; false if others kept it from that for so many seconds."""
    until, pause = time.monotonic() + patience, 0.001
    connection = connect(path, "mode=rw", timeout=min(1, max(0, patience)))
    try:
        # SQLite waits for readers and writers, but not for a checkpoint that is under way (https://sqlite.org/c3ref/wal_checkpoint_v2.html).
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
            if time.monotonic() >= until:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return True
    finally:
        connection.close()


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
    return {"salt": header[64:72].hex(), "frames": (offset + size - LOG_HEADER) // (page_size + FRAME_HEADER), "begins": offset <= LOG_HEADER}


def lock(path: str) -> dict[str, Any]:
    """Locks a database exclusively until standard input ends; it is busy if anybody has it open with a write-ahead log."""
    import sqlite3

    connection = connect(path, "mode=rw", timeout=0)
    locks.append(connection)
    try:
        # In this mode SQLite uses a log only if nobody else has the database open (https://sqlite.org/wal.html#noshm).
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return {"busy": True}
        raise
    return {"busy": False}


def is_empty(path: str) -> dict[str, Any]:
    """Tells whether a database holds nothing besides Litestream's own tables."""
    connection = connect(path, "mode=ro")
    names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    return {"isEmpty": all(name.startswith(("_litestream_", "sqlite_")) for (name,) in names)}


def fill(path: str, restored: str) -> dict[str, Any]:
    """Brings a restored database into a file that is there, whoever has it open: all of it in one transaction."""
    import sqlite3

    until = time.monotonic() + BUSY_PATIENCE

    def give_up(status: int, remaining: int, total: int) -> None:
        # By itself it would try without end.
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() >= until:
            raise sqlite3.OperationalError("somebody has locked the database all the time")

    connect(restored, "immutable=1").backup(connect(path, "mode=rw"), progress=give_up, sleep=0.05)
    return {}


def is_file_with_content(path: str) -> bool:
    try:
        return os.stat(path).st_size > 0
    except FileNotFoundError:
        return False


def connect(path: str, options: str, timeout: float = 1) -> sqlite3.Connection:
    import sqlite3

    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{name}?{options}", uri=True, timeout=timeout, isolation_level=None)


def answer_drill(request: dict[str, Any]) -> dict[str, Any]:
    """Has a module of its own answer, which only few processes need; Python does not look for it beside this file by itself (``-I``)."""
    folder = os.path.dirname(os.path.abspath(__file__))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import drill

    return drill.answer(request)


def answer(request: dict[str, Any], until: float) -> dict[str, Any]:
    try:
        if request["do"] == "hold-log":
            return hold_log(request["path"], request.get("state"), request.get("seconds", math.inf), request.get("suspect", False), until)
        if request["do"].startswith("drill-"):
            return answer_drill(request)
        if request["do"] == "fill":
            return fill(request["path"], request["restored"])
        return {"look": look, "use-log": use_log, "lock": lock, "is-empty": is_empty}[request["do"]](request["path"])
    except OSError as error:
        return {"error": error.strerror or str(error)}
    except Exception as error:
        # SQLite's; one file that fails must not keep the others from their answers.
        return {"error": str(error)}


def main() -> None:
    until, rest = time.monotonic() + TOTAL_PATIENCE, b""
    while True:
        while (due := min((hold.due for hold in held.values()), default=math.inf)) < math.inf and not select.select([0], [], [], max(0, due - time.monotonic()))[0]:
            empty_held_logs(time.monotonic())
        data = os.read(0, 65536)
        *lines, rest = (rest + data).split(b"\n") if data else (rest, b"")
        for request in map(json.loads, filter(None, lines)):
            if request["do"] == "let-go":
                let_go(request["path"])
            else:
                print(json.dumps(answer(request, until)), flush=True)
        if not data:
            # Whoever asked is gone, and Litestream may be left.
            empty_held_logs(math.inf)
            # Closed connections would empty the log of a file that was renamed meanwhile.
            os._exit(0)


if __name__ == "__main__":
    main()
