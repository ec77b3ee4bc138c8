"""One end of a link in a process of its own, for `tests.benchmarks.link`.

    python -m tests.benchmarks.link_end node    <address>    a door over an actor that always has its page ready
    python -m tests.benchmarks.link_end gateway <address>    a gateway that asks there
    python -m tests.benchmarks.link_end gateway here         a gateway whose node is in its own process

Everything is the product's own but for the actor, so that what is measured is the way there and back. A
gateway prints its port and its people's tokens, a node an empty line, as JSON; both serve until they are ended.
"""

import asyncio
import gc
import random
import socket
import sys
from collections.abc import Container
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import uvloop

from actors.links import opening
from actors.links.address import parse_address
from actors.links.door import NodeDoor
from actors.links.pushes import RemoteSockets
from actors.links.settings import CallerSettings, DoorSettings
from actors.links.wire import Hello
from actors.media_links import MediaLinks
from actors.messages import Caller, Message
from actors.ports.clock import SystemClock
from actors.tasks import TaskSet
from gateway.app import create_app
from gateway.deps import GatewayDeps
from gateway.fleet import FleetDeps, open_fleet
from gateway.keys import make_signing_keys
from gateway.server import open_server
from gateway.settings import GatewaySettings, Rate
from gateway.sockets import SocketRegistry
from sharding.ids import IdMint
from sharding.shards import SHARD_COUNT

#: Bytes of a page of ten cards.
PAGE_BYTES = 11_600
#: People that ask.
PEOPLE = 2_000
PAGE = b'{"items":[' + b" " * (PAGE_BYTES - 12) + b"]}"


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """What an end says when it serves."""

    port: int = 0
    tokens: tuple[str, ...] = ()


class ReadyPage:
    """An actor of everybody that has nothing to do."""

    owned: Container[int] = range(SHARD_COUNT)

    def ask_nowait(self, user_id: int, message: Message[Any], session: int) -> Any:
        """The page."""
        return PAGE

    async def ask(self, user_id: int, message: Message[Any], caller: Caller) -> Any:
        """The page."""
        return PAGE


async def serve_node(address: str, stack: AsyncExitStack, tasks: TaskSet) -> Started:
    """Open a door."""
    door = NodeDoor(
        Hello(name="node"),
        ReadyPage(),
        RemoteSockets(),
        lambda shard: None,
        DoorSettings(),
        clock=SystemClock(),
        tasks=tasks,
        alarm=alarm,
    )
    tasks.spawn(door.watch(), name="door")
    await stack.enter_async_context(opening.open_door(parse_address(address), door.enter))
    return Started()


async def serve_gateway(address: str, stack: AsyncExitStack, tasks: TaskSet) -> Started:
    """Open a gateway."""
    clock, dice = SystemClock(), random.Random(1)
    settings = GatewaySettings(requests_per_principal=Rate(per_s=1e6, burst=1_000_000))
    sockets = SocketRegistry(settings, clock, dice, name="gateway")
    node: Any = ReadyPage()
    if address != "here":
        node = await stack.enter_async_context(
            open_fleet(
                FleetDeps(
                    name="gateway",
                    nodes={"node": address},
                    connect=opening.connect,
                    sockets=sockets,
                    settings=CallerSettings(),
                    clock=clock,
                    tasks=tasks,
                    random=dice,
                )
            )
        )
    nothing: Any = None
    app = create_app(
        GatewayDeps(
            settings=settings,
            node=node,
            names=nothing,
            ids=IdMint(1, clock),
            keys=make_signing_keys(),
            policies=nothing,
            links=MediaLinks("http://media", b"k" * 32),
            encode_avatar=nothing,
            sockets=sockets,
            clock=clock,
            tasks=tasks,
            random=dice,
        )
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = await stack.enter_async_context(open_server(app, listener, settings))
    sign = app.ctx.edge.access.sign
    tokens = tuple(sign(1_000_003 * (at + 1), at + 1) for at in range(PEOPLE))
    return Started(port=server.address[1], tokens=tokens)


def alarm(name: str, error: BaseException) -> None:
    """Whatever fails here spoils the measurement."""
    print(f"{name}: {error!r}", file=sys.stderr)


async def main(role: str, address: str) -> None:
    """Serve until ended."""
    async with AsyncExitStack() as stack:
        tasks = TaskSet(alarm)
        stack.push_async_callback(tasks.close)
        serve = serve_node if role == "node" else serve_gateway
        started = await serve(address, stack, tasks)
        gc.collect()
        gc.freeze()
        print(msgspec.json.encode(started).decode(), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
