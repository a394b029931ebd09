"""How figures are shown: in the same words as ``static/status.js`` shows them from then on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

UNKNOWN = "–"
# Up to these a sparkline stays flat: what is not worth a look is not to look like a mountain range.
CALM_LAG = 10.0
CALM_BYTES = 65536.0


def duration(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    if 0.05 <= seconds < 10:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


def ago(time: str | None, now: datetime) -> str:
    return apart(time, now, "{} ago")


def since(time: str | None, now: datetime) -> str:
    return apart(time, now, "for {}")


def apart(time: str | None, now: datetime, past: str) -> str:
    if not time:
        return UNKNOWN
    seconds = int((now - moment(time)).total_seconds())
    # Two clocks are never quite the same.
    if abs(seconds) <= 1:
        return "just now"
    words = f"{abs(seconds)} s" if abs(seconds) < 60 else duration(abs(seconds))
    return past.format(words) if seconds > 0 else f"in {words}"


def exact(time: str | None) -> str:
    return f"{time[:10]} {time[11:19]} UTC" if time else UNKNOWN


def moment(time: str) -> datetime:
    """Whole seconds: .NET writes seven digits after the point, which Python 3.10 cannot read."""
    return datetime.fromisoformat(time[:19]).replace(tzinfo=timezone.utc)


def size(count: float | None) -> str:
    if count is None:
        return UNKNOWN
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.1f} {unit}" if unit != "B" else f"{int(count)} B"
        count /= 1024
    return f"{count:.1f} TiB"


def line(values: Sequence[float | None], calm: float, height: int = 20) -> str:
    """An SVG path with a gap where a value is not known."""
    top = highest(values, calm)
    path, command = [], "M"
    for i, value in enumerate(values):
        if value is None:
            command = "M"
            continue
        # A segment of no length is a dot, so that a value between two gaps is seen.
        path.append(f"{command}{2 * i} {height - round(value / top * height)}" + ("h0" if command == "M" else ""))
        command = "L"
    return "".join(path)


def bars(values: Sequence[float | None], calm: float, height: int = 20) -> str:
    top = highest(values, calm)
    return "".join(f"M{2 * i} {height}V{height - max(1, round(v / top * height))}" for i, v in enumerate(values) if v)


def highest(values: Iterable[float | None], least: float = 0) -> float:
    return max((value for value in values if value is not None and value > least), default=least)


def lag_label(values: Sequence[float | None], period: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"Lag in the last {period}: not known"
    return f"Lag in the last {period}: at most {duration(max(known))}, last {duration(known[-1])}"


def bytes_label(values: Sequence[float | None], period: str) -> str:
    return f"Uploaded in the last {period}: {size(sum(value or 0 for value in values))}"


def sizes_label(database: Sequence[float | None], wal: Sequence[float | None], period: str) -> str:
    return f"Size in the last {period}: database at most {size(highest(database))}, WAL at most {size(highest(wal))}"


def log_line(entry: dict[str, Any]) -> str:
    return f"{entry['time'][:19].replace('T', ' ')} {entry['level']} {entry['message']} {entry['details']}".rstrip()


def restarts(entries: Iterable[dict[str, Any]]) -> list[str]:
    return [f"{exact(entry['at'])}: {entry['reason']}{with_dash(entry['message'])}" for entry in entries]


def passed_over(entries: Iterable[dict[str, str]]) -> list[str]:
    return [f"{entry['name']}: {entry['reason']}" for entry in entries]


def with_dash(text: str | None) -> str:
    return f" – {text}" if text else ""


METRICS = ("Database", "Size", "WAL size", "WAL written", "Syncs", "Sync errors", "Sync time", "Checkpoints")


def metrics(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row a database, under ``METRICS``."""
    return [
        (
            name,
            size(values.get("db_size")),
            size(values.get("wal_size")),
            size(values.get("total_wal_bytes")),
            count(values.get("sync_count")),
            count(values.get("sync_error_count")),
            duration(values.get("sync_seconds")),
            count(values.get("checkpoint_count")),
        )
        for name, values in sorted(report["databases"].items())
    ]


def operations(report: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (entry["replica_type"], entry["operation"], count(entry["count"]), size(entry["bytes"]))
        for entry in report["operations"]
    ]


def count(number: float | None) -> str:
    return UNKNOWN if number is None else f"{int(number):,}"


def healthy(database: dict[str, Any]) -> str:
    """As ``data-healthy`` has it; nothing where it is not known."""
    return {"replicating": "true", "starting": "", "unknown": ""}.get(database["state"], "false")


def sentence(database: dict[str, Any]) -> str:
    """The first line of a database's own page."""
    if database["error"]:
        return f"{database['state'].capitalize()}: {database['error']}"
    if database["lag_seconds"] is None:
        return f"{database['state'].capitalize()}."
    if database["lag_seconds"] == 0:
        return f"{database['state'].capitalize()}; all that was written is safe."
    return f"{database['state'].capitalize()}; what was written until {duration(database['lag_seconds'])} ago is safe."
