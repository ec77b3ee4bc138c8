"""`Log`: the few requests to JetStream that everything else is made of, and how its answers are read.

A stream is used as a log of subjects: append at the end, read a subject from a number on, take the newest
entry of a subject, forget its beginning. There are no consumers here and so no state of readers at the
server: a thousand shards cost it nothing while they are silent.

Reads of many entries may be answered by any copy of the stream and may miss the newest; `last` is answered
by the leader.
"""

import asyncio
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec
from nats.aio.msg import Msg

from sharding.errors import StorageUnavailable
from storage.nats.connection import Connection, status_of
from storage.nats.errors import Refused, WrongRevision
from storage.nats.settings import NatsSettings

#: `wrong last sequence` among the server's error codes.
_WRONG_LAST = (10071, 10164)
#: `no message found`.
_NO_MESSAGE = 10037


class Stored(msgspec.Struct, frozen=True):
    """One entry of a stream."""

    subject: str
    seq: int
    #: The number of the entry before it under the same subject that still lay there; 0 for none.
    before: int
    data: bytes


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Receipt(msgspec.Struct):
    seq: int = 0
    error: _Error | None = None


class _Raw(msgspec.Struct):
    subject: str
    seq: int
    data: str = ""


class _Last(msgspec.Struct):
    message: _Raw | None = None
    error: _Error | None = None


_RECEIPTS = msgspec.json.Decoder(_Receipt)
_LASTS = msgspec.json.Decoder(_Last)


class Log:
    """The streams of one installation, by their names."""

    __slots__ = ("_connection", "_settings")

    def __init__(self, connection: Connection, settings: NatsSettings) -> None:
        self._connection = connection
        self._settings = settings

    async def begin_append(
        self, subject: str, payload: bytes, message_id: str | None
    ) -> "asyncio.Future[list[Msg]]":
        """Send an entry; `receipt` reads what the future gets."""
        headers = None if message_id is None else {"Nats-Msg-Id": message_id}
        return await self._connection.begin(subject, payload, headers)

    async def append(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str | None = None,
        revision: int | None = None,
        keep_s: float | None = None,
    ) -> int:
        """Add an entry and return its number.

        With `revision` only if that is the number of the subject's newest entry, 0 for none. It is
        forgotten after `keep_s`, by default when the stream's own bounds say so.

        Raises:
            WrongRevision: the subject's newest entry is another.
            StorageUnavailable: unknown whether it was added.
        """
        headers: dict[str, str] = {}
        if message_id is not None:
            headers["Nats-Msg-Id"] = message_id
        if revision is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(revision)
        if keep_s is not None:
            headers["Nats-TTL"] = f"{max(1, round(keep_s))}s"
        return receipt(await self._connection.ask(subject, payload, headers))

    async def read(self, stream: str, subject: str, after: int) -> tuple[list[Stored], bool]:
        """The next entries of `subject`, which may have wildcards; whether that were all.

        Raises:
            StorageUnavailable: unknown what lies there.
        """
        answers = await self._connection.ask_many(
            f"$JS.API.DIRECT.GET.{stream}",
            msgspec.json.encode(
                {
                    "seq": after + 1,
                    "next_by_subj": subject,
                    "batch": self._settings.read_messages,
                    "max_bytes": self._settings.read_bytes,
                }
            ),
        )
        end = answers.pop()
        if status_of(end) == "404":
            return [], True
        if status_of(end) != "204":
            raise StorageUnavailable(context=f"read of {stream}: {end.headers}")
        entries = [_entry(answer) for answer in answers]
        return entries, (end.headers or {}).get("Nats-Num-Pending", "0") == "0"

    async def last(self, stream: str, subject: str) -> Stored | None:
        """The newest entry of `subject`, as the leader knows it.

        Raises:
            StorageUnavailable: unknown what lies there.
        """
        answer = _LASTS.decode(
            await self.request(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
        )
        if answer.error is not None:
            if answer.error.err_code == _NO_MESSAGE:
                return None
            raise Refused(answer.error.err_code, answer.error.description)
        if answer.message is None:
            return None
        raw = answer.message
        return Stored(raw.subject, raw.seq, 0, b64decode(raw.data))

    async def forget(self, stream: str, subject: str, through: int) -> None:
        """Remove the entries of `subject` up to and including the number `through`.

        Raises:
            StorageUnavailable: unknown whether they were removed.
        """
        await self.answer(f"STREAM.PURGE.{stream}", {"filter": subject, "seq": through + 1})

    async def life(self, stream: str) -> str:
        """A word that changes when somebody removed the stream and its numbers begin anew.

        Raises:
            StorageUnavailable: unknown what lies there.
        """
        return str((await self.answer(f"STREAM.INFO.{stream}", {}))["created"])

    async def census(self, stream: str, subject: str) -> tuple[str, Mapping[str, int]]:
        """How many entries lie under each subject that matches, where any do.

        Before them the word of `life`.

        Raises:
            StorageUnavailable: unknown what lies there.
        """
        answer = await self.answer(f"STREAM.INFO.{stream}", {"subjects_filter": subject})
        return str(answer["created"]), answer["state"].get("subjects") or {}

    async def answer(self, call: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the server's API says to `call`.

        Raises:
            StorageUnavailable: it refuses, or does not answer.
        """
        answer: dict[str, Any] = msgspec.json.decode(await self.request(call, body))
        if "error" in answer:
            error = answer["error"]
            raise Refused(error.get("err_code", 0), f"{call}: {error.get('description')}")
        return answer

    async def request(self, call: str, body: Mapping[str, Any]) -> bytes:
        """The bare answer of the server's API."""
        message = await self._connection.ask(f"$JS.API.{call}", msgspec.json.encode(body))
        return message.data


def receipt(message: Msg) -> int:
    """The number that an appended entry got.

    Raises:
        WrongRevision: it was refused, as somebody else came first.
        StorageUnavailable: it was refused: the stream is full or has no leader.
    """
    answer = _RECEIPTS.decode(message.data)
    if answer.error is not None:
        if answer.error.err_code in _WRONG_LAST:
            raise WrongRevision
        raise Refused(answer.error.err_code, answer.error.description)
    return answer.seq


def heard(message: Msg) -> Stored:
    """The entry that a republished message tells of.

    Raises:
        KeyError: somebody else published it.
    """
    headers = message.headers or {}
    return Stored(
        headers["Nats-Subject"],
        int(headers["Nats-Sequence"]),
        int(headers["Nats-Last-Sequence"]),
        message.data,
    )


def _entry(message: Msg) -> Stored:
    headers = message.headers or {}
    return Stored(headers["Nats-Subject"], int(headers["Nats-Sequence"]), 0, message.data)
