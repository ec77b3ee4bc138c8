"""What has to exist at NATS before anything works, and making it so; repeatable by anybody at any time."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from storage.nats.errors import Refused
from storage.nats.log import Log
from storage.nats.names import Names
from storage.nats.settings import NatsSettings

#: The one durable consumer: news of uploads, each for any one node.
TAKERS = "takers"
#: `stream name already in use with a different configuration`.
_DIFFERENT = 10058


class Streams:
    """The streams of one installation."""

    __slots__ = ("_log", "_names", "_settings")

    def __init__(self, log: Log, names: Names, settings: NatsSettings) -> None:
        self._log = log
        self._names = names
        self._settings = settings

    async def ensure(self) -> None:
        """Make what is missing and change what is different.

        Raises:
            Refused: the server will not have some of them so; all others are there.
            StorageUnavailable: unknown what there is now; repeat.
        """
        refusals: list[Refused] = []
        steps: list[Callable[[], Awaitable[None]]]
        steps = [partial(self._ensure, each) for each in self._wanted()]
        for step in (*steps, self._ensure_takers):
            try:
                await step()
            except Refused as refusal:
                # One stream that is claimed by somebody else keeps us from no other.
                refusals.append(refusal)
        if refusals:
            raise refusals[0]

    async def _ensure(self, config: dict[str, Any]) -> None:
        name = config["name"]
        try:
            await self._log.answer(f"STREAM.CREATE.{name}", config)
        except Refused as refused:
            if refused.number != _DIFFERENT:
                raise
            await self._log.answer(f"STREAM.UPDATE.{name}", config)

    def _wanted(self) -> list[dict[str, Any]]:
        names, settings = self._names, self._settings
        return [
            # A full inbox refuses, whole or of one shard, so that its senders keep what they have.
            self._stream(
                names.inbox,
                [names.shard("*")],
                discard="new",
                discard_new_per_subject=True,
                max_msgs=settings.inbox_max_messages,
                max_msgs_per_subject=settings.inbox_max_messages_per_shard,
                max_bytes=settings.inbox_max_bytes,
                max_age=_ns(settings.inbox_max_age_s),
                republish=self._aloud(names.shard("*")),
            ),
            self._stream(
                names.jobs,
                [names.job("*")],
                discard="new",
                max_msgs=settings.jobs_max,
                max_msgs_per_subject=1,
                republish=self._aloud(names.job("*")),
            ),
            self._stream(
                names.table,
                [names.key("*")],
                discard="new",
                max_msgs_per_subject=1,
                republish=self._aloud(names.key("*")),
            ),
            self._stream(
                names.uploads,
                [settings.stored_subject],
                retention="workqueue",
                max_msgs=settings.uploads_max_waiting,
            ),
            self._stream(
                names.dead,
                [names.dead_letter("*")],
                max_msgs=settings.dead_max_messages,
                max_bytes=settings.dead_max_bytes,
                max_age=_ns(settings.dead_max_age_s),
            ),
        ]

    def _stream(self, name: str, subjects: list[str], **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "subjects": subjects,
            "retention": "limits",
            "storage": "file",
            "num_replicas": self._settings.replicas,
            "duplicate_window": _ns(self._settings.duplicate_window_s),
            "allow_direct": True,
            "allow_msg_ttl": True,
            **more,
        }

    def _aloud(self, subject: str) -> dict[str, str]:
        return {
            "src": subject,
            "dest": self._names.heard(subject).replace("*", "{{wildcard(1)}}"),
        }

    async def _ensure_takers(self) -> None:
        settings = self._settings
        config = {
            "durable_name": TAKERS,
            "name": TAKERS,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": _ns(settings.uploads_lease_s),
            # Counted by the adapter, which can say why it gives up.
            "max_deliver": -1,
            "max_ack_pending": settings.uploads_at_once,
            "deliver_subject": self._names.takers(),
            "deliver_group": TAKERS,
        }
        stream = self._names.uploads
        await self._log.answer(
            f"CONSUMER.DURABLE.CREATE.{stream}.{TAKERS}",
            {"stream_name": stream, "config": config},
        )


def _ns(seconds: float) -> int:
    return round(seconds * 1_000_000_000)
