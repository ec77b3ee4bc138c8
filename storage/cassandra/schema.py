"""The schema: numbered files in `migrations/`, each applied once, by whoever comes first.

    0001_facts.pre.cql     before the new build runs: adds, so that the old build does not notice
    0002_tidy.post.cql     after every process runs the new build: takes away

Applied ones are recorded with a checksum; a file that changed afterwards is an error, since clusters that ran
the old text would differ for ever. Two that run at once take turns by a lock that ends by itself. Every
statement says IF [NOT] EXISTS, so that a migration which died half-way is simply run again.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from actors.ports.clock import Clock
from sharding.errors import Internal, StorageUnavailable
from sharding.shards import SHARD_COUNT
from storage.cassandra.driver import Driver, connect
from storage.cassandra.settings import CassandraSettings
from storage.cassandra.statements import qualified
from storage.embedded.schema import SHARD_HASH
from storage.errors import WrongDatabase

Phase = Literal["pre", "post", "all"]

#: How long a lock lasts whose holder died, in seconds; longer than any one statement of a migration may take.
LOCK_S = 60
#: Pause before a lock that somebody holds is tried again, in seconds.
LOCK_PAUSE_S = 1.0

_NAME = re.compile(r"(\d{4}_[a-z0-9_]+)\.(pre|post)\.cql")
_OWN_TABLES = (
    "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, checksum text)",
    "CREATE TABLE IF NOT EXISTS migration_lock (name text PRIMARY KEY, holder text)",
    "CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, value text)",
)
_IDENTITY = {"shard_count": str(SHARD_COUNT), "shard_hash": SHARD_HASH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of statements."""

    #: File name without its ending, `0001_facts.pre`.
    name: str
    phase: str
    text: str

    @property
    def checksum(self) -> str:
        """Of the statements alone: a better comment is no other migration."""
        return hashlib.blake2b("\n".join(self.statements).encode(), digest_size=16).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The statements, without comments."""
        lines = (line.partition("--")[0].rstrip() for line in self.text.splitlines())
        pieces = "\n".join(line for line in lines if line).split(";")
        return [piece.strip() for piece in pieces if piece.strip()]


def migrations() -> list[Migration]:
    """Every migration that this build knows, first to last.

    Raises:
        ValueError: a file is named otherwise.
    """
    found = []
    folder = files("storage.cassandra").joinpath("migrations")
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        named = _NAME.fullmatch(each.name)
        if each.name.endswith(".cql") and named is None:
            raise ValueError(f"{each.name} is not named like 0001_facts.pre.cql")
        if named is not None:
            text = each.read_text(encoding="utf-8")
            name = each.name.removesuffix(".cql")
            found.append(Migration(name=name, phase=named[2], text=text))
    return found


async def migrate(
    settings: CassandraSettings,
    clock: Clock,
    *,
    phase: Phase = "all",
    known: list[Migration] | None = None,
) -> list[str]:
    """Make the keyspace if need be and apply what is missing; returns the names of what was applied.

    `phase` leaves out the migrations of the other one. `known` is instead of the build's own.

    Raises:
        WrongDatabase: an applied migration has changed, or the keyspace was made for other shards.
        StorageUnavailable: no node answers, or another run holds the lock for too long.
    """
    wanted = migrations() if known is None else known
    driver = await asyncio.to_thread(connect, settings)
    run = _Run(driver, settings)
    try:
        await asyncio.to_thread(run.make_keyspace)
        deadline_s = clock.monotonic() + settings.migration_wait_s
        while not await asyncio.to_thread(run.lock):
            if clock.monotonic() >= deadline_s:
                raise StorageUnavailable("Another migration is running.", executed=False)
            await clock.sleep(LOCK_PAUSE_S)
        try:
            return await asyncio.to_thread(run.apply, wanted, phase)
        finally:
            await asyncio.to_thread(run.unlock)
    finally:
        await asyncio.to_thread(driver.close)


def check(driver: Driver, settings: CassandraSettings) -> None:
    """Return when this build may use the keyspace. Blocks.

    Raises:
        WrongDatabase: migrations are missing, changed or unknown to this build in a way that breaks it.
        StorageUnavailable: no node answers.
    """
    run = _Run(driver, settings)
    try:
        applied = run.applied()
    except Internal as error:
        # What the server calls an invalid request: no such keyspace, or no such table.
        raise _not_migrated(settings) from error
    if any(each.name not in applied for each in migrations() if each.phase == "pre"):
        raise _not_migrated(settings)
    run.check_unchanged(migrations(), applied)
    run.check_identity()


class _Run:
    """One run of migrations, blocking; kept apart so that each step is one call on a thread."""

    def __init__(self, driver: Driver, settings: CassandraSettings) -> None:
        self._driver = driver
        self._settings = settings
        # Names this run among those that want the lock.
        self._holder = str(driver.session.session_id)

    def make_keyspace(self) -> None:
        """The keyspace, and the tables that say what has been applied."""
        settings = self._settings
        options = {"class": "SimpleStrategy", "replication_factor": settings.replication}
        if settings.strategy == "network":
            options = {"class": "NetworkTopologyStrategy", settings.local_dc: settings.replication}
        self._do(f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = {options}")
        self._driver.session.set_keyspace(settings.keyspace)
        for statement in _OWN_TABLES:
            self._do(statement)

    def lock(self) -> bool:
        """Take the lock, or keep it."""
        taken = self._do(
            "INSERT INTO migration_lock (name, holder) VALUES ('all', %s)"
            f" IF NOT EXISTS USING TTL {LOCK_S}",
            self._holder,
        )
        if taken[0][0]:
            return True
        return bool(
            self._do(
                f"UPDATE migration_lock USING TTL {LOCK_S} SET holder = %s WHERE name = 'all'"
                " IF holder = %s",
                self._holder,
                self._holder,
            )[0][0]
        )

    def unlock(self) -> None:
        """Let the next one in."""
        self._do("DELETE FROM migration_lock WHERE name = 'all' IF holder = %s", self._holder)

    def applied(self) -> dict[str, str]:
        """Checksums by name."""
        return dict(self._do("SELECT name, checksum FROM migrations"))

    def apply(self, wanted: list[Migration], phase: Phase) -> list[str]:
        """What is missing, in order."""
        applied = self.applied()
        self.check_unchanged(wanted, applied)
        done = []
        for each in wanted:
            if each.name in applied or phase not in ("all", each.phase):
                continue
            for statement in each.statements:
                if not self.lock():
                    raise StorageUnavailable("Another migration took over.", context=each.name)
                self._do(statement)
            self._do(
                "INSERT INTO migrations (name, checksum) VALUES (%s, %s)", each.name, each.checksum
            )
            done.append(each.name)
        for key, value in _IDENTITY.items():
            self._do("INSERT INTO meta (key, value) VALUES (%s, %s) IF NOT EXISTS", key, value)
        self.check_identity()
        return done

    def check_unchanged(self, wanted: list[Migration], applied: dict[str, str]) -> None:
        """Raise when the text of an applied migration is another now."""
        for each in wanted:
            if applied.get(each.name, each.checksum) != each.checksum:
                raise WrongDatabase(
                    f"Migration {each.name} was changed after it had been applied to keyspace"
                    f" {self._settings.keyspace}: put its text back and write a new one."
                )

    def check_identity(self) -> None:
        """Raise when the keyspace belongs to a product with other shards."""
        recorded = dict(self._do("SELECT key, value FROM meta"))
        for key, value in _IDENTITY.items():
            if recorded.get(key, value) != value:
                raise WrongDatabase(
                    f"Keyspace {self._settings.keyspace} was made with {key} {recorded[key]}, this"
                    f" build has {value}: entities would be looked for in the wrong shards."
                )

    def _do(self, cql: str, *values: object) -> list[Any]:
        text = qualified(cql, self._settings.keyspace)
        return self._driver.execute(text, values, timeout_s=self._settings.schema_timeout_s)


def _not_migrated(settings: CassandraSettings) -> WrongDatabase:
    return WrongDatabase(
        f"Keyspace {settings.keyspace} lacks tables that this build needs: run `kinora migrate`."
    )
