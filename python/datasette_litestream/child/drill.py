"""Answers what a drill asks for: a backup that Litestream restored is compared with a copy of the live database of the same moment.

The requests are lines that ``sqlite_files.py`` reads, which tells how; all those of one drill are answered by one process::

    {"do": "drill-open", "path": "/srv/parks.db"}
    {"do": "drill-copy", "path": "/srv/parks.db", "to": "/srv/copy.db", "seconds": 30}, or {"do": "drill-close", "path": "/srv/parks.db"}
    {"do": "drill-compare", "path": "/srv/restored.db", "copy": "/srv/copy.db"}, or without a copy where there is no live database
    {"do": "drill-count", "path": "/srv/parks.db", "immutable": false}
    {"do": "drill-mark", "path": "/srv/parks.db"}

Numbers of chapters are those of SQLite's file format, https://sqlite.org/fileformat.html.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import sqlite3
import struct
import time
from typing import TYPE_CHECKING, Any

from sqlite_files import connect, is_file_with_content, read_main

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytes that are read of a file at once, or copied: a multiple of each page size. Python gets the memory of larger blocks from the system each
# time, which took 30 times as long as to compare them.
BLOCK = 1 << 16

# How many differing pages, and how many faults, are named.
NAMED_PAGES, NAMED_FAULTS = 8, 3

# How many rows that break a foreign key are counted.
COUNTED_ROWS = 1000

# The page with this byte is for locks, and holds nothing (1.4).
LOCK_BYTE = 0x40000000

# What the first page tells of who wrote last, from byte to byte (1.3): the change counter, the schema cookie, and the change counter again
# with the version of SQLite. A copy by the backup API has others.
WRITER = ((24, 28), (40, 44), (92, 100))

# What a database has besides its schema and rows, by the names of the pragmas.
SETTINGS = ("application_id", "auto_vacuum", "encoding", "page_size", "user_version")

# What is raised where SQLite cannot read a database; the second if its message has a name of the schema that is not UTF-8.
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)

# The connections with a read transaction, by the paths of their databases.
readers: dict[str, sqlite3.Connection] = {}


def open_reader(path: str) -> dict[str, Any]:
    """Begins a read transaction of the live database; returns its size as ``pages``, ``pageSize`` and ``bytes``."""
    close_reader(path)
    # One that can only read does not copy the log into the database when it is closed.
    reader = readers[path] = connect(path, "mode=ro")
    try:
        reader.execute("BEGIN")
        # The first that reads begins the transaction.
        pages, page_size = (reader.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    except BaseException:
        close_reader(path)
        raise
    return {"pages": pages, "pageSize": page_size, "bytes": pages * page_size}


def close_reader(path: str) -> dict[str, Any]:
    """Ends the read transaction, if there is one."""
    if reader := readers.pop(path, None):
        reader.close()
    return {}


def copy_database(path: str, copy: str, seconds: float) -> dict[str, Any]:
    """Copies what the read transaction sees into a new file, and ends the transaction in any case.

    A copy that takes longer than so many seconds is given up, and not complete; the file is removed.
    """
    until, is_complete = time.monotonic() + seconds, False

    def give_up(status: int, remaining: int, total: int) -> None:
        if remaining > 0 and time.monotonic() >= until:
            raise TimeoutError

    with contextlib.closing(readers.pop(path)) as reader:
        page_size = reader.execute("PRAGMA page_size").fetchone()[0]
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with contextlib.suppress(TimeoutError), contextlib.closing(connect(copy, "mode=rw")) as target:
                # Neither a journal nor a wait for the disk: what is not complete is of no use.
                target.execute("PRAGMA journal_mode=off").fetchone()
                target.execute("PRAGMA synchronous=off")
                reader.backup(target, pages=BLOCK // page_size, progress=give_up)
                is_complete = True
        finally:
            if not is_complete:
                os.unlink(copy)
    return {"isComplete": is_complete}


def compare(path: str, copy: str | None) -> dict[str, Any]:
    """Compares a restored database with the copy of the live one, if there is one, and checks it.

    Returns the first ``differingPages``, ``differingPageCount``, and ``differences``, the names of what differs, all None without a copy;
    the ``fault`` of the restored database, and if it has one the ``copyFault``; why it is ``unchecked``; and how many rows break
    ``foreignKeys``, None where SQLite cannot tell. A restored file that SQLite cannot read is a fault, and no error.
    """
    first: list[int] | None = None
    count, names, copy_fault = None, None, None
    if copy is not None:
        pages = differing_pages(path, copy)
        first = list(itertools.islice(pages, NAMED_PAGES))
        count = len(first) + sum(1 for _ in pages)
        names = name_differences(path, copy) if count > 0 else []
    fault, unchecked = check(path)
    if count == 0 and fault is not None and fault.startswith("malformed database schema ") and fault.endswith(": syntax error"):
        # What Datasette's SQLite can read, and is the same here, is only too new for this one.
        fault, unchecked = None, fault
    if copy is not None and fault is not None:
        copy_fault, _ = check(copy)
    return {
        "differingPages": first,
        "differingPageCount": count,
        "differences": names,
        "fault": fault,
        "copyFault": copy_fault,
        "unchecked": unchecked,
        "foreignKeys": count_broken_references(path),
    }


def differing_pages(path: str, copy: str) -> Iterator[int]:
    """Yields the numbers, from 1 on, of the pages that differ in what SQLite uses of them."""
    with open(path, "rb") as restored, open(copy, "rb") as live:
        main = read_main(live.fileno())
        if main is None:
            raise sqlite3.DatabaseError("the copy is not a database")
        size = main["pageSize"]
        free = FreePages(live.fileno(), size)
        for number in itertools.count(1, BLOCK // size):
            expected, found = live.read(BLOCK), restored.read(BLOCK)
            if not expected and not found:
                return
            if expected == found:
                continue
            for at in range(0, max(len(expected), len(found)), size):
                one, other = expected[at : at + size], found[at : at + size]
                page = number + at // size
                if one != other and (len(one) != len(other) or any(one[a:b] != other[a:b] for a, b in free.used_parts(page, one))):
                    yield page


class FreePages:
    """The free pages of a database (1.5), which may hold anything: those that list others, and those that are listed.

    It takes one bit a page, since a database of 100 GB may be free for the most part.
    """

    def __init__(self, database: int, page_size: int) -> None:
        self.lock_page = LOCK_BYTE // page_size + 1
        self.page_size = page_size
        self.trunks: set[int] = set()
        count = -(-os.fstat(database).st_size // page_size)
        self.leaves = bytearray(count // 8 + 1)
        (trunk,) = struct.unpack(">I", os.pread(database, 4, 32))
        # A list that is malformed may lead anywhere, and in circles.
        while 1 < trunk <= count and trunk not in self.trunks:
            self.trunks.add(trunk)
            page = os.pread(database, page_size, (trunk - 1) * page_size)
            for (leaf,) in struct.iter_unpack(">I", page[8 : self.trunk_end(page)]):
                if 1 < leaf <= count:
                    self.leaves[leaf // 8] |= 1 << leaf % 8
            (trunk,) = struct.unpack_from(">I", page)

    def trunk_end(self, page: bytes) -> int:
        """Returns where a page that lists others ends its list."""
        return min(8 + 4 * int.from_bytes(page[4:8], "big"), self.page_size)

    def used_parts(self, number: int, page: bytes) -> list[tuple[int, int]]:
        """Returns the parts of a page that SQLite uses, from byte to byte."""
        if number == 1:
            ends = [0, *itertools.chain(*WRITER), self.page_size]
            return list(zip(ends[::2], ends[1::2], strict=True))
        if number in self.trunks:
            return [(0, self.trunk_end(page))]
        if number == self.lock_page or self.leaves[number // 8] >> number % 8 & 1:
            return []
        return [(0, self.page_size)]


def name_differences(path: str, copy: str) -> list[str]:
    """Names what differs; nothing where SQLite cannot read the schema, of which the check tells."""
    with open_file(copy) as live, open_file(path) as restored:
        try:
            return sorted(set(differences(live, restored)))
        except UNREADABLE:
            return []


def differences(one: sqlite3.Connection, other: sqlite3.Connection) -> Iterator[str]:
    """Names the settings and the parts of the schema that differ, and the tables whose rows do; not those that are Litestream's own."""
    for name in SETTINGS:
        if one.execute(f"PRAGMA {name}").fetchone() != other.execute(f"PRAGMA {name}").fetchone():
            yield name
    schemas = [{(row[0], row[1]): row for row in read_schema(connection)} for connection in (one, other)]
    # Not bytes, which are blobs.
    one.text_factory = other.text_factory = bytearray
    for key in schemas[0].keys() | schemas[1].keys():
        live, restored = schemas[0].get(key), schemas[1].get(key)
        name = key[1].decode(errors="replace")
        if live is None or restored is None or live[2:4] != restored[2:4]:
            yield name
        # A virtual table has no page of its own; what it keeps is in others.
        elif key[0] == b"table" and live[4]:
            try:
                if any(not same(*rows) for rows in itertools.zip_longest(read_rows(one, name), read_rows(other, name))):
                    yield name
            except sqlite3.DatabaseError as error:
                yield f"{name} ({error})"


