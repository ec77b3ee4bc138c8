"""What the shards of one node work with: its ports, its clock, its bounds."""

import msgspec

from actors.batch import Backlog
from actors.ports.bus import EventBus, ShardFollower
from actors.ports.clock import Clock
from actors.ports.facts import FactWriter
from actors.ports.jobs import BlobBin, JobDesk
from actors.ports.shard_store import ShardStore
from actors.ports.sockets import SocketHub
from actors.settings import RuntimeSettings
from actors.tasks import TaskSet


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the shards of one node work with."""

    store: ShardStore
    facts: FactWriter
    bus: EventBus
    jobs: JobDesk
    blobs: BlobBin
    sockets: SocketHub
    #: None where everything comes to this node anyway.
    follower: ShardFollower | None
    clock: Clock
    tasks: TaskSet
    settings: RuntimeSettings
    backlog: Backlog
