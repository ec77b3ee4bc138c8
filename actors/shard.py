"""One owned shard: how the turns of its actors become durable, in order, and then known.

    turn → batch → commit ──────────→ land ────────────────→ relay
                   (shard store,      (facts; replies leave,  (bus, jobs, blobs)
                    past the fence)    caches are told)

A commit carries what all turns since the last one changed: while one is under way the next gathers, so the
busier a shard, the fewer commits an operation costs. With the state it stores the *intent* (every row to
write, stamped) and the outbox, so that whoever owns the shard next finishes what was begun. A reply leaves
when its rows have landed, never before (output gate, after Cloudflare's Durable Objects); then the events.

A store that does not answer is asked again with the very same commit, which the fence accepts once. A fence
that refuses ends this object: it forgets everything, and whoever waited is told that the outcome is unknown.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from actors.batch import OUTGOING, ROWS, Batch, ShardStatistics
from actors.collaborators import Collaborators
from actors.hints import hints_of
from actors.line import Line
from actors.mailbox import MailboxBudget
from actors.ports.bus import Envelope
from actors.ports.shard_store import (
    Commit,
    Intent,
    KeptAnswer,
    Link,
    Refused,
    ShardHead,
)
from actors.recent import RecentCommits
from actors.relay import Relay
from actors.rows import StampedRow
from actors.turn import Turn
from sharding.errors import Overloaded, StorageUnavailable, Unavailable
from sharding.fence import first_timestamp
from sharding.shards import shard_of


class OwnedShard:
    """A shard that this node may write, as far as it knows."""

    def __init__(
        self,
        number: int,
        head: ShardHead,
        collaborators: Collaborators,
        on_lost: Callable[["OwnedShard"], None],
    ) -> None:
        self.number = number
        self.epoch = head.fence.epoch
        self.owner = head.fence.owner
        self.lost = False
        #: When its lease is over, on the monotonic clock.
        self._sure_until = 0.0
        #: Done when the rows that a former owner promised have landed; actors are loaded after it.
        self.recovered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        settings = collaborators.settings
        self.budget = MailboxBudget(
            max_messages=settings.shard_mailbox_capacity, max_bytes=settings.shard_mailbox_bytes
        )
        self._with = collaborators
        self._on_lost = on_lost
        self._sequence = head.fence.sequence
        self._timestamp = max(first_timestamp(self.epoch), head.fence.timestamp_high)
        self._number = max(
            *(intent.number for intent in head.intents),
            *(entry.number for entry in head.outbox),
            0,
            0,
        )
        self._sent = {link.peer: link for link in head.sent}
        self._received = {link.peer: link for link in head.received}
        self._waiting: deque[Batch] = deque()
        self._latest: Batch | None = None
        self._committing = False
        self._landed: list[int] = []
        self._relayed: list[int] = []
        self._backlog = 0
        self._commits = 0
        self._operations = 0
        self._replayed = 0
        self._recent = RecentCommits(
            collaborators.clock, max_age_s=settings.recent_s, max_bytes=settings.recent_bytes
        )
        self._landing: Line[Batch] = Line(f"land-{number}", self._land, collaborators.tasks)
        self._relay = Relay(
            number,
            collaborators,
            persist=self._persist,
            on_taken=lambda entry: self._relayed.append(entry),
            on_done=self._finish,
        )

    # Whose it is.

    def leased(self, asked_at: float) -> None:
        """A lease was given or prolonged, having been asked for at `asked_at`."""
        self._sure_until = asked_at + self._with.settings.lease_ms / 1000

    @property
    def unsure(self) -> bool:
        """Whether its lease is over and the store has not answered since: somebody else may own it by now."""
        return self._with.clock.monotonic() >= self._sure_until

    # How turns get in.

    def admit(self) -> None:
        """Let one more command in.

        Raises:
            Overloaded: too much is under way; nothing was done.
            Unavailable: the shard was lost; nothing was done.
        """
        if self.lost:
            raise Unavailable("The owner of this user has just changed.", executed=False)
        node = self._with.backlog
        if self._backlog >= self._with.settings.shard_backlog or node.count >= node.limit:
            raise Overloaded("Too many writes are under way.")

    def submit(
        self, turn: Turn, *, answer: KeptAnswer | None = None, received: Link | None = None
    ) -> Batch:
        """Add what a turn changed to the batch that gathers; runs at once, nothing is awaited."""
        batch = self._gather()
        batch.operations += 1
        self._backlog += 1
        self._with.backlog.count += 1
        for write in turn.writes:
            batch.writes[write.entity, write.part] = write
        if answer is not None:
            batch.answers.append(answer)
        if turn.rows:
            stamped = tuple(StampedRow(row, self._next_timestamp()) for row in turn.rows)
            batch.rows.extend(stamped)
            batch.intents.append(Intent(number=self._next_number(), rows=ROWS.encode(stamped)))
        for to, event in turn.events:
            for target, entities in _by_shard(to).items():
                before = self._sent.get(target)
                link = self._next_link(target, before)
                batch.sent[target] = self._sent[target] = link
                envelope = Envelope(
                    source=self.number,
                    target=target,
                    epoch=link.epoch,
                    number=link.number,
                    after=(before.epoch, before.number) if before else (0, 0),
                    to=entities,
                    event=event,
                )
                batch.outgoing.append((self._next_number(), envelope))
        for errand in turn.errands:
            batch.outgoing.append((self._next_number(), errand))
        if received is not None:
            batch.received[received.peer] = self._received[received.peer] = received
        batch.broadcasts.extend(turn.broadcasts)
        batch.frames.extend(turn.frames)
        return batch

    def last_received(self, source: int) -> tuple[int, int]:
        """Epoch and number of the last event from `source` that a turn has taken."""
        link = self._received.get(source)
        return (link.epoch, link.number) if link else (0, 0)

    async def barrier(self) -> None:
        """Return when everything submitted so far is committed."""
        if self._latest is not None:
            await asyncio.shield(self._latest.committed)

    def tidy(self) -> None:
        """Have the store forget intents that landed and events that were taken over, if it is quiet."""
        self._recent.trim()
        if (self._landed or self._relayed) and not self._committing and not self.lost:
            self._gather()

    # How they become durable.

    def _gather(self) -> Batch:
        if self._waiting and self._waiting[-1].operations < self._with.settings.commit_max_ops:
            return self._waiting[-1]
        batch = self._latest = Batch()
        self._waiting.append(batch)
        if not self._committing:
            self._committing = True
            self._with.tasks.spawn(self._commit_waiting(), name=f"commit-{self.number}")
        return batch

    async def _commit_waiting(self) -> None:
        try:
            while self._waiting and not self.lost:
                await self._commit(self._waiting.popleft())
        finally:
            self._committing = False

    async def _commit(self, batch: Batch) -> None:
        landed, self._landed = self._landed, []
        relayed, self._relayed = self._relayed, []
        commit = Commit(
            shard=self.number,
            epoch=self.epoch,
            owner=self.owner,
            sequence=self._sequence,
            timestamp_high=self._timestamp,
            writes=tuple(batch.writes.values()),
            answers=tuple(batch.answers),
            intents=tuple(batch.intents),
            outbox=batch.outbox(),
            sent=tuple(batch.sent.values()),
            received=tuple(batch.received.values()),
            landed=tuple(landed),
            relayed=tuple(relayed),
        )
        try:
            await self._persist(lambda: self._offer(commit))
        except Exception as error:
            self._fail(batch, str(error))
            self.lose(str(error))
            if not isinstance(error, Refused | StorageUnavailable):
                raise
            return
        self._recent.note(commit)
        self._sequence += 1
        self._commits += 1
        self._operations += batch.operations
        batch.committed.set_result(None)
        for connection, seq, frame in batch.frames:
            if frame is None:
                self._with.sockets.end(connection)
            else:
                self._with.sockets.deliver(connection, seq, frame)
        self._landing.put(batch)

    async def _offer(self, commit: Commit) -> None:
        """Commit; a lease that merely ran out, while nobody else took the shard, is renewed first, and a store
        that came back with less than we committed is told again.
        """
        clock, store = self._with.clock, self._with.store
        try:
            await store.commit(commit, now_ms=clock.unix_ms())
        except Refused as refused:
            if refused.refusal == "lease_over":
                until = clock.unix_ms() + self._with.settings.lease_ms
                if not await store.renew((self.number,), owner=self.owner, lease_until_ms=until):
                    raise
            elif refused.refusal == "out_of_sequence":
                await self._replay(refused)
            else:
                raise
            await store.commit(commit, now_ms=clock.unix_ms())

    async def _replay(self, refused: Refused) -> None:
        """Offer again what the store has lost.

        Raises:
            Refused: it lost more than is remembered here.
        """
        missing = self._recent.since(refused.fence.sequence)
        if missing is None:
            raise refused
        for commit in missing:
            await self._with.store.commit(commit, now_ms=self._with.clock.unix_ms())
            self._replayed += 1

    async def _land(self, batch: Batch) -> None:
        if batch.rows:
            try:
                await self._persist(lambda: self._with.facts.write(batch.rows))
            except Exception as error:
                # Whoever owns the shard next has the intent and lands the rows.
                self._fail(batch, str(error))
                self.lose(str(error))
                if not isinstance(error, StorageUnavailable):
                    raise
                return
            self._landed.extend(intent.number for intent in batch.intents)
        if not batch.landed.done():
            batch.landed.set_result(None)
        for broadcast in batch.broadcasts:
            self._with.bus.broadcast(broadcast)
        self._relay.put(batch)

    def _finish(self, batch: Batch) -> None:
        batch.release()
        self._backlog -= batch.operations
        self._with.backlog.count -= batch.operations

    def _fail(self, batch: Batch, context: str) -> None:
        """Tell whoever waits that the outcome is unknown."""
        batch.fail(
            Unavailable("The owner of this user changed while it was done.", context=context)
        )
        self._finish(batch)

    async def _persist(self, call: Callable[[], Awaitable[None]]) -> None:
        """Repeat `call` until the store behind it answers; all of them are safe to repeat."""
        pause = self._with.settings.retry_first_s
        while True:
            try:
                await call()
                return
            except StorageUnavailable:
                if self.lost:
                    raise
                await self._with.clock.sleep(pause)
                pause = min(pause * 2, self._with.settings.retry_longest_s)

    # Beginning and end.

    async def recover(self, head: ShardHead) -> None:
        """Finish what a former owner began: write the rows that it promised, pass its events on."""
        batch = Batch()
        batch.committed.set_result(None)
        batch.intents = list(head.intents)
        for intent in head.intents:
            batch.rows.extend(ROWS.decode(intent.rows))
        batch.outgoing = [(entry.number, OUTGOING.decode(entry.payload)) for entry in head.outbox]
        batch.broadcasts = [each for row in batch.rows for each in hints_of(row.row)]
        if batch.intents or batch.outgoing:
            self._latest = batch
            self._landing.put(batch)
            await asyncio.wait((batch.landed,))
        if not self.recovered.done():
            self.recovered.set_result(None)

    def lose(self, context: str) -> None:
        """Forget everything: somebody else owns this shard, or the store does not know us."""
        if self.lost:
            return
        self.lost = True
        for each in self._waiting:
            self._fail(each, context)
        self._waiting.clear()
        if not self.recovered.done():
            self.recovered.set_result(None)
        self._on_lost(self)

    @property
    def quiet(self) -> bool:
        """Whether everything submitted has been committed, has landed and was relayed."""
        return not (self._committing or self._waiting) and (self._landing.idle and self._relay.idle)

    def statistics(self) -> ShardStatistics:
        """What this shard did and has under way."""
        return ShardStatistics(
            backlog=self._backlog,
            commits=self._commits,
            operations=self._operations,
            replayed=self._replayed,
        )

    def __repr__(self) -> str:
        return (
            f"<OwnedShard {self.number} epoch={self.epoch} sequence={self._sequence}"
            f" backlog={self._backlog} lost={self.lost}>"
        )

    def _next_timestamp(self) -> int:
        self._timestamp += 1
        return self._timestamp

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _next_link(self, target: int, before: Link | None) -> Link:
        number = before.number + 1 if before and before.epoch == self.epoch else 1
        return Link(peer=target, epoch=self.epoch, number=number)


def _by_shard(entities: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Entities by the shard that they live in."""
    shards: dict[int, list[int]] = {}
    for entity in entities:
        shards.setdefault(shard_of(entity), []).append(entity)
    return {shard: tuple(members) for shard, members in shards.items()}
