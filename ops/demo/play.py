"""What all acts of the story share: the people, what was confirmed, and what went wrong."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from actors.tasks import TaskSet
from ops.demo.client import GaveUp, Person, Refused, Wire
from ops.demo.ledger import Ledger
from ops.demo.live import Live, open_live
from ops.demo.uploads import Upload


class Screen(Protocol):
    """Where somebody watches."""

    def act(self, title: str) -> None:
        """A part of the story begins."""
        ...

    def uploads(self, uploads: Sequence[Upload]) -> None:
        """This is how the uploads are now."""
        ...


@dataclass(slots=True, kw_only=True)
class Play:
    """One demo under way."""

    wire: Wire
    dice: random.Random
    screen: Screen
    people: list[Person] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    lives: dict[str, Live] = field(default_factory=dict)
    #: What was done and read, for the table.
    done: Counter[str] = field(default_factory=Counter)
    #: What the product must not do, one sentence each.
    faults: list[str] = field(default_factory=list)
    #: What is worth a look and promised by nobody.
    notes: list[str] = field(default_factory=list)

    @property
    def ready(self) -> list[Upload]:
        """Uploads that play."""
        return [upload for upload in self.uploads if upload.status == "ready"]

    async def together(self, title: str, act: Callable[[Person], Awaitable[None]]) -> None:
        """Have everybody do `act` at the same time; one person's trouble is not another's."""
        self.screen.act(title)

        async def one(person: Person) -> None:
            try:
                await act(person)
            except (Refused, GaveUp) as trouble:
                self.faults.append(f"{person.name}, {title}: {trouble}")

        async with asyncio.TaskGroup() as group:
            for person in self.people:
                group.create_task(one(person), name=f"{title}: {person.name}")

    async def deed(
        self, what: str, work: Awaitable[dict[str, Any]], note: Callable[[bool | None], None]
    ) -> dict[str, Any] | None:
        """The answer to a write; `note` is told whether it was done, None when nobody knows.

        A refusal is a fault, because nobody here does what is not allowed.
        """
        try:
            answer = await work
        except Refused as refusal:
            self.faults.append(f"{what} was refused: {refusal}")
            note(False)
            return None
        except GaveUp as silence:
            self.faults.append(f"{what} was never answered: {silence}")
            note(None)
            return None
        note(True)
        self.done[what] += 1
        return answer

    async def connect(self, stack: AsyncExitStack, tasks: TaskSet) -> None:
        """Open websockets for every other person."""
        for number, person in enumerate(self.people[::2]):
            live = open_live(person, by_ticket=number % 2 == 0, tasks=tasks)
            self.lives[person.user_id] = await stack.enter_async_context(live)
