from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from every_kind import FEATURES, KNOWN, NUMBERS, change, generate, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[2] / "python/datasette_litestream/child/sqlite_files.py"

EQUAL = {"differingPages": [], "differingPageCount": 0, "differences": [], "fault": None, "copyFault": None, "unchecked": None, "foreignKeys": 0}


class Program:
    """The program, as long as its standard input is open."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-I", "-S", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, do: str, **request: str | float | Path | None) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": f"drill-{do}"} | request, default=str) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def copy(self, live: Path, copy: Path) -> None:
        assert "error" not in self.ask("open", path=live)
        assert self.ask("copy", path=live, to=copy, seconds=30) == {"isComplete": True}


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    program = Program()
    yield program
    program.process.communicate()


@pytest.mark.parametrize("number", range(200))
def test_a_copy_equals_what_is_restored_and_a_change_is_named(tmp_path: Path, program: Program, number: int) -> None:
    seed = random.Random(number)
    live, copy, restored = tmp_path / "live.db", tmp_path / "copy.db", tmp_path / "restored.db"
    serving, features = generate(live, seed)
    program.copy(live, copy)
    serving.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    shutil.copy(live, restored)
    serving.close()
    assert program.ask("compare", path=restored, copy=copy) == EQUAL

    statement, name = seed.choice(FEATURES[seed.choice(features)][1])
    change(restored, statement)
    answer = program.ask("compare", path=restored, copy=copy)
    assert name in answer["differences"]
    assert answer["differingPageCount"] >= len(answer["differingPages"]) > 0
    assert answer["fault"] is answer["copyFault"] is answer["unchecked"] is None
    assert sorted(it.name for it in tmp_path.iterdir()) == ["copy.db", "live.db", "restored.db"]


@pytest.fixture
def pair(tmp_path: Path, program: Program) -> tuple[Path, Path]:
    """A restored database with each kind of page, and the copy of the live one."""
    live, copy, restored = tmp_path / "live.db", tmp_path / "copy.db", tmp_path / "restored.db"
    with closing(open_database(live)) as connection:
        for statement in (
            "PRAGMA page_size = 512",
            "PRAGMA auto_vacuum = 2",
            "PRAGMA secure_delete = on",
            "PRAGMA journal_mode = wal",
            "CREATE TABLE t (x, y)",
            "CREATE INDEX i ON t (y)",
            "CREATE TABLE gone (x)",
            f"{NUMBERS} INSERT INTO t SELECT zeroblob(i * 20), 'text' || i FROM n",
            f"{NUMBERS} INSERT INTO gone SELECT randomblob(400) FROM n",
            "DROP TABLE gone",
        ):
            connection.execute(statement).fetchall()
        program.copy(live, copy)
    shutil.copy(live, restored)
    assert program.ask("compare", path=restored, copy=copy) == EQUAL
    return restored, copy


@pytest.mark.parametrize("at", [0, 3, 9, 300, 511])
def test_a_byte_that_differs_is_found_where_SQLite_uses_it(pair: tuple[Path, Path], program: Program, at: int) -> None:
    restored, copy = pair
    content = restored.read_bytes()
    with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as connection:
        free, pages = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
    trunk, is_unused = int.from_bytes(content[32:36], "big"), 8 + 4 * (free - 1) <= at
    assert 9 < free < 120
    unused = []
    for page in range(1, pages + 1):
        changed = bytearray(content)
        changed[(page - 1) * 512 + at] ^= 255
        restored.write_bytes(changed)
        answer = program.ask("compare", path=restored, copy=copy)
        assert answer["differingPages"] == ([page] if answer["differingPageCount"] else [])
        if answer["differingPages"] == []:
            unused.append(page)
        assert answer["copyFault"] is None
    # One lists the others, and uses as many bytes as that takes.
    assert len(unused) == free - 1 + is_unused
    assert (trunk in unused) == is_unused


def test_of_the_header_only_what_tells_who_wrote_last_may_differ(pair: tuple[Path, Path], program: Program) -> None:
    restored, copy = pair
    content = restored.read_bytes()
    equal = []
    for at in range(100):
        changed = bytearray(content)
        changed[at] ^= 255
        restored.write_bytes(changed)
        if program.ask("compare", path=restored, copy=copy)["differingPages"] == []:
            equal.append(at)
    assert equal == [*range(24, 28), *range(40, 44), *range(92, 100)]


def test_an_index_that_differs_from_its_table_is_a_fault(pair: tuple[Path, Path], program: Program) -> None:
    restored, copy = pair
    content = bytearray(restored.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'i'").fetchone()[0]
    at = content.index(b"text", (root - 1) * 512)
    content[at : at + 4] = b"ueyu"
    restored.write_bytes(content)
    answer = program.ask("compare", path=restored, copy=copy)
    assert answer["differingPages"] == [root]
    assert "index i" in answer["fault"]
    assert answer["copyFault"] is None
    assert program.ask("compare", path=restored) == answer | {"differingPages": None, "differingPageCount": None, "differences": None}
    shutil.copy(restored, copy)
    answer = program.ask("compare", path=restored, copy=copy)
    assert answer["differingPageCount"] == 0
    assert answer["copyFault"] == answer["fault"]


@pytest.mark.parametrize("size", [0, 50, 100, 512, 5000, 5120])
def test_a_file_that_is_cut_is_a_fault(pair: tuple[Path, Path], program: Program, size: int) -> None:
    restored, copy = pair
    pages = restored.stat().st_size // 512
    os.truncate(restored, size)
    answer = program.ask("compare", path=restored, copy=copy)
    assert answer["fault"] is not None
    assert answer["copyFault"] is None
    assert answer["differingPageCount"] == pages - size // 512
    assert answer["differingPages"] == [*range(size // 512 + 1, size // 512 + 9)]


def test_pages_beyond_the_copy_are_a_difference(pair: tuple[Path, Path], program: Program) -> None:
    restored, copy = pair
    pages = restored.stat().st_size // 512
    with open(restored, "ab") as file:
        file.write(bytes(512 * 200))
    answer = program.ask("compare", path=restored, copy=copy)
    assert (answer["differingPages"], answer["differingPageCount"]) == ([*range(pages + 1, pages + 9)], 200)


def test_a_format_that_SQLite_never_had_is_a_fault(pair: tuple[Path, Path], program: Program) -> None:
    restored, _ = pair
    content = bytearray(restored.read_bytes())
    content[47] = 9
    restored.write_bytes(content)
    answer = program.ask("compare", path=restored)
    assert (answer["fault"], answer["unchecked"]) == ("unsupported file format", None)


@pytest.mark.parametrize("column", ["type", "name", "tbl_name", "sql", "rootpage"])
@pytest.mark.parametrize("value", ["NULL", "5", "x'ff'", "CAST(x'ff' AS TEXT)"])
def test_a_schema_that_is_malformed_is_a_fault(pair: tuple[Path, Path], program: Program, column: str, value: str) -> None:
    restored, copy = pair
    change(restored, "PRAGMA writable_schema = on", f"UPDATE sqlite_master SET {column} = {value} WHERE name = 'i'")
    answer = program.ask("compare", path=restored, copy=copy)
    assert answer["fault"] is not None
    assert answer["copyFault"] is answer["unchecked"] is None
    assert answer["differingPageCount"] == 1


def test_a_fault_with_a_name_that_is_no_text_is_told(pair: tuple[Path, Path], program: Program) -> None:
    restored, copy = pair
    rename = "UPDATE sqlite_master SET name = CAST(x'ff' AS TEXT), sql = 'CREATE INDEX ' || CAST(x'ff' AS TEXT) || ' ON t (x)' WHERE name = 'i'"
    change(restored, "PRAGMA writable_schema = on", rename)
    answer = program.ask("compare", path=restored, copy=copy)
    assert "index \ufffd" in answer["fault"]
    assert answer["differences"] == ["i", "\ufffd"]


def test_a_file_that_is_no_database_is_a_fault(pair: tuple[Path, Path], program: Program) -> None:
    restored, copy = pair
    pages = restored.stat().st_size // 512
    restored.write_text("text" * 1000)
    answer = program.ask("compare", path=restored, copy=copy)
    assert (answer["fault"], answer["differences"]) == ("file is not a database", [])
    # A page that is free may hold anything.
    assert pages - 4000 // 512 < answer["differingPageCount"] <= pages
    restored.unlink()
    assert program.ask("compare", path=restored, copy=copy) == {"error": "No such file or directory"}


@pytest.mark.parametrize("page_size", [512, 4096])
def test_another_database_is_a_difference(pair: tuple[Path, Path], program: Program, page_size: int) -> None:
    restored, copy = pair
    restored.unlink()
    change(restored, f"PRAGMA page_size = {page_size}", "CREATE TABLE t (x, y)", "CREATE TABLE other (x)")
    answer = program.ask("compare", path=restored, copy=copy)
    assert answer["fault"] is None
    assert {"t", "i", "other", "auto_vacuum"} <= set(answer["differences"])
    assert ("page_size" in answer["differences"]) == (page_size != 512)
    assert answer["differingPages"][:3] == [1, 2, 3]


def test_free_pages_may_hold_anything_and_are_the_same_ones(pair: tuple[Path, Path], program: Program) -> None:
    restored, copy = pair
    content = restored.read_bytes()
    trunk = int.from_bytes(content[32:36], "big")
    start = (trunk - 1) * 512
    count = int.from_bytes(content[start + 4 : start + 8], "big")
    leaves = struct.unpack_from(f">{count}I", content, start + 8)
    changed = bytearray(content)
    for leaf in leaves:
        changed[(leaf - 1) * 512 : leaf * 512] = os.urandom(512)
    changed[start + 8 + 4 * count : start + 512] = os.urandom(504 - 4 * count)
    restored.write_bytes(changed)
    assert program.ask("compare", path=restored, copy=copy) == EQUAL
    struct.pack_into(">II", changed, start + 8, leaves[1], leaves[0])
    restored.write_bytes(changed)
    assert program.ask("compare", path=restored, copy=copy) == EQUAL | {"differingPages": [trunk], "differingPageCount": 1}


def test_a_list_of_free_pages_that_goes_in_circles_ends(pair: tuple[Path, Path], program: Program) -> None:
    restored, copy = pair
    content = bytearray(copy.read_bytes())
    trunk = int.from_bytes(content[32:36], "big")
    struct.pack_into(">I", content, (trunk - 1) * 512, trunk)
    for path in pair:
        path.write_bytes(content)
    answer = program.ask("compare", path=restored, copy=copy)
    assert answer["differingPageCount"] == 0
    assert answer["copyFault"] == answer["fault"] is not None


def test_what_this_SQLite_lacks_is_unchecked_and_no_fault(tmp_path: Path, program: Program) -> None:
    live, copy, restored = tmp_path / "live.db", tmp_path / "copy.db", tmp_path / "restored.db"
    for definition, missing in {"x COLLATE parks": "collation sequence: parks", "double(x)": "function: double"}.items():
        with closing(open_database(live)) as connection:
            connection.create_collation("parks", lambda one, other: (one > other) - (one < other))
            connection.create_function("double", 1, lambda x: 2 * x, deterministic=True)
            connection.execute("PRAGMA journal_mode = wal").fetchone()
            connection.execute("CREATE TABLE t (x)")
            connection.execute(f"CREATE INDEX i ON t ({definition})")
            connection.execute("INSERT INTO t VALUES (1), (2)")
            program.copy(live, copy)
        shutil.copy(live, restored)
        answer = program.ask("compare", path=restored, copy=copy)
        assert missing in answer["unchecked"]
        assert answer | {"unchecked": None} == EQUAL
        with open(restored, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"?")
        assert program.ask("compare", path=restored, copy=copy)["differingPageCount"] == 1
        for path in (live, copy, restored):
            path.unlink()


@pytest.mark.parametrize(("made", "missing"), [("fts5 (x)", "fts5 (x, tokenize = parks)"), ("fts4 (x)", "fts4 (x, tokenize = parks)"), ("fts5 (x)", "parks (x)")])
def test_a_virtual_table_that_this_SQLite_cannot_open_is_no_fault(tmp_path: Path, program: Program, made: str, missing: str) -> None:
    """Older versions of SQLite do not check virtual tables at all, newer ones where they can."""
    live, copy, restored = tmp_path / "live.db", tmp_path / "copy.db", tmp_path / "restored.db"
    if made[:4] not in KNOWN:
        pytest.skip("this SQLite has no such module")
    change(live, f"CREATE VIRTUAL TABLE v USING {made}", "INSERT INTO v VALUES ('word')")
    change(live, "PRAGMA writable_schema = on", f"UPDATE sqlite_master SET sql = replace(sql, '{made}', '{missing}')", "PRAGMA journal_mode = wal")
    program.copy(live, copy)
    shutil.copy(live, restored)
    assert program.ask("compare", path=restored, copy=copy) | {"unchecked": None} == EQUAL
    change(restored, "INSERT INTO v_content VALUES (2, 'other')")
    assert program.ask("compare", path=restored, copy=copy)["differences"] == ["v_content"]


def test_rows_that_refer_to_nothing_are_counted_up_to_a_limit(tmp_path: Path, program: Program) -> None:
    restored = tmp_path / "restored.db"
    change(restored, "CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE c (p REFERENCES p)", "INSERT INTO c VALUES (1), (2), (NULL)")
    assert program.ask("compare", path=restored)["foreignKeys"] == 2
    change(restored, f"{NUMBERS} INSERT INTO c SELECT i FROM n, (SELECT 1 FROM n LIMIT 20)")
    assert program.ask("compare", path=restored)["foreignKeys"] == 1000
    change(restored, "CREATE TABLE d (x REFERENCES c (missing))", "INSERT INTO d VALUES (1)")
    assert program.ask("compare", path=restored)["foreignKeys"] is None


def serve(path: Path) -> sqlite3.Connection:
    """Makes a database; the connection keeps its log, which is not in the database."""
    connection = open_database(path)
    connection.execute("PRAGMA journal_mode = wal").fetchone()
    connection.execute("CREATE TABLE t (x, filler)")
    connection.execute(f"{NUMBERS} INSERT INTO t SELECT i, zeroblob(60000) FROM n")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
    connection.execute("INSERT INTO t VALUES (61, zeroblob(60000))")
    return connection


def can_empty_log(connection: sqlite3.Connection) -> bool:
    """Whether nobody reads what the log held before."""
    return bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


def test_a_copy_is_of_the_moment_when_the_database_was_opened(tmp_path: Path, program: Program) -> None:
    live, copy, restored = tmp_path / "live.db", tmp_path / "copy.db", tmp_path / "restored.db"
    serving = serve(live)
    can_empty_log(serving)
    shutil.copy(live, restored)
    pages = restored.stat().st_size // 4096
    assert program.ask("open", path=live) == {"pages": pages, "pageSize": 4096, "bytes": pages * 4096}
    serving.execute("UPDATE t SET x = -x, filler = randomblob(50000)")
    serving.execute("CREATE TABLE later (x)")
    serving.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    assert program.ask("copy", path=live, to=copy, seconds=30) == {"isComplete": True}
    assert program.ask("compare", path=restored, copy=copy) == EQUAL
    assert can_empty_log(serving)
    serving.close()


@pytest.mark.parametrize("ending", ["close", "copy", "time limit", "file is there", "no folder", "open again"])
def test_the_live_database_is_left_as_it_is(tmp_path: Path, program: Program, ending: str) -> None:
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    serving = serve(live)
    before = [live.read_bytes(), Path(f"{live}-wal").read_bytes(), program.ask("mark", path=live)]
    program.ask("open", path=live)
    if ending == "copy":
        assert program.ask("copy", path=live, to=copy, seconds=30) == {"isComplete": True}
        assert copy.stat().st_mode & 0o777 == 0o600
    elif ending == "time limit":
        assert program.ask("copy", path=live, to=copy, seconds=0) == {"isComplete": False}
    elif ending == "file is there":
        copy.write_text("mine")
        assert program.ask("copy", path=live, to=copy, seconds=30) == {"error": "File exists"}
        assert copy.read_text() == "mine"
    elif ending == "no folder":
        assert program.ask("copy", path=live, to=tmp_path / "no" / "copy.db", seconds=30) == {"error": "No such file or directory"}
    else:
        if ending == "open again":
            program.ask("open", path=live)
        assert program.ask("close", path=live) == {}
    assert [live.read_bytes(), Path(f"{live}-wal").read_bytes(), program.ask("mark", path=live)] == before
    assert {it.name for it in tmp_path.iterdir()} - {"live.db", "live.db-wal", "live.db-shm"} == ({"copy.db"} if ending in ("copy", "file is there") else set())
    if sys.platform == "linux":
        assert not [it for it in Path(f"/proc/{program.process.pid}/fd").iterdir() if str(tmp_path) in os.readlink(it)]
    assert can_empty_log(serving)
    serving.close()


def test_a_file_that_is_no_database_is_not_opened(tmp_path: Path, program: Program) -> None:
    (tmp_path / "text").write_text("text" * 1000)
    assert program.ask("open", path=tmp_path / "text") == {"error": "file is not a database"}
    assert "error" in program.ask("copy", path=tmp_path / "text", to=tmp_path / "copy.db", seconds=30)
    assert [it.name for it in tmp_path.iterdir()] == ["text"]


def test_a_mark_changes_with_the_database(tmp_path: Path, program: Program) -> None:
    live = tmp_path / "live.db"
    serving = serve(live)
    before = program.ask("mark", path=live)
    with closing(open_database(live)) as connection:
        connection.execute("SELECT count(*) FROM t").fetchone()
    assert program.ask("mark", path=live) == before
    serving.execute("INSERT INTO t VALUES (62, NULL)")
    assert program.ask("mark", path=live) != before
    serving.close()


def test_rows_are_counted_and_schemas_told_apart(tmp_path: Path, program: Program) -> None:
    live, restored = tmp_path / "live.db", tmp_path / "restored.db"
    statements = ['CREATE TABLE "a ""b""" (x)', 'INSERT INTO "a ""b""" VALUES (1), (2)', "CREATE TABLE w (x PRIMARY KEY) WITHOUT ROWID", "CREATE VIRTUAL TABLE v USING rtree (id, x, y)"]
    change(restored, *statements)
    with closing(open_database(live)) as serving:
        serving.execute("PRAGMA journal_mode = wal").fetchone()
        for statement in ["CREATE TABLE _litestream_seq (x UNIQUE)", "INSERT INTO _litestream_seq VALUES (1)", *statements]:
            serving.execute(statement)
        answer = program.ask("count", path=live, immutable=False)
        assert answer["counts"] == {'a "b"': 2, "w": 0, "v_node": 1, "v_parent": 0, "v_rowid": 0}
        assert program.ask("count", path=restored, immutable=True) == answer
        serving.execute("INSERT INTO w VALUES (1)")
        assert program.ask("count", path=live, immutable=False) == answer | {"counts": answer["counts"] | {"w": 1}}
        serving.execute("CREATE INDEX i ON w (x)")
        assert program.ask("count", path=live, immutable=False)["schema"] != answer["schema"]
        serving.create_collation("parks", lambda one, other: (one > other) - (one < other))
        serving.execute("CREATE TABLE z (x COLLATE parks PRIMARY KEY) WITHOUT ROWID")
        assert program.ask("count", path=live, immutable=False)["counts"]["z"] is None
    restored.write_text("text" * 1000)
    assert program.ask("count", path=restored, immutable=True) == {"error": "file is not a database"}