def read_schema(connection: sqlite3.Connection) -> list[tuple[bytes, bytes, bytes, bytes | None, int]]:
    """Returns type, name, table, SQL and first page of all that is not Litestream's own."""
    connection.text_factory = bytes
    rows = connection.execute("SELECT type, name, tbl_name, sql, rootpage FROM sqlite_master")
    return [row for row in rows if not row[2].startswith(b"_litestream_")]


def read_rows(connection: sqlite3.Connection, name: str) -> sqlite3.Cursor:
    """Reads a table with its row ids, if it has any."""
    table = quote(name)
    try:
        return connection.execute(f"SELECT rowid, * FROM {table}")
    except sqlite3.OperationalError:
        return connection.execute(f"SELECT * FROM {table}")


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def same(one: tuple[Any, ...] | None, other: tuple[Any, ...] | None) -> bool:
    """Whether two rows are equal in what SQLite stores: 1 is not 1.0, and 0.0 is not -0.0."""
    return one == other and repr(one) == repr(other)


def check(path: str) -> tuple[str | None, str | None]:
    """Returns what is wrong with a file to which nobody writes, and why SQLite cannot check it here; None for what is not the case."""
    if os.stat(path).st_size == 0:
        # To SQLite this is a database without content; one that Litestream replicates has at least Litestream's tables.
        return "file is empty", None
    faults: list[str] = []
    unchecked: list[str] = []
    with open_file(path) as connection:
        connection.text_factory = lambda text: text.decode(errors="replace")
        try:
            for (text,) in connection.execute("PRAGMA integrity_check"):
                for line in text.splitlines():
                    (unchecked if is_unchecked(line) else faults).append(line)
        except sqlite3.DatabaseError as error:
            code = error.sqlite_errorcode & 0xFF
            # With the general error SQLite tells of what it lacks, such as a collation, and of a format that it has never had.
            if code == sqlite3.SQLITE_ERROR and str(error) != "unsupported file format":
                unchecked.append(str(error))
            elif code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                faults.append(str(error))
            else:
                raise
        except UnicodeDecodeError as error:
            faults.append(error.object.decode(errors="replace"))
    faults = [line for line in faults if line != "ok" and not line.startswith("*** in database ")]
    return "; ".join(faults[:NAMED_FAULTS]) or None, "; ".join(unchecked[:NAMED_FAULTS]) or None


