"""Starts and stops the Datasette of ``app.py`` in a program that has handlers of its own, and prints which are there when."""

import asyncio
import signal

from app import app

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def own(number: int, frame: object) -> None:
    """The program's own handler."""


def owners() -> str:
    return " ".join("own" if signal.getsignal(number) is own else "another" for number in SIGNALS)


async def main() -> None:
    requests: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, requests.get, answers.put))
    for request in "lifespan.startup", "lifespan.shutdown":
        await requests.put({"type": request})
        print((await answers.get())["type"], owners())
    await running


for number in SIGNALS:
    signal.signal(number, own)
asyncio.run(main())
