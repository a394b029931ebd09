"""Makes databases of some of all that SQLite can hold, from seeds; and changes a cell in each.

    python tests/python/every_kind.py make FOLDER COUNT
    python tests/python/every_kind.py change FOLDER

They are ``db0.db`` and so on; ``changes.json`` beside them has the changes.
"""

from __future__ import annotations

import json
import math
import random
import sqlite3
import struct
import sys
from contextlib import closing
from pathlib import Path

VALUES = [
    *(None, 0, 1, -1, 127, 128, -129, 2**15, 2**23, 2**31, 2**47, 2**63 - 1, -(2**63), 0.0, -0.0, 0.5, math.inf, -math.inf, 5e-324, 1.7e308),
    *("", "text", "é😀", "a\0b", "long" * 1500, b"", b"\0", bytes(range(256)), bytes(9000), "1", b"1", 1.0),
]

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"

# What a database may hold: the statements that make it, and changes with the name of what differs then.
FEATURES: dict[str, tuple[list[str], list[tuple[str, str]]]] = {
    "values": (
        ['CREATE TABLE "every value" (x, n NUMERIC, i INTEGER, r REAL, t TEXT)', *['INSERT INTO "every value" VALUES (?1, ?1, ?1, ?1, ?1)'] * 40],
        [
            ('UPDATE "every value" SET x = quote(x) WHERE rowid = 20', "every value"),
            ('DELETE FROM "every value" WHERE rowid = 7', "every value"),
            ('UPDATE "every value" SET x = ?1, t = hex(randomblob(9)) WHERE rowid = 3', "every value"),
        ],
    ),
    "types": (
        ["CREATE TABLE types (x)", "INSERT INTO types VALUES (1), ('1'), (x'31'), (0.0), (0), (NULL), ('')"],
        [
            ("UPDATE types SET x = 1.0 WHERE rowid = 1", "types"),
            ("UPDATE types SET x = x'31' WHERE rowid = 2", "types"),
            ("UPDATE types SET x = '1' WHERE rowid = 3", "types"),
            ("UPDATE types SET x = 0 WHERE rowid = 4", "types"),
            ("UPDATE types SET x = 0.0 WHERE rowid = 5", "types"),
            ("UPDATE types SET x = '' WHERE rowid = 6", "types"),
            ("UPDATE types SET x = x'' WHERE rowid = 7", "types"),
        ],
    ),
    "rowids": (
        ["CREATE TABLE r (x)", "CREATE TABLE s (rowid TEXT, x)", "INSERT INTO r VALUES (1), (1), (1)", "INSERT INTO s VALUES ('a', 1)"],
        [("UPDATE r SET rowid = 9 WHERE rowid = 3", "r"), ("UPDATE s SET rowid = 'b'", "s")],
    ),
    "without rowid": (
        ["CREATE TABLE w (a TEXT, b INT, c, PRIMARY KEY (b DESC, a COLLATE NOCASE)) WITHOUT ROWID", f"{NUMBERS} INSERT INTO w SELECT hex(randomblob(i)), i, i FROM n"],
        [("UPDATE w SET c = 'other' WHERE b = 30", "w"), ("UPDATE w SET b = 99 WHERE b = 1", "w")],
    ),
    "strict": (
        ["CREATE TABLE strictly (i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT", "INSERT INTO strictly VALUES (1, 1, '1', x'31', 1)"],
        [("UPDATE strictly SET a = 1.0", "strictly"), ("UPDATE strictly SET t = 'other'", "strictly")],
    ),
    "generated": (
        ["CREATE TABLE generated (a, v AS (a * 2) VIRTUAL, s AS (a || 's') STORED)", "CREATE INDEX gi ON generated (v)", f"{NUMBERS} INSERT INTO generated SELECT i FROM n"],
        [("UPDATE generated SET a = 1000 WHERE a = 5", "generated"), ("DROP INDEX gi", "gi")],
    ),
    "fts5": (
        ["CREATE VIRTUAL TABLE f5 USING fts5 (a, b)", f"{NUMBERS} INSERT INTO f5 SELECT 'word' || i, hex(randomblob(20)) FROM n", "DELETE FROM f5 WHERE rowid % 3 = 0"],
        [("INSERT INTO f5 VALUES ('one', 'more')", "f5_content"), ("INSERT INTO f5 (f5) VALUES ('optimize')", "f5_data")],
    ),
    "fts4": (
        ["CREATE VIRTUAL TABLE f4 USING fts4 (a)", f"{NUMBERS} INSERT INTO f4 SELECT 'word' || i FROM n", "DELETE FROM f4 WHERE rowid = 3"],
        [("INSERT INTO f4 VALUES ('one more')", "f4_content"), ("UPDATE f4 SET a = 'other' WHERE rowid = 1", "f4_content")],
    ),
    "rtree": (
        ["CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1, y0, y1)", f"{NUMBERS} INSERT INTO boxes SELECT i, i, i + 1, -i, 0 FROM n"],
        [("UPDATE boxes SET x1 = 500 WHERE id = 5", "boxes_node"), ("DELETE FROM boxes WHERE id = 5", "boxes_rowid")],
    ),
    "references": (
        ["CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE c (p REFERENCES p ON DELETE CASCADE)", f"{NUMBERS} INSERT INTO p SELECT i FROM n", "INSERT INTO c SELECT id FROM p"],
        [("DELETE FROM c WHERE p = 4", "c"), ("UPDATE c SET p = 5 WHERE p = 4", "c")],
    ),
    "views": (
        ["CREATE TABLE seen (x)", "CREATE VIEW v AS SELECT x FROM seen", "CREATE TRIGGER g AFTER INSERT ON seen BEGIN DELETE FROM seen WHERE x = 0; END", "INSERT INTO seen VALUES (0), (1)"],
        [("DROP VIEW v", "v"), ("DROP TRIGGER g", "g"), ("CREATE VIEW more AS SELECT 1", "more"), ("ALTER TABLE seen RENAME TO found", "found")],
    ),
    "indexes": (
        [
            "CREATE TABLE indexed (x, y UNIQUE)",
            "CREATE INDEX part ON indexed (x) WHERE x > 5",
            "CREATE INDEX expression ON indexed (abs(x), lower(y) COLLATE NOCASE DESC)",
            f"{NUMBERS} INSERT INTO indexed SELECT -i, 'Y' || i FROM n",
            "UPDATE indexed SET x = -x WHERE x % 2 = 0",
        ],
        [("DROP INDEX part", "part"), ("UPDATE indexed SET x = 3 WHERE y = 'Y7'", "indexed"), ("CREATE INDEX third ON indexed (x)", "third")],
    ),
    "empty": (["CREATE TABLE empty (x)", "CREATE TABLE emptied (x)", "INSERT INTO emptied VALUES (1)", "DELETE FROM emptied"], [("INSERT INTO empty VALUES (NULL)", "empty"), ("DROP TABLE emptied", "emptied")]),
    "autoincrement": (
        ["CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x)", f"{NUMBERS} INSERT INTO counted (x) SELECT i FROM n", "DELETE FROM counted WHERE id > 50"],
        [("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'counted'", "sqlite_sequence")],
    ),
    "statistics": (
        ["CREATE TABLE analyzed (x)", "CREATE INDEX ai ON analyzed (x)", f"{NUMBERS} INSERT INTO analyzed SELECT i / 7 FROM n", "ANALYZE analyzed"],
        [("UPDATE sqlite_stat1 SET stat = '60 2' WHERE idx = 'ai'", "sqlite_stat1")],
    ),
    "numbers of applications": (
        ["PRAGMA application_id = 252006673", "PRAGMA user_version = 3"],
        [("PRAGMA application_id = -1", "application_id"), ("PRAGMA user_version = 4", "user_version")],
    ),
    "names": (
        ['CREATE TABLE "select" ("from" INT, "a ""b""" TEXT)', "CREATE TABLE \"it's 😀 [é]\" (\"😀\")", "INSERT INTO \"select\" VALUES (1, 'x')", "INSERT INTO \"it's 😀 [é]\" VALUES (1)"],
        [('UPDATE "select" SET "a ""b""" = \'y\'', "select"), ("UPDATE \"it's 😀 [é]\" SET \"😀\" = 2", "it's 😀 [é]")],
    ),
    "free pages": (
        ["CREATE TABLE gone (x)", f"{NUMBERS} INSERT INTO gone SELECT randomblob(40 * i) FROM n", "CREATE TABLE stays (x)", "INSERT INTO stays VALUES (1)", "DELETE FROM gone WHERE rowid % 5"],
        [("INSERT INTO stays VALUES (2)", "stays"), ("DELETE FROM gone", "gone")],
    ),
}


