"""Every bound holds when it is overrun: what is beyond it is refused or let go, never kept."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from actors.mailbox import MailboxFull
from actors.messages import Caller, GetFeed, LikeVideo
from actors.settings import UserLimits
from ops.processes import Serving
from sharding.errors import KinoraError, Overloaded
from tests.support.people import People, open_people
from tests.support.product import (
    ROOT,
    environment,
    eventually,
    open_product,
    settings_for,
)
from tests.support.product_town import Town, build

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Users that are awake at the same time, and what they may cost in all, in bytes (DESIGN: one small machine).
AWAKE = 10_000
MOST_BYTES = 250_000_000

#: Bounds that are small enough to be overrun in a moment.
ACTORS, CARDS, MAILBOX = 40, 25, 8


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Town]:
    data = tmp_path_factory.mktemp("bounds") / "data"
    async with open_product(data) as first:
        facts, mint = first.product.stores.facts.writer, first.product.gateway.ids
        return data, await build(facts, mint, authors=10, videos=120, users=120, follows=2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(town: tuple[Path, Town]) -> AsyncIterator[Serving]:
    data, _ = town
    settings = settings_for(
        data,
        KINORA_ACTORS_MAX_ACTORS=str(ACTORS),
        KINORA_ACTORS_MAILBOX_CAPACITY=str(MAILBOX),
        KINORA_FEED_CARDS=str(CARDS),
    )
    async with open_product(data, settings) as running:
        yield running


def caller(town: Town, user: int, number: int = 0) -> Caller:
    return Caller(
        session=town.sessions[user], op_id=user.to_bytes(8, "big") + number.to_bytes(8, "big")
    )


async def test_more_users_than_fit_push_out_those_who_rest(small: Serving, town: tuple[Path, Town]):
    runtime = small.product.node.runtime
    for user in town[1].users:
        await eventually(lambda user=user: _page(small, town[1], user))
        assert runtime.statistics().actors <= ACTORS
    assert runtime.statistics().passivations >= len(town[1].users) - ACTORS
    again = await _page(small, town[1], town[1].users[0])
    assert again, "who was let go comes back"


async def _page(serving: Serving, town: Town, user: int) -> bytes:
    """A page of a feed; empty when there is no room just now, which must be said as such."""
    try:
        return await serving.product.node.runtime.ask(user, GetFeed(limit=3), caller(town, user))
    except Overloaded as full:
        if full.executed is not False:
            raise
        return b""


async def test_cards_beyond_the_cache_are_let_go_and_read_again(
    small: Serving, town: tuple[Path, Town]
):
    node, user = small.product.node, town[1].users[1]
    cursor: str | None = None
    shown: set[str] = set()
    while True:
        message = GetFeed(cursor=cursor, limit=10)
        page = msgspec.json.decode(await node.runtime.ask(user, message, caller(town[1], user)))
        shown |= {each["video_id"] for each in page["items"]}
        statistics = node.library.cards.statistics()
        assert statistics.entries <= CARDS == statistics.capacity
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(shown) == len(town[1].videos), "none was missing for want of room"
    assert node.library.cards.statistics().evicted > 0


async def test_a_full_mailbox_refuses_and_says_that_nothing_was_done(
    small: Serving, town: tuple[Path, Town]
):
    """The actor is stuck on something that it must fetch; whoever comes meanwhile waits, up to the bound."""
    runtime, user = small.product.node.runtime, town[1].users[2]
    assert await eventually(lambda: _page(small, town[1], user))
    cell = runtime.cells[user]
    cell.busy = True
    sent = 4 * MAILBOX
    asked = [
        asyncio.create_task(
            runtime.ask(
                user,
                LikeVideo(video_id=town[1].videos[number][1], liked=True),
                caller(town[1], user, number),
            )
        )
        for number in range(sent)
    ]
    await eventually(lambda: sum(each.done() for each in asked) >= sent - MAILBOX)
    assert cell.mailbox is not None
    assert len(cell.mailbox) == MAILBOX
    refusals = [each.exception() for each in asked if each.done()]
    assert len(refusals) == sent - MAILBOX
    assert all(isinstance(each, MailboxFull) and each.executed is False for each in refusals)
    cell.busy = False
    cell._work(cell.mailbox.get_nowait())
    done = await asyncio.gather(*(each for each in asked if not each.done()))
    assert len(done) == MAILBOX
    assert runtime.statistics().mailboxes_waiting == 0


async def test_a_deadline_that_passes_in_the_mailbox_means_not_executed(
    small: Serving, town: tuple[Path, Town]
):
    runtime, user = small.product.node.runtime, town[1].users[3]
    assert await eventually(lambda: _page(small, town[1], user))
    cell = runtime.cells[user]
    cell.busy = True
    soon = msgspec.structs.replace(
        caller(town[1], user, 1), deadline=asyncio.get_running_loop().time() + 0.05
    )
    with pytest.raises(KinoraError) as late:
        await runtime.ask(user, LikeVideo(video_id=town[1].videos[0][1], liked=True), soon)
    assert (late.value.code, late.value.executed) == ("deadline_exceeded", False)
    cell.busy = False
    cell._work(cell.mailbox.get_nowait() if cell.mailbox else None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def few_sessions(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[People]:
    data = tmp_path_factory.mktemp("sessions") / "data"
    settings = settings_for(data)
    settings = replace(settings, limits=replace(settings.limits, sessions=3))
    async with open_product(data, settings) as running, open_people(running.ports.url) as everybody:
        yield everybody


async def test_one_sign_in_too_many_ends_the_oldest(few_sessions: People):
    oldest = await few_sessions.join("signer")
    devices = [oldest, *[await oldest.sign_in() for _ in range(2)]]
    for device in devices:
        assert (await device.ask("GET", "/user/me")).status == 200
    newest = await oldest.sign_in()
    statuses = [(await each.ask("GET", "/user/me")).status for each in (*devices, newest)]
    assert statuses == [401, 200, 200, 200]
    gone = await few_sessions.ask("POST", "/auth/refresh", {"refresh_token": oldest.refresh})
    assert gone.status == 401
    assert UserLimits().sessions == 20


async def test_ten_thousand_users_are_awake_in_one_small_process(tmp_path: Path):
    words = (sys.executable, "-m", "tests.support.product_memory")
    said = b""
    for more in (("build", str(tmp_path / "town"), str(AWAKE)), ("wake", str(tmp_path / "town"))):
        process = await asyncio.create_subprocess_exec(
            *words, *more, cwd=ROOT, env=environment(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(110):
            said, _ = await process.communicate()
        assert process.returncode == 0
    cost = msgspec.json.decode(said.splitlines()[-1])
    print(f"\n{AWAKE} users: {cost}, {cost['resident'] / 2**20:.0f} MiB")
    # A sweep that came by meanwhile has woken a few videos beside them.
    assert cost["actors"] >= cost["users"] == AWAKE
    assert (cost["playlist"], cost["seen"]) == (200, 50)
    assert cost["resident"] < MOST_BYTES, cost
