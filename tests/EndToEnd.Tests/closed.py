"""Two Datasettes with one file, in one process, each of which is closed as a test closes it."""

import asyncio
import json
import time
from typing import Any

from app import make
from datasette_litestream import bridge


async def state(datasette: Any) -> dict[str, Any]:
    status: dict[str, Any] = await bridge.ask(datasette, "Status")
    return status


async def until(datasette: Any, expected: str) -> None:
    deadline = time.monotonic() + 60
    while (await state(datasette))["state"] != expected:
        assert time.monotonic() < deadline, json.dumps(await state(datasette))
        await asyncio.sleep(0.05)


async def main() -> None:
    first, second = make("parks.db"), make("parks.db")
    await first.invoke_startup()
    await until(first, "running")
    print("first: running", flush=True)
    await second.invoke_startup()
    status = await state(second)
    print("second:", status["state"], "this process" if "this process" in status["summary"] else status["summary"], flush=True)
    first.close()
    await until(second, "running")
    print("second: took over", flush=True)
    second.close()
    print("something is left" if bridge.bridges else "nothing is left", flush=True)


print(flush=True)
asyncio.run(main())
