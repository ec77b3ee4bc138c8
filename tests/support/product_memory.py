"""A process of its own that wakes many users and says what that costs.

    python -m tests.support.product_memory build FOLDER USERS
    python -m tests.support.product_memory wake FOLDER

It imports what the real product imports and holds what the real product holds, on a real data folder, so the
figure is the one that an operator would see; the second call never held what the first one wrote. It prints
one JSON object.
"""

import asyncio
import gc
import sys
from pathlib import Path

import msgspec

from actors.messages import Caller, GetFeed
from ops.processes import Serving
from tests.support.product import eventually, open_product
from tests.support.product_town import Town, build

#: What there is to see, and who made it.
VIDEOS = 1_000
AUTHORS = 200
#: How each user scrolls: asking for the last page makes those before it seen.
PAGES = (25, 25, 10)
#: Users that scroll at the same time.
TOGETHER = 50


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    users: int
    actors: int
    cards: int
    playlist: int
    seen: int
    #: Resident bytes of the process before the first user came, and with all of them.
    before: int
    resident: int
    peak: int


async def make(folder: Path, users: int) -> None:
    """Write a town with that many users."""
    async with open_product(folder) as first:
        facts, mint = first.product.stores.facts.writer, first.product.gateway.ids
        town = await build(facts, mint, authors=AUTHORS, videos=VIDEOS, users=users, follows=3)
    (folder / "town").write_bytes(msgspec.msgpack.encode(town))


async def measure(folder: Path) -> Cost:
    """Wake everybody in a town and have each of them scroll."""
    town = msgspec.msgpack.decode((folder / "town").read_bytes(), type=Town)
    async with open_product(folder) as serving:
        gc.collect()
        before = resident()
        await _everybody(serving, town)
        gc.collect()
        node = serving.product.node
        await eventually(lambda: node.runtime.quiet, what="everything to be written")
        some = [node.runtime.cells[each].actor for each in town.users[::100]]
        return Cost(
            users=len(town.users),
            actors=node.runtime.statistics().actors,
            cards=node.library.cards.statistics().entries,
            playlist=min(len(each.user.playlist) for each in some),  # type: ignore[union-attr]
            seen=min(len(each.user.seen) for each in some),  # type: ignore[union-attr]
            before=before,
            resident=resident(),
            peak=status("VmHWM"),
        )


async def _everybody(serving: Serving, town: Town) -> None:
    runtime = serving.product.node.runtime

    async def scroll(user: int) -> None:
        cursor: str | None = None
        caller = Caller(session=town.sessions[user])
        for limit in PAGES:
            raw = await runtime.ask(user, GetFeed(cursor=cursor, limit=limit), caller)
            cursor = msgspec.json.decode(raw)["next_cursor"]

    for at in range(0, len(town.users), TOGETHER):
        async with asyncio.TaskGroup() as group:
            for user in town.users[at : at + TOGETHER]:
                group.create_task(scroll(user))


def resident() -> int:
    """Bytes of this process in memory."""
    return status("VmRSS")


def status(name: str) -> int:
    """A size of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


if __name__ == "__main__":
    if sys.argv[1] == "build":
        asyncio.run(make(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        cost = asyncio.run(measure(Path(sys.argv[2])))
        print(msgspec.json.encode(cost).decode())
