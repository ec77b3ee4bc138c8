"""One closed account in one crowded shard: each follower lets go of it, and of nobody else."""

from __future__ import annotations

import asyncio
from itertools import permutations

import msgspec

from actors.messages import DeleteAccount, FollowUser, GetUser, Register
from storage.embedded.database import MEMORY, open_database
from storage.embedded.runners import InlineRunner
from tests.support.process import CrowdedMint
from tests.support.simulation import Mutation, Scale, World
from tests.support.virtual_loop import VirtualTimeLoop


def test_followers_in_one_shard_lose_who_left_and_nobody_else():
    loop = VirtualTimeLoop(1)
    world = World(0, loop, Scale(crashes=0), Mutation())
    world.calm = True
    world.shards = world.shards[:1]
    try:
        assert loop.run_until_complete(farewell(world)) == [(2, 3), (3, 2)]
    finally:
        for process in world.dead:
            process.life.bury()
        loop.close()


async def farewell(world: World) -> list[tuple[int, int]]:
    """Users 2, 3 and 4 follow 1; 2 and 3 each other as well; 1 leaves. Who is then told to follow whom."""
    async with open_database(MEMORY, InlineRunner(delay=world.step)) as world.database:
        process = world.start()
        await asyncio.sleep(3.0)
        mint = CrowdedMint(900, world.clock, world.shards)
        users = {number: mint.mint() for number in (1, 2, 3, 4)}
        for number, user in users.items():
            register = Register(
                username=f"user{number}", display_name="", password_hash="-", family_id=number
            )
            await world.ask(user, register)
        for one, other in ((2, 1), (3, 1), (4, 1), (2, 3), (3, 2)):
            follow = FollowUser(user_id=users[other], following=True)
            await world.ask(users[one], follow, session=one)
        world.crash(process)
        await asyncio.sleep(3.0)
        await world.ask(users[1], DeleteAccount(credential_version=1), session=1)
        await asyncio.sleep(20.0)
        left = []
        for one, other in permutations((2, 3, 4), 2):
            told = await world.ask(users[one], GetUser(user_id=users[other]), session=one)
            if msgspec.json.decode(told)["viewer"]["follow"] == "following":
                left.append((one, other))
        for each in list(world.processes):
            each.die()
            world.dead.append(each)
        await world.tasks.close()
        world.bus.close()
        assert not world.history.complaints
        return left
