"""The inbox is a cache: whatever happens to it between two pages, the following feed is what facts say."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import chain
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from actors.messages import Caller, GetFeed
from actors.runtime import Runtime
from actors.user.actor import UserActor
from actors.user.following import forget_inbox
from ops.processes import Serving
from ops.settings import Settings
from tests.support.product import eventually, open_product, settings_for
from tests.support.product_town import Town, build

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Of an inbox in these tests; much less than what is followed, so that pages reach below its end.
INBOX = 20
PAGE = 7


def small(data: Path) -> Settings:
    return settings_for(data, KINORA_FEED_INBOX=str(INBOX))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("town") / "data"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(data: Path) -> Town:
    async with open_product(data, small(data)) as first:
        facts = first.product.stores.facts.writer
        return await build(
            facts, first.product.gateway.ids, authors=6, videos=90, users=8, follows=4
        )


@pytest_asyncio.fixture(loop_scope="module")
async def serving(data: Path, town: Town) -> AsyncIterator[Serving]:
    # Opened after the rows were there, as after any start.
    async with open_product(data, small(data)) as running:
        yield running


def followed(town: Town, user: int) -> list[int]:
    """What a user's following feed must be."""
    number = town.users.index(user)
    authors = {town.authors[(number + each) % len(town.authors)] for each in range(4)}
    return town.newest(authors)


async def page(
    runtime: Runtime, town: Town, user: int, cursor: str | None
) -> tuple[list[int], str | None]:
    message = GetFeed(tab="following", cursor=cursor, limit=PAGE)
    raw = await runtime.ask(user, message, Caller(session=town.sessions[user]))
    said = msgspec.json.decode(raw)
    return [int(each["video_id"]) for each in said["items"]], said["next_cursor"]


async def scroll(
    runtime: Runtime, town: Town, user: int, between: Callable[[], Awaitable[None]]
) -> list[list[int]]:
    """All pages, with something happening before each of them."""
    pages: list[list[int]] = []
    cursor: str | None = None
    while True:
        await between()
        ids, cursor = await page(runtime, town, user, cursor)
        pages.append(ids)
        if cursor is None:
            return pages
        assert len(pages) < 50


def actor_of(runtime: Runtime, user: int) -> UserActor:
    actor = runtime.cells[user].actor
    assert isinstance(actor, UserActor)
    return actor


async def nothing() -> None:
    return None


async def test_the_following_feed_is_complete_and_newest_first(serving: Serving, town: Town):
    runtime = serving.product.node.runtime
    for user in town.users:
        pages = await scroll(runtime, town, user, nothing)
        assert list(chain.from_iterable(pages)) == followed(town, user)
        assert len(followed(town, user)) > 2 * INBOX, "it must reach below the inbox"


async def test_deleting_an_inbox_changes_no_page(serving: Serving, town: Town):
    runtime, user = serving.product.node.runtime, town.users[0]
    expected = await scroll(runtime, town, user, nothing)

    async def forget() -> None:
        if user in runtime.cells:
            forget_inbox(actor_of(runtime, user).user)

    assert await scroll(runtime, town, user, forget) == expected


async def test_letting_actors_go_between_pages_changes_no_page(serving: Serving, town: Town):
    runtime, user = serving.product.node.runtime, town.users[1]
    expected = await scroll(runtime, town, user, nothing)

    async def passivate() -> None:
        runtime.tick()
        await eventually(lambda: runtime.cells.passivate(user), what="the actor to be idle")

    assert await scroll(runtime, town, user, passivate) == expected


async def test_restarts_between_pages_change_no_page(data: Path, town: Town):
    user, cursor = town.users[2], None
    shown: list[int] = []
    while True:
        async with open_product(data, small(data)) as running:
            runtime = running.product.node.runtime
            for _ in range(3):
                ids, cursor = await page(runtime, town, user, cursor)
                shown += ids
                if cursor is None:
                    break
        if cursor is None:
            break
    assert shown == followed(town, user)
