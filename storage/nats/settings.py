"""How Kinora uses NATS: where it is, how long it may take, and how much may wait.

Every bound of the adapter is here. The defaults suit one server and a thousand shards on a handful of nodes;
what lies in the streams is bounded in messages, bytes and age, so that a bus that nobody empties refuses new
events, outboxes fill, and in the end writes are refused: nothing grows without an end.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSettings:
    """Where NATS is and how it is used."""

    #: Addresses of servers of one cluster, tried in turn: `nats://host:port` or `tls://host:port`.
    servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    #: User name; the password is handed in apart. Empty where the server asks for none.
    user: str = ""
    #: What the names of all our streams and subjects begin with; letters, digits, `-` and `_`.
    prefix: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+$")] = "kinora"
    #: Copies of every stream: 1 on a single server, 3 on a cluster.
    replicas: Literal[1, 3] = 1
    #: Where the object store publishes what was stored in its buckets.
    stored_subject: str = "kinora.stored"

    #: Time for a connection to be made, in seconds.
    connect_timeout_s: Seconds = 2.0
    #: Pause before the next try to connect, in seconds; doubles up to the longest.
    reconnect_first_s: Seconds = 0.1
    reconnect_longest_s: Seconds = 2.0
    #: How often a connection proves that it lives, in seconds; it is given up after one proof is missing.
    ping_every_s: Seconds = 5.0
    #: Time for one answer of the server, in seconds; then nothing is known of the outcome.
    timeout_s: Seconds = 3.0
    #: Bytes that may wait for the socket; beyond, calls are refused at once.
    max_unsent_bytes: Positive = 8 * 1024 * 1024
    #: Bytes that may wait in memory for the handler of one subscription; beyond, messages are dropped and
    #: read again from their stream.
    max_unheard_bytes: Positive = 8 * 1024 * 1024

    #: Envelopes that may wait for the bus in this process; a publish beyond is refused.
    max_outgoing: Positive = 65_536
    #: Messages to different shards that may await their receipt at once.
    max_in_flight: Positive = 512
    #: Envelopes in one message, at most, unless one publish alone has more.
    max_together: Positive = 256
    #: Bytes in one message, at most, unless one envelope alone has more.
    max_message_bytes: Positive = 256 * 1024
    #: How long the server recognises a message that is sent again, in seconds.
    duplicate_window_s: Seconds = 30.0

    #: Messages that may lie in the inboxes of all shards together, and in that of one.
    inbox_max_messages: Positive = 2_000_000
    inbox_max_messages_per_shard: Positive = 20_000
    #: Bytes that may lie in the inboxes of all shards together.
    inbox_max_bytes: Positive = 1024 * 1024 * 1024
    #: After this long an event is given up, in seconds; its receiver sees a gap and counts anew.
    inbox_max_age_s: Seconds = 7 * 86_400.0
    #: Messages of one shard that wait in memory; what comes beyond is read from the stream later.
    lane_max_messages: Positive = 256
    #: Messages, and bytes, that one read of a stream asks for.
    read_messages: Positive = 256
    read_bytes: Positive = 1024 * 1024
    #: Reads of shards' inboxes at once.
    max_reads: Positive = 32
    #: Pause before a receiver that failed is asked again, in seconds; doubles up to the longest.
    retry_first_s: Seconds = 0.02
    retry_longest_s: Seconds = 2.0
    #: Tries after which what a receiver cannot bear is laid aside as a dead letter.
    max_tries: Positive = 12
    #: How often what has been handled is removed from the stream, in seconds.
    forget_every_s: Seconds = 5.0
    #: How often what lies in the streams is compared with what was heard, in seconds.
    review_every_s: Seconds = 15.0
    #: Dead letters that are kept, their bytes, and for how long, in seconds; the oldest go first.
    dead_max_messages: Positive = 100_000
    dead_max_bytes: Positive = 256 * 1024 * 1024
    dead_max_age_s: Seconds = 30 * 86_400.0

    #: Broadcasts that may wait for the loop; the oldest are dropped beyond.
    max_broadcasts: Positive = 4096

    #: How long the claim of a job lives without a heartbeat, in seconds.
    job_lease_s: Seconds = 30.0
    #: Claims that a job may use up.
    job_max_attempts: Positive = 3
    #: Pause before the second attempt after a curable failure, in seconds; doubles with each.
    job_retry_first_s: Seconds = 2.0
    #: Least time between two reports of one job's progress, in seconds.
    job_progress_every_s: Seconds = 0.25
    #: Jobs whose last progress is remembered for that.
    job_max_remembered: Positive = 1024
    #: How often claims that lapsed are looked for, in seconds.
    job_look_every_s: Seconds = 1.0
    #: How long a job that is over is recognised when it is handed in again, in seconds.
    job_remember_s: Seconds = 86_400.0
    #: Jobs that may be known; beyond, new ones are refused.
    jobs_max: Positive = 1_000_000

    #: How often a node shows that it lives, in seconds.
    member_beat_s: Seconds = 1.0
    #: After this long without a sign of life a node is no longer seen, in seconds.
    member_gone_s: Seconds = 4.0
    #: After this long the server forgets a node that never came back, in seconds.
    member_forget_s: Seconds = 86_400.0

    #: Stored uploads that nodes look at at once, all together.
    uploads_at_once: Positive = 64
    #: After this long another node is told of an upload that a node was told of, in seconds.
    uploads_lease_s: Seconds = 30.0
    #: Tries after which an upload is left to the sweep.
    uploads_max_tries: Positive = 20
    #: News of uploads that may wait; the oldest go first, and the sweep finds what they told of.
    uploads_max_waiting: Positive = 1_000_000

    #: Times that a change of one key is tried again because somebody else changed it.
    max_conflicts: Positive = 16
    #: Time for what is to be said at the end, in seconds.
    close_timeout_s: Seconds = 2.0
