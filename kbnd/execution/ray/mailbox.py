"""Where runs on other machines leave what they say, and find what their driver answers."""

from __future__ import annotations

import asyncio

from kbnd.execution.concurrent import Call


class Mailbox:
    """Keeps calls until the driver takes them; an asynchronous actor, so that many may wait in it.

    An attempt to train a run has a number of its own, so that one that was given up is never mistaken for the next.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[int, Call]] = []
        self._has_news = asyncio.Event()
        self._answers: dict[int, asyncio.Future[bool]] = {}

    async def put(self, number: int, call: Call) -> bool | None:
        """Keep a call of an attempt; return when it is kept or, where it waits for one, with its answer."""
        self._calls.append((number, call))
        self._has_news.set()
        if not call.is_answered:
            return None
        self._answers[number] = asyncio.get_running_loop().create_future()
        return await self._answers[number]

    async def take(self) -> list[tuple[int, Call]]:
        """Return all calls in their order, as soon as there are some or `wake` is called."""
        await self._has_news.wait()
        self._has_news.clear()
        calls, self._calls = self._calls, []
        return calls

    async def wake(self) -> None:
        """Have `take` return what there is, nothing included."""
        self._has_news.set()

    async def answer(self, number: int, answer: bool) -> None:
        """Answer the call for which an attempt waits."""
        waiting = self._answers.pop(number, None)
        if waiting is not None:
            waiting.set_result(answer)