def is_known(feature: str) -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(FEATURES[feature][0][0])
        except sqlite3.OperationalError:
            return False
        return True


KNOWN = [feature for feature in FEATURES if is_known(feature)]


def open_database(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=off")
    connection.execute("PRAGMA foreign_keys=off")
    return connection


def change(path: Path, *statements: str) -> None:
    with closing(open_database(path)) as connection:
        for statement in statements:
            connection.execute(statement, ["other"] if "?1" in statement else [])


def reserve(path: Path, connection: sqlite3.Connection, count: int) -> sqlite3.Connection:
    """Reserves so many bytes of each page of a database without content, as an extension of SQLite may (1.3.4 of the file format)."""
    connection.execute("PRAGMA user_version = 0")
    connection.close()
    content = bytearray(path.read_bytes())
    content[20] = count
    page_size = struct.unpack_from(">H", content, 16)[0]
    struct.pack_into(">H", content, 105, page_size - count)
    path.write_bytes(content)
    return open_database(path)


def generate(path: Path, seed: random.Random) -> tuple[sqlite3.Connection, list[str]]:
    """Makes a database of some of all that SQLite can hold, most of it in its log; returns the connection that keeps the log."""
    connection = open_database(path)
    page_size = seed.choice([512, 512, 1024, 2048, 4096, 4096, 8192, 65536])
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.execute(f"PRAGMA auto_vacuum = {seed.choice([0, 0, 1, 2])}")
    connection.execute(f"PRAGMA encoding = '{seed.choice(['UTF-8', 'UTF-8', 'UTF-16le', 'UTF-16be'])}'")
    if page_size in (1024, 4096) and seed.random() < 0.2:
        connection = reserve(path, connection, 8)
    connection.create_function("randomblob", 1, seed.randbytes)
    connection.execute(f"PRAGMA secure_delete = {seed.choice([0, 0, 1])}")
    features = seed.sample(KNOWN, seed.randint(1, 5))
    at = seed.randint(0, len(features))
    for number, feature in enumerate([*features, None]):
        if number == at:
            if seed.random() < 0.3:
                connection.execute("VACUUM")
            connection.execute("PRAGMA journal_mode=wal").fetchone()
            connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
        if feature is not None:
            connection.execute("BEGIN")
            for statement in FEATURES[feature][0]:
                connection.execute(statement, [seed.choice(VALUES)] if "?1" in statement else [])
            connection.execute("COMMIT")
    if seed.random() < 0.3:
        connection.execute("CREATE TABLE dropped (x)")
        connection.execute(f"{NUMBERS} INSERT INTO dropped SELECT zeroblob(i * {seed.randint(1, 300)}) FROM n")
        connection.execute("DROP TABLE dropped")
        connection.execute(f"PRAGMA incremental_vacuum({seed.randint(1, 9)})").fetchall()
    return connection, features


def make(folder: Path, count: int) -> None:
    changes = {}
    for number in range(count):
        seed, path = random.Random(number), folder / f"db{number}.db"
        connection, features = generate(path, seed)
        connection.close()
        changes[path.name] = change_of_cell(features, seed)
    (folder / "changes.json").write_text(json.dumps(changes))


def change_of_cell(features: list[str], seed: random.Random) -> str:
    """Chooses a change of a cell, if there is a feature that has one, or another change."""
    changes = [statement for feature in features for statement, _ in FEATURES[feature][1]]
    return seed.choice([statement for statement in changes if statement.startswith("UPDATE")] or changes)


def change_all(folder: Path) -> None:
    for name, statement in json.loads((folder / "changes.json").read_text()).items():
        change(folder / name, statement)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        change_all(Path(sys.argv[2]))