def peak(program: Program) -> int:
    """The most memory that the program has had, in KiB."""
    return next(int(line.split()[1]) for line in Path(f"/proc/{program.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_file_takes_no_memory(tmp_path: Path) -> None:
    program, (restored, copy) = Program(), (tmp_path / "restored.db", tmp_path / "copy.db")
    change(restored, "CREATE TABLE t (x)")
    shutil.copy(restored, copy)
    assert program.ask("compare", path=restored, copy=copy) == EQUAL
    before, pages = peak(program), 300 * 2**20 // 4096
    for path in (restored, copy):
        os.truncate(path, pages * 4096)
    with open(restored, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    assert program.ask("compare", path=restored, copy=copy) == EQUAL | {"differingPages": [pages], "differingPageCount": 1}
    assert peak(program) - before < 32 * 1024
    program.process.communicate()


@pytest.mark.parametrize("page_size", [512, 65536])
def test_the_page_for_locks_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_size: int) -> None:
    """In a file of more than 1 GiB, of which next to nothing is on disk, since to read all of it takes long."""
    monkeypatch.syspath_prepend(PROGRAM.parent)
    import drill

    path = tmp_path / "copy.db"
    change(path, f"PRAGMA page_size = {page_size}", "CREATE TABLE t (x)")
    os.truncate(path, 2**30 + 10 * page_size)
    with open(path, "rb") as file:
        free = drill.FreePages(file.fileno(), page_size)
    page = 2**30 // page_size + 1
    assert [free.used_parts(it, bytes(page_size)) for it in (page - 1, page, page + 1)] == [[(0, page_size)], [], [(0, page_size)]]
