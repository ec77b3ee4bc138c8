"""SIGTERM while people are using it: every request that was sent is answered, and the end comes in time."""

import asyncio
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from tests.support.people import Person, open_people
from tests.support.product import ChildProduct, child_product, kinora, open_product

#: Connections that go on asking while it ends.
CLIENTS = 6
#: How long the end may take, in seconds: the notice, what runs, and closing what is open.
END_S = 8.0


@dataclass(slots=True)
class Client:
    """One keep-alive connection after another, by hand, so that no library repeats or hides anything."""

    port: int
    requests: list[bytes]
    answered: int = 0
    refused: int = 0
    told_to_close: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Ask until nobody listens any more."""
        at = 0
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                return
            request = b""
            try:
                going_on = True
                while going_on:
                    request = self.requests[at % len(self.requests)]
                    at += 1
                    writer.write(request)
                    await writer.drain()
                    going_on = await self._answer(reader, request)
            except (OSError, asyncio.IncompleteReadError) as error:
                # A connection that the kernel took and nobody ever accepted was not a request yet.
                self.failures.append(f"{request.split(b' HTTP')[0].decode()}: {error!r}")
                return
            finally:
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, request: bytes) -> bool:
        """Read one answer; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
        body = await reader.readexactly(length)
        if status < 300:
            self.answered += 1
        else:
            problem = orjson.loads(body)
            documented = status in (429, 503) and problem.get("executed") is False
            if documented:
                self.refused += 1
            else:
                self.failures.append(f"{request[:30]!r}: {status} {body!r}")
        closing = "connection: close" in head
        self.told_to_close += closing
        return not closing


def request_of(person: Person, method: str, path: str) -> bytes:
    """Raw bytes of a request without a body."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {person.access}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


@pytest.fixture
def product(tmp_path: Path) -> Iterator[ChildProduct]:
    # Above the default rates, so that the end is met by as many as a small machine can send.
    env = {"KINORA_GATEWAY_DRAIN_NOTICE_S": "0.5", "KINORA_LIMITS_LIKES_A_MINUTE": "100000"}
    with child_product(tmp_path / "data", env) as child:
        yield child


async def use_until_it_ends(product: ChildProduct, clip: Path) -> tuple[list[Client], float]:
    """Load, SIGTERM in the midst of it; the clients, and how long the end took."""
    async with open_people(product.url) as people:
        author = await people.join("author")
        video_id = await author.publish(clip)
        fans = [await people.join("fan") for _ in range(CLIENTS)]
    clients = [
        Client(
            product.port,
            [
                request_of(fan, "GET", "/feed"),
                request_of(fan, "POST", f"/video/{video_id}/like"),
                request_of(fan, "GET", "/feed?tab=following"),
                request_of(fan, "DELETE", f"/video/{video_id}/like"),
            ],
        )
        for fan in fans
    ]
    async with asyncio.timeout(60):
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.run())
            await asyncio.sleep(1.0)
            product.tell(signal.SIGTERM)
            began = time.monotonic()
        ended = await asyncio.to_thread(product.wait, 30)
    assert ended == 0, product.tail()
    return clients, time.monotonic() - began


def test_sigterm_under_load_ends_with_no_failed_request(product: ChildProduct, clip: Path):
    clients, took_s = asyncio.run(use_until_it_ends(product, clip))
    assert [each.failures for each in clients] == [[]] * CLIENTS
    assert all(each.answered > 20 for each in clients), clients
    assert all(each.told_to_close >= 1 for each in clients), "nobody was asked to go"
    assert took_s < END_S
    assert "Traceback" not in product.tail(400)
    found = kinora(product.data, "check")
    assert found.returncode == 0, found.stdout


def test_an_encoding_under_way_is_given_back_and_done_after_the_start(
    product: ChildProduct, longer_clip: Path
):
    async def begin() -> tuple[str, Person]:
        async with open_people(product.url) as people:
            author = await people.join("author")
            return await author.upload(longer_clip), author

    async def finish(video_id: str, author: Person) -> None:
        async with open_people(product.url) as people:
            author.people = people
            await author.wait_for(video_id)

    video_id, author = asyncio.run(begin())
    product.tell(signal.SIGTERM)
    assert product.wait(20) == 0
    product.start()
    asyncio.run(finish(video_id, author))


async def test_what_was_given_up_at_the_end_is_not_taken_back(tmp_path: Path):
    """The clock of the leases goes on until the very end, and must not mistake the end for a loss."""
    async with open_product(tmp_path / "data") as serving:
        node = serving.product.node
        await node.stop()
        await node._bid()
        assert node.runtime.statistics().shards == 0
        assert all(fence.sealed for fence in await serving.product.stores.shards.fences())
