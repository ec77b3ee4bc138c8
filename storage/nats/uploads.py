"""`NatsUploads`: news of stored uploads, from the object store to any node, and on to the author's.

The object store publishes its events to one subject, which a stream captures. The server hands each to one
of the nodes that listen, again to another where it is not acknowledged. That node looks up whose upload it
is and passes the news on into the inbox of the author's shard.

Events of other objects are passed over. What no node can do anything with is laid aside after some tries;
the sweep finds the upload all the same.
"""

from collections.abc import Sequence

import msgspec
from nats.aio.msg import Msg

from actors.media import source_name
from actors.ports.ingest import StoredUpload, Taker
from sharding.errors import KinoraError
from sharding.ids import parse_id
from sharding.shards import shard_of
from storage.nats.chores import Chores
from storage.nats.connection import Connection
from storage.nats.dead import DeadLetters
from storage.nats.inbox import Inbox
from storage.nats.names import Names
from storage.nats.outgoing import Outgoing
from storage.nats.settings import NatsSettings
from storage.nats.streams import TAKERS
from storage.stored_events import parse_stored

#: Where the count of deliveries stands in the subject that a message is acknowledged on, from its end.
_DELIVERIES = -5


class NatsUploads:
    """Fills `actors.ports.ingest.UploadFeed`."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        outgoing: Outgoing,
        inbox: Inbox,
        dead: DeadLetters,
        chores: Chores,
        settings: NatsSettings,
    ) -> None:
        self._connection = connection
        self._names = names
        self._outgoing = outgoing
        self._inbox = inbox
        self._dead = dead
        self._chores = chores
        self._settings = settings
        self._taker: Taker | None = None
        #: Uploads that a taker has taken here, and tries that failed.
        self.taken = self.failures = 0

    def take_by(self, taker: Taker) -> None:
        """Call `taker` with every upload that comes here, until it returns."""
        self._taker = self._inbox.taker = taker
        heard = self._connection.hear(self._names.takers(), self._heard, queue=TAKERS)
        self._chores.begin(heard, name="uploads")

    async def pass_on(self, upload: StoredUpload) -> None:
        """Hand `upload` to the node that follows its author's shard.

        Raises:
            StorageUnavailable: unknown whether it was taken; repeat, or leave it to the sweep.
        """
        await self._outgoing.put({shard_of(upload.author_id): [upload]})

    def _heard(self, message: Msg) -> None:
        self._chores.begin(self._take(message), name="upload")

    async def _take(self, message: Msg) -> None:
        taker = self._taker
        if taker is None:
            return
        try:
            for upload in uploads_in(message.data):
                await taker(upload)
                self.taken += 1
        except Exception as error:
            self.failures += 1
            answer = await self._verdict(message, error)
        else:
            answer = b"+ACK"
        try:
            await self._connection.send(message.reply, answer)
        except KinoraError:
            # It comes again; takers bear copies.
            self.failures += 1

    async def _verdict(self, message: Msg, error: Exception) -> bytes:
        """What the server is told of a message that failed."""
        tries = _deliveries(message)
        if tries >= self._settings.uploads_max_tries and not isinstance(error, KinoraError):
            try:
                await self._dead.bury("upload", message.subject, message.data, repr(error))
                return b"+TERM"
            except KinoraError:
                pass
        pause_s = min(
            self._settings.retry_first_s * 2 ** min(tries, 16), self._settings.retry_longest_s
        )
        return b"-NAK " + msgspec.json.encode({"delay": round(pause_s * 1e9)})

    def __repr__(self) -> str:
        return f"<NatsUploads taken={self.taken} failures={self.failures}>"


def uploads_in(event: bytes) -> Sequence[StoredUpload]:
    """The uploads that an event of the object store tells of; none for anything else."""
    found = []
    for stored in parse_stored(event):
        parts = stored.name.split("/")
        video_id = parse_id(parts[1]) if len(parts) > 1 else None
        if video_id is not None and stored.name == source_name(video_id):
            found.append(StoredUpload(video_id=video_id, size_bytes=stored.size_bytes))
    return found


def _deliveries(message: Msg) -> int:
    parts = message.reply.split(".")
    try:
        return int(parts[_DELIVERIES])
    except (IndexError, ValueError):
        return 1
