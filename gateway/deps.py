"""What a gateway is made of: finished collaborators, handed in by the composition root."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from actors.media_links import MediaLinks
from actors.ports.clock import Clock
from actors.tasks import TaskSet
from gateway.keys import SigningKeys
from gateway.ports import (
    BlobGate,
    GatewayMetrics,
    Names,
    NodeClient,
    NoMetrics,
    SharedLimits,
    UploadPolicies,
)
from gateway.settings import GatewaySettings
from gateway.sockets import SocketRegistry
from sharding.ids import IdMint


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDeps:
    """Everything that one gateway process needs."""

    settings: GatewaySettings
    node: NodeClient
    names: Names
    ids: IdMint
    keys: SigningKeys
    policies: UploadPolicies
    #: Verifies the media paths that are served here; signs nothing at the edge.
    links: MediaLinks
    #: A picture in JPEG, PNG or WebP, re-encoded as JPEG; raises our errors for what is none.
    encode_avatar: Callable[[bytes], Awaitable[bytes]]
    #: Also the node's `SocketHub`.
    sockets: SocketRegistry
    clock: Clock
    tasks: TaskSet
    random: random.Random
    metrics: GatewayMetrics = field(default_factory=NoMetrics)
    #: Where uploads and pictures lie; without it neither is looked at here.
    blobs: BlobGate | None = None
    #: Counts that gateways share; None where there is but one.
    shared_limits: SharedLimits | None = None
    #: Whether this gateway is the store itself: takes signed uploads and serves signed media.
    serves_store: bool = False
    #: What must answer for this process to be ready, by name.
    checks: Mapping[str, Callable[[], Awaitable[bool]]] = field(default_factory=dict)
