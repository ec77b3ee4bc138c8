"""Ownership: which shards this node may write, as far as it knows, and how it comes by them and lets go.

The fence beside the data decides; this only bids, renews and remembers. Bids, renewals and what a former owner
left are asked for a few neighbouring shards at a time, because those lie on one machine of the store: when one
machine does not answer, the shards of the others are had all the same.

A lease is counted on our own clock from before it was asked for. When it is over and the store has not
answered since, somebody else may own the shard: it is *unsure* and answers nobody until the store speaks.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from actors.batch import ShardStatistics
from actors.collaborators import Collaborators
from actors.ports.shard_store import Refused, ShardHead
from actors.shard import OwnedShard
from actors.tasks import Alarm
from sharding.errors import KinoraError, StorageUnavailable
from sharding.fence import Bid, next_epoch

#: Neighbouring shards in one call of the store: in Redis Cluster a sixty-fourth of all slots.
NEIGHBOURS = 16
#: Part of a lease for which a round of renewals waits for those that are slow.
_PATIENCE = 12


class Ownership:
    """The shards of one incarnation of a node."""

    def __init__(
        self,
        owner: str,
        collaborators: Collaborators,
        *,
        on_forgotten: Callable[[OwnedShard], None],
        alarm: Alarm,
    ) -> None:
        """`on_forgotten` is told of each shard that is owned no more, however that came."""
        self.owner = owner
        #: By number; the same object for ever, so that others may look into it.
        self.shards: dict[int, OwnedShard] = {}
        #: Shards in which an event may have been lost, so that all counts must be taken anew.
        self.dirty: set[int] = set()
        #: Shards that somebody else took, or that the store did not know any more.
        self.lost = 0
        self._with = collaborators
        self._settings = collaborators.settings
        self._on_forgotten = on_forgotten
        self._alarm = alarm
        #: Shards whose renewal, together with their neighbours or alone, has not been answered yet.
        self._renewing: set[int] = set()
        self._alone: set[int] = set()
        #: The last epoch of each shard here: a store that was wiped within a millisecond has forgotten it.
        self._epochs: dict[int, int] = {}
        #: What shards did that are not owned any more.
        self._past = ShardStatistics(backlog=0, commits=0, operations=0, replayed=0)

    async def acquire(self, shards: Sequence[int], *, proven_dead: Collection[str]) -> list[int]:
        """Become the owner of `shards` where the fence allows it; returns those that are owned now.

        Raises:
            StorageUnavailable: none could be had because the store does not answer.
        """
        bids = (self._acquire(members, proven_dead) for _, members in _neighbours(shards))
        results = await asyncio.gather(*bids, return_exceptions=True)
        owned: list[int] = []
        failure: StorageUnavailable | None = None
        for result in results:
            if isinstance(result, StorageUnavailable):
                failure = result
            elif isinstance(result, BaseException):
                raise result
            else:
                owned += result
        if failure is not None and not owned:
            raise failure
        return owned

    async def keep(self) -> None:
        """Renew all leases; to be called several times within the length of one.

        A machine of the store that is silent keeps nobody else waiting, neither in this call, which is over when
        it has waited for a while, nor in the next: neighbours whose last renewal is still under way may lie on
        two machines, and are asked for one by one.
        """
        renewals: list[tuple[int, ...]] = []
        for _, members in _neighbours(self.shards):
            together = tuple(members)
            if self._renewing.isdisjoint(together):
                renewals.append(together)
            else:
                renewals += [(number,) for number in together if number not in self._alone]
        tasks = [
            self._with.tasks.spawn(self._renew(numbers), name=f"renew {numbers[0]}")
            for numbers in renewals
        ]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.lease_ms / 1000 / _PATIENCE)

    async def _renew(self, numbers: Sequence[int]) -> None:
        shards = [self.shards[number] for number in numbers if number in self.shards]
        under_way = self._alone if len(numbers) == 1 else self._renewing
        under_way.update(numbers)
        asked_at = self._with.clock.monotonic()
        until = self._with.clock.unix_ms() + self._settings.lease_ms
        try:
            renewed = set(
                await self._with.store.renew(numbers, owner=self.owner, lease_until_ms=until)
            )
        except StorageUnavailable:
            # Not known; the next round asks again, and the shards know when their lease is over.
            return
        finally:
            under_way.difference_update(numbers)
        for shard in shards:
            if shard.number in renewed:
                shard.leased(asked_at)
            else:
                # Somebody else owns it; what is in memory of it must not be served any longer.
                shard.lose("its lease could not be renewed")

    async def give_up(self) -> None:
        """Seal every shard that is quiet, and forget them all."""

        async def seal(numbers: Sequence[int]) -> None:
            for number in numbers:
                await self._give_up(self.shards[number])

        await asyncio.gather(*(seal(members) for _, members in _neighbours(self.shards)))

    async def _give_up(self, shard: OwnedShard) -> None:
        if shard.quiet:
            try:
                await self._with.store.seal(shard.number, epoch=shard.epoch, owner=self.owner)
            except (Refused, KinoraError) as error:
                self._alarm(f"seal of {shard.number}", error)
        self._forget(shard)

    async def _acquire(self, shards: Sequence[int], proven_dead: Collection[str]) -> list[int]:
        """Bid for a few neighbours, and read what their last owner left."""
        clock, store = self._with.clock, self._with.store
        before = dict(zip(shards, await store.fences(shards), strict=True))
        asked_at, now = clock.monotonic(), clock.unix_ms()
        bids = [
            Bid(
                shard=shard,
                epoch=next_epoch(fence, intended=self._epochs.get(shard, 0), unix_ms=now),
                owner=self.owner,
                lease_until_ms=now + self._settings.lease_ms,
                proven_dead=fence.owner if fence.owner in proven_dead else None,
            )
            for shard, fence in before.items()
        ]
        results = zip(bids, await store.install(bids, now_ms=now), strict=True)
        accepted = [bid for bid, result in results if not isinstance(result, Refused)]
        heads = await asyncio.gather(*(store.open(bid.shard) for bid in accepted))
        owned: list[int] = []
        for bid, head in zip(accepted, heads, strict=True):
            if (head.fence.epoch, head.fence.owner) != (bid.epoch, self.owner):
                continue
            self._own(OwnedShard(bid.shard, head, self._with, self._lost), head, asked_at)
            if before[bid.shard].epoch == 0:
                # Its state is gone, and with it perhaps an event on its way.
                self.dirty.add(bid.shard)
            owned.append(bid.shard)
        if owned and self._with.follower is not None:
            self._with.follower.follow(owned)
        return owned

    def _own(self, shard: OwnedShard, head: ShardHead, asked_at: float) -> None:
        self.shards[shard.number] = shard
        self._epochs[shard.number] = shard.epoch
        shard.leased(asked_at)
        if head.intents or head.outbox:
            self._with.tasks.spawn(shard.recover(head), name=f"recover-{shard.number}")
        else:
            shard.recovered.set_result(None)

    def _lost(self, shard: OwnedShard) -> None:
        self.lost += 1
        self._forget(shard)

    def _forget(self, shard: OwnedShard) -> None:
        if self.shards.get(shard.number) is shard:
            del self.shards[shard.number]
            self.dirty.discard(shard.number)
            if self._with.follower is not None:
                self._with.follower.unfollow((shard.number,))
        done = msgspec.structs.replace(shard.statistics(), backlog=0)
        self._past = _sum((self._past, done))
        self._on_forgotten(shard)

    def statistics(self) -> ShardStatistics:
        """All shards together, those that were given up included."""
        return _sum((self._past, *(shard.statistics() for shard in self.shards.values())))

    def __repr__(self) -> str:
        return f"<Ownership {self.owner} shards={len(self.shards)} lost={self.lost}>"


def _sum(parts: Iterable[ShardStatistics]) -> ShardStatistics:
    parts = list(parts)
    return ShardStatistics(
        backlog=sum(each.backlog for each in parts),
        commits=sum(each.commits for each in parts),
        operations=sum(each.operations for each in parts),
        replayed=sum(each.replayed for each in parts),
    )


def _neighbours(shards: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
    """Groups of shards that lie together, by the number of the group."""
    for group, members in groupby(sorted(shards), lambda number: number // NEIGHBOURS):
        yield group, list(members)