def is_unchecked(line: str) -> bool:
    """Whether a full-text index could not be checked, for want of a tokenizer (fts3IntegrityMethod and fts5IntegrityMethod of SQLite 3.44 on)."""
    return line.startswith("unable to validate the inverted index ") and not line.endswith(": database disk image is malformed")


def count_broken_references(path: str) -> int | None:
    """Counts rows that refer to rows that are not there, up to a limit; None where SQLite cannot."""
    with open_file(path) as connection:
        try:
            return sum(1 for _ in itertools.islice(connection.execute("PRAGMA foreign_key_check"), COUNTED_ROWS))
        except UNREADABLE:
            return None


def count_rows(path: str, is_immutable: bool) -> dict[str, Any]:
    """Returns the rows of each table as ``counts``, all of one moment, and a digest of the ``schema``.

    It has neither virtual tables nor Litestream's own, and None for a table that SQLite cannot read here.
    """
    with open_file(path, is_immutable) as connection:
        connection.execute("BEGIN")
        schema = read_schema(connection)
        digest = hashlib.sha256(repr(sorted(repr(row[:4]) for row in schema)).encode())
        tables = [name.decode(errors="replace") for kind, name, _, _, root in schema if kind == b"table" and root]
        return {"schema": digest.hexdigest(), "counts": {name: count_table(connection, name) for name in tables}}


def count_table(connection: sqlite3.Connection, name: str) -> int | None:
    try:
        count: int = connection.execute(f"SELECT count(*) FROM {quote(name)}").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR:
            return None
        raise
    return count


def mark(path: str) -> dict[str, Any]:
    """Returns a ``mark`` that tells one state of a database's files from the next, without opening them; an empty log comes with every reader."""
    files = [path, *([path + "-wal"] if is_file_with_content(path + "-wal") else [])]
    return {"mark": json.dumps([[status.st_ino, status.st_size, status.st_mtime_ns] for status in map(os.stat, files)])}


def open_file(path: str, is_immutable: bool = True) -> contextlib.closing[sqlite3.Connection]:
    """Opens a database to be read; one that is immutable is one to which nobody writes, and gets no files beside it."""
    return contextlib.closing(connect(path, "mode=ro&immutable=1" if is_immutable else "mode=ro"))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    match request["do"]:
        case "drill-open":
            return open_reader(request["path"])
        case "drill-copy":
            return copy_database(request["path"], request["to"], request["seconds"])
        case "drill-close":
            return close_reader(request["path"])
        case "drill-compare":
            return compare(request["path"], request.get("copy"))
        case "drill-count":
            return count_rows(request["path"], request["immutable"])
        case "drill-mark":
            return mark(request["path"])
        case unknown:
            raise ValueError(f"there is no request {unknown}")
