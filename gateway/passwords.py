"""Passwords: argon2id in a few threads, with a bounded queue in front of them.

A hash costs 19 MiB and some 20 ms of a core (OWASP: m=19456, t=2, p=1). That cost is what makes guessing dear, and
what would make this service an easy victim, so at most a handful run at once and a bounded number waits; beyond
that, sign-in is refused while everything else goes on. A name that nobody has costs as much as a wrong password.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from sharding.errors import Overloaded

R = TypeVar("R")


class Passwords:
    """Hashes and verifies, a bounded number at a time."""

    __slots__ = ("_dummy", "_hasher", "_limit", "_threads", "_waiting")

    def __init__(self, *, threads: int, queue: int, memory_kib: int = 19_456) -> None:
        self._hasher = PasswordHasher(
            time_cost=2, memory_cost=memory_kib, parallelism=1, type=Type.ID
        )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._limit = threads + queue
        self._waiting = 0
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            Overloaded: too many wait already.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether it is the password; `stored` is None for a name that nobody has, at the same cost.

        Raises:
            Overloaded: too many wait already.
        """
        return await self._run(lambda: self._verify(password, stored))

    async def close(self) -> None:
        """Wait for what still runs."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    def _verify(self, password: str, stored: str | None) -> bool:
        if stored is None:
            self._dummy = self._dummy or self._hasher.hash("nobody has this password")
        try:
            self._hasher.verify(stored or self._dummy or "", password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def _run(self, work: Callable[[], R]) -> R:
        if self._waiting >= self._limit:
            raise Overloaded("Too many people are signing in at this moment.")
        self._waiting += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Counted until the thread is free, also when whoever asked has gone.
        shielded = asyncio.shield(running)
        running.add_done_callback(self._done)
        return await shielded

    def _done(self, running: asyncio.Future[R]) -> None:
        self._waiting -= 1
        if not running.cancelled():
            running.exception()

    def __repr__(self) -> str:
        return f"<Passwords waiting={self._waiting}/{self._limit}>"
