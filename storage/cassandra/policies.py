"""What the driver decides on its own: when to ask again, whom, and where a node really is.

The driver's own retry policy sends anything to the next node after a lost connection, also what must not be
done twice; ours asks again once, and only what may be repeated. Every write of a fact may: its timestamp came
with it. Overload is never answered with more load.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Any

from cassandra.connection import DefaultEndPoint, DefaultEndPointFactory
from cassandra.policies import HostDistance, RetryPolicy, TokenAwarePolicy
from cassandra.protocol import OverloadedErrorMessage

_Decision = tuple[int, Any]


class RetryOnce(RetryPolicy):  # type: ignore[misc]
    """Asks the next node once for what is idempotent; everything else is the caller's to repeat."""

    def __init__(self) -> None:
        super().__init__()
        #: How many statements were sent again; counted on the driver's one thread of input and output.
        self.retries = 0

    def on_read_timeout(self, query: Any, *_: Any, retry_num: int = 0, **__: Any) -> _Decision:
        """Some replicas did not answer the coordinator in time."""
        return self._again(query, retry_num)

    def on_write_timeout(self, query: Any, *_: Any, retry_num: int = 0, **__: Any) -> _Decision:
        """Some replicas did not confirm to the coordinator in time."""
        return self._again(query, retry_num)

    def on_unavailable(self, query: Any, *_: Any, retry_num: int = 0, **__: Any) -> _Decision:
        """The coordinator believes too many replicas to be down; another may know better."""
        return self._again(query, retry_num)

    def on_request_error(
        self, query: Any, consistency: Any, error: Exception, retry_num: int
    ) -> _Decision:
        """The connection broke, or the coordinator failed."""
        if isinstance(error, OverloadedErrorMessage):
            return self.RETHROW, None
        return self._again(query, retry_num)

    def _again(self, query: Any, retry_num: int) -> _Decision:
        if retry_num > 0 or not getattr(query, "is_idempotent", False):
            return self.RETHROW, None
        self.retries += 1
        return self.RETRY_NEXT_HOST, None


class ReplicasShuffled(TokenAwarePolicy):  # type: ignore[misc]
    """Asks the replicas of a partition first, in an order of their own for each statement.

    The driver's own shuffles the one list that all statements of a partition go through, in place: a second
    try at the same time then meets a node twice, and leaves another out.
    """

    def __init__(self, child: Any, dice: random.Random) -> None:
        super().__init__(child, shuffle_replicas=False)
        self._child = child
        self._metadata: Any = None
        self._dice = dice

    def populate(self, cluster: Any, hosts: Any) -> None:
        """Learn of the cluster."""
        super().populate(cluster, hosts)
        self._metadata = cluster.metadata

    def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Iterator[Any]:
        """Every node that may be asked, each once: replicas, then others."""
        keyspace = getattr(query, "keyspace", None) or working_keyspace
        key = getattr(query, "routing_key", None)
        found = (
            () if key is None or keyspace is None else self._metadata.get_replicas(keyspace, key)
        )
        replicas = list(found)
        self._dice.shuffle(replicas)
        for each in replicas:
            if each.is_up and self._child.distance(each) == HostDistance.LOCAL:
                yield each
        for each in self._child.make_query_plan(keyspace, query):
            if each not in replicas:
                yield each


class MappedEndPoints(DefaultEndPointFactory):  # type: ignore[misc]
    """Reaches nodes through other addresses than those that they announce."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        super().__init__()
        self._addresses = dict(addresses)

    def create(self, row: Mapping[str, Any]) -> DefaultEndPoint:
        """Where the node that `row` of the system tables describes is reached."""
        announced = super().create(row)
        address = f"{announced.address}:{announced.port}"
        return DefaultEndPoint(*split_address(self._addresses.get(address, address)))


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`.

    Raises:
        ValueError: it is not of that form.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{address!r} is not of the form host:port")
    return host.strip("[]"), int(port)
