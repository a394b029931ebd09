"""Runs the two Datasettes of ``two.py`` in a program that has handlers of its own, and prints which are there when."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from two import parks, trees

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def own(number: int, frame: object) -> None:
    """The program's own handler."""


class Lifespan:
    def __init__(self, app: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self.requests: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self.running = asyncio.create_task(app(scope, self.requests.get, self.answers.put))

    async def ask(self, request: str) -> None:
        await self.requests.put({"type": request})
        answer = (await self.answers.get())["type"]
        owners = ["own" if signal.getsignal(number) is own else "another" for number in SIGNALS]
        print(answer, *owners)


async def main() -> None:
    both = [Lifespan(app) for app in (parks, trees)]
    for request in "lifespan.startup", "lifespan.shutdown":
        for lifespan in both:
            await lifespan.ask(request)
    for lifespan in both:
        await lifespan.running


for number in SIGNALS:
    signal.signal(number, own)
asyncio.run(main())
