"""What every process of a fleet stands on: its name and this life of it, clock, tasks, dice, metrics, alarm."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from ssl import CERT_REQUIRED, Purpose, SSLContext, create_default_context
from typing import TypeVar

from actors.ports.clock import Clock
from actors.tasks import Alarm, TaskSet
from ops.data_dir import DataDir
from ops.errors import CannotGoOn
from ops.fleet.settings import BadFleet, FleetSettings
from ops.metrics import Metrics
from ops.settings import Settings
from sharding.errors import StorageUnavailable

T = TypeVar("T")

#: Pause between two looks for an engine that does not answer yet, in seconds.
_LOOK_S = 0.25


class EngineUnreachable(CannotGoOn):
    """An engine that this process cannot start without does not answer."""

    def __init__(self, engine: str, seconds: float, error: StorageUnavailable) -> None:
        self.engine = engine
        super().__init__(
            f"{engine} did not answer for {seconds:g} s: {error.context or error.detail}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """One process of the fleet, before it is anything in particular."""

    name: str
    #: This start of it; no two have the same.
    incarnation: str
    settings: Settings
    data: DataDir
    clock: Clock
    tasks: TaskSet
    dice: random.Random
    metrics: Metrics
    alarm: Alarm
    #: Lives of this name that have certainly ended.
    dead: tuple[str, ...]
    #: Ends this process in an orderly way; with whom it can be started again.
    give_up: Callable[[], None]

    async def entered(
        self,
        stack: AsyncExitStack,
        engine: str,
        opened: Callable[[], AbstractAsyncContextManager[T]],
    ) -> T:
        """Open an engine, which may take a while to answer.

        Raises:
            EngineUnreachable: it never did.
        """
        return await self.patiently(engine, lambda: stack.enter_async_context(opened()))

    async def patiently(self, engine: str, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns once `engine` answers.

        Raises:
            EngineUnreachable: it never did.
        """
        patience_s = self.settings.fleet.engine_wait_s
        end = self.clock.monotonic() + patience_s
        while True:
            try:
                return await call()
            except StorageUnavailable as error:
                if self.clock.monotonic() >= end:
                    raise EngineUnreachable(engine, patience_s, error) from error
            await self.clock.sleep(_LOOK_S)

    def __repr__(self) -> str:
        return f"<Scaffold {self.incarnation}>"


def tls_of(settings: FleetSettings, *, listening: bool) -> SSLContext | None:
    """How the link between gateways and nodes is encrypted; both sides show a certificate.

    Raises:
        BadFleet: only some of the three files are named, or one cannot be used.
    """
    files = (settings.tls_cert, settings.tls_key, settings.tls_ca)
    if not any(files):
        return None
    cert, key, authority = files
    if cert is None or key is None or authority is None:
        raise BadFleet("KINORA_FLEET_TLS_CERT, _KEY and _CA belong together; give all three.")
    try:
        context = create_default_context(
            Purpose.CLIENT_AUTH if listening else Purpose.SERVER_AUTH, cafile=authority
        )
        context.verify_mode = CERT_REQUIRED
        context.load_cert_chain(cert, key)
    except OSError as error:
        raise BadFleet(f"The files of KINORA_FLEET_TLS_* cannot be used: {error}") from error
    return context
