"""The driver's cluster, set up once: every blocking call of it is made here, on a thread.

Protocol 4, since version 5 computes its checksums in pure Python for each frame. Token-aware, replicas shuffled:
without that every read of a hot partition asks the same node. libev, since the driver's other reactors are
slower or not for production. No schema is created here; see `migrations`.
"""

import random
from collections.abc import Iterable
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
)
from cassandra.query import BatchStatement, BatchType, BoundStatement, tuple_factory

from sharding.errors import StorageUnavailable
from storage.cassandra.errors import DRIVER_ERRORS, translated
from storage.cassandra.policies import MappedEndPoints, ReplicasShuffled, RetryOnce, split_address
from storage.cassandra.settings import CassandraSettings
from storage.cassandra.statements import Call, Level, Statement, qualified

#: First pause before a node that is down is tried again, in seconds.
RECONNECT_FIRST_S = 0.25


class Driver:
    """A connected session of the driver, and the statements prepared on it. Belongs to no event loop."""

    __slots__ = ("_keyspace", "_prepared", "cluster", "retrying", "session")

    def __init__(
        self, cluster: Cluster, session: Session, keyspace: str, retrying: RetryOnce
    ) -> None:
        self.cluster = cluster
        self.session = session
        self.retrying = retrying
        self._keyspace = keyspace
        self._prepared: dict[Statement, Any] = {}

    def prepare(self, statements: Iterable[Statement]) -> None:
        """Have the server parse `statements`, once each. Blocks.

        Raises:
            StorageUnavailable: no node answers.
            Internal: the server does not understand one.
        """
        for statement in statements:
            try:
                prepared = self.session.prepare(qualified(statement.cql, self._keyspace))
            except Exception as error:
                raise translated(error) from error
            prepared.is_idempotent = statement.idempotent
            # Every read is bounded by its LIMIT; and what is merged over partitions may not be paged.
            prepared.fetch_size = None
            self._prepared[statement] = prepared

    def bind(self, call: Call) -> BoundStatement:
        """A prepared statement with its values."""
        return self._prepared[call.statement].bind(call.values)

    def bind_together(self, calls: list[Call]) -> BatchStatement:
        """Several writes to one partition, as the one mutation that they are."""
        batch = BatchStatement(BatchType.UNLOGGED)
        batch.is_idempotent = True
        for call in calls:
            batch.add(self.bind(call))
        return batch

    def execute(self, cql: str, values: tuple[object, ...] = (), *, timeout_s: float) -> list[Any]:
        """Run one statement that is not worth preparing. Blocks.

        Raises:
            StorageUnavailable: it is not known to have been done.
            Internal: the server does not understand it.
        """
        try:
            found = self.session.execute(
                cql, values, timeout=timeout_s, execution_profile=Level.AGREED.value
            )
        except Exception as error:
            raise translated(error) from error
        return list(found)

    def close(self) -> None:
        """Disconnect. Blocks."""
        self.cluster.shutdown()

    def __repr__(self) -> str:
        return f"<Driver {self.cluster.metadata.cluster_name} prepared={len(self._prepared)}>"


def connect(settings: CassandraSettings) -> Driver:
    """A connected driver, whether or not the keyspace is there yet. Blocks.

    Raises:
        StorageUnavailable: none of the contact points answers.
    """
    retrying = RetryOnce()
    cluster = Cluster(
        contact_points=[split_address(each) for each in settings.contact_points],
        endpoint_factory=MappedEndPoints(dict(each.split("=", 1) for each in settings.address_map)),
        protocol_version=4,
        connection_class=LibevConnection,
        # It costs more on both sides than small rows win by it.
        compression=False,
        execution_profiles=_profiles(settings, retrying),
        reconnection_policy=ExponentialReconnectionPolicy(
            RECONNECT_FIRST_S, settings.reconnect_longest_s, max_attempts=None
        ),
        connect_timeout=settings.connect_timeout_s,
        control_connection_timeout=settings.connect_timeout_s,
        idle_heartbeat_interval=settings.heartbeat_s,
        idle_heartbeat_timeout=settings.heartbeat_s,
        monitor_reporting_enabled=False,
        executor_threads=2,
    )
    try:
        return Driver(cluster, cluster.connect(), settings.keyspace, retrying)
    except Exception as error:
        cluster.shutdown()
        if isinstance(error, DRIVER_ERRORS):
            raise StorageUnavailable(
                "No Cassandra node answers.", executed=False, context=f"connecting: {error!r}"
            ) from error
        raise


def _profiles(settings: CassandraSettings, retrying: RetryOnce) -> dict[Any, ExecutionProfile]:
    nodes = ReplicasShuffled(DCAwareRoundRobinPolicy(local_dc=settings.local_dc), random.Random())
    # One slow or frozen node is then no error: its partition is asked of the next as well.
    second_try = ConstantSpeculativeExecutionPolicy(settings.second_try_s, 1)

    def profile(consistency: int, timeout_s: float, **more: Any) -> ExecutionProfile:
        given = {"retry_policy": retrying, "speculative_execution_policy": second_try, **more}
        return ExecutionProfile(
            load_balancing_policy=nodes,
            consistency_level=consistency,
            serial_consistency_level=ConsistencyLevel.SERIAL,
            request_timeout=timeout_s,
            row_factory=tuple_factory,
            **given,
        )

    fresh = profile(ConsistencyLevel.LOCAL_QUORUM, settings.request_timeout_s)
    # Counting twice what is slow to count would make it slower.
    patient: dict[str, Any] = {"speculative_execution_policy": None}
    return {
        EXEC_PROFILE_DEFAULT: fresh,
        Level.FRESH.value: fresh,
        Level.NEAR.value: profile(ConsistencyLevel.LOCAL_ONE, settings.request_timeout_s),
        Level.COUNT.value: profile(
            ConsistencyLevel.LOCAL_QUORUM, settings.count_timeout_s, **patient
        ),
        Level.AGREED.value: profile(
            ConsistencyLevel.QUORUM,
            settings.request_timeout_s,
            retry_policy=FallthroughRetryPolicy(),
            **patient,
        ),
        Level.SETTLED.value: profile(ConsistencyLevel.SERIAL, settings.request_timeout_s),
    }
