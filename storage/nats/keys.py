"""`KeyWatch`: every entry of a stream that keeps only the newest of each subject, as it changes.

Changes are heard from the server after they were stored; the whole is read after each connection and now and
then, since what is heard can be missed. Entries may come twice and late: whoever is told keeps the number of
each and ignores what is older.
"""

from collections.abc import Callable

from nats.aio.msg import Msg

from storage.nats.connection import Connection
from storage.nats.log import Log, Stored, heard
from storage.nats.names import Names, last_token

#: Told of an entry: the last part of its subject, its number, its bytes.
Told = Callable[[str, int, bytes], None]
#: Told that numbers begin anew, as the stream is another than before.
Anew = Callable[[], None]


class KeyWatch:
    """One stream, watched."""

    def __init__(
        self,
        connection: Connection,
        log: Log,
        stream: str,
        subject: str,
        heard_as: str,
        told: Told,
        anew: Anew,
    ) -> None:
        self._connection = connection
        self._log = log
        self._stream = stream
        self._subject = subject
        self._heard_as = heard_as
        self._told = told
        self._anew = anew
        self._life: str | None = None
        #: Whether everything has been read once.
        self.complete = False

    @classmethod
    def of(
        cls, names: Names, connection: Connection, log: Log, told: Told, anew: Anew, *, jobs: bool
    ) -> "KeyWatch":
        """The watch over all jobs, or over the whole table."""
        subject = names.job("*") if jobs else names.key("*")
        stream = names.jobs if jobs else names.table
        return cls(connection, log, stream, subject, names.heard(subject), told, anew)

    async def open(self) -> None:
        """Hear changes, on this connection and every later one."""
        await self._connection.hear(self._heard_as, self._heard)

    async def read(self) -> set[str]:
        """Tell of everything that lies there; its keys.

        Raises:
            StorageUnavailable: not everything was read.
        """
        life = await self._log.life(self._stream)
        if self._life is not None and life != self._life:
            self._anew()
        self._life = life
        keys: set[str] = set()
        after, complete = 0, False
        while not complete:
            entries, complete = await self._log.read(self._stream, self._subject, after)
            for entry in entries:
                after = entry.seq
                keys.add(last_token(entry.subject))
                self._tell(entry)
            complete = complete or not entries
        self.complete = True
        return keys

    def _heard(self, message: Msg) -> None:
        try:
            entry = heard(message)
        except (KeyError, ValueError):
            # Not from the server itself: what counts lies in the stream.
            return
        self._tell(entry)

    def _tell(self, entry: Stored) -> None:
        self._told(last_token(entry.subject), entry.seq, entry.data)
