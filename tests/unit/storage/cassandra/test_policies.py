"""What is sent again is what may be sent again, once, and never to answer overload."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from cassandra import ConsistencyLevel
from cassandra.connection import ConnectionException
from cassandra.policies import HostDistance, WriteType
from cassandra.protocol import OverloadedErrorMessage

from storage.cassandra.policies import MappedEndPoints, ReplicasShuffled, RetryOnce, split_address

QUORUM = ConsistencyLevel.LOCAL_QUORUM


def decisions(policy, query, retry_num):
    """What is decided for each way in which a request can fail, called as the driver calls it."""
    return [
        policy.on_read_timeout(
            query, consistency=QUORUM, required_responses=2, received_responses=1,
            data_retrieved=False, retry_num=retry_num,
        ),
        policy.on_write_timeout(
            query, consistency=QUORUM, write_type=WriteType.SIMPLE, required_responses=2,
            received_responses=1, retry_num=retry_num,
        ),
        policy.on_unavailable(
            query, consistency=QUORUM, required_replicas=2, alive_replicas=1, retry_num=retry_num
        ),
        policy.on_request_error(query, QUORUM, error=ConnectionException("cut"), retry_num=retry_num),
    ]  # fmt: skip


def test_an_idempotent_statement_is_asked_of_the_next_node_once():
    policy, query = RetryOnce(), SimpleNamespace(is_idempotent=True)
    assert decisions(policy, query, 0) == [(RetryOnce.RETRY_NEXT_HOST, None)] * 4
    assert decisions(policy, query, 1) == [(RetryOnce.RETHROW, None)] * 4
    assert policy.retries == 4


def test_a_statement_that_must_not_be_done_twice_is_never_sent_twice():
    policy = RetryOnce()
    for query in (SimpleNamespace(is_idempotent=False), None):
        assert decisions(policy, query, 0) == [(RetryOnce.RETHROW, None)] * 4
    assert policy.retries == 0


def test_overload_is_not_answered_with_more_load():
    policy, query = RetryOnce(), SimpleNamespace(is_idempotent=True)
    error = OverloadedErrorMessage(0x1001, "busy", None)
    assert policy.on_request_error(query, QUORUM, error=error, retry_num=0)[0] == RetryOnce.RETHROW


def test_a_statement_meets_every_node_once_however_many_are_planned_meanwhile():
    def host(name):
        return SimpleNamespace(name=name, is_up=True)

    replicas = [host(name) for name in "abc"]
    other = host("d")
    child = SimpleNamespace(
        populate=lambda cluster, hosts: None,
        distance=lambda each: HostDistance.LOCAL,
        make_query_plan=lambda keyspace, query: iter([*replicas, other]),
    )
    metadata = SimpleNamespace(
        get_replicas=lambda keyspace, key: replicas,
        can_support_partitioner=lambda: True,
    )
    policy = ReplicasShuffled(child, random.Random(1))
    policy.populate(SimpleNamespace(metadata=metadata, control_connection=None), [])
    query = SimpleNamespace(routing_key=b"k", keyspace="k")
    plans = [policy.make_query_plan("k", query) for _ in range(50)]
    met: list[list[str]] = [[] for _ in plans]
    for _ in range(4):
        # Side by side: each step of a plan comes after steps of all the others.
        for plan, names in zip(plans, met, strict=True):
            names.append(next(plan).name)
    assert all(sorted(names) == list("abcd") and names[-1] == "d" for names in met)
    assert len({names[0] for names in met}) == 3


def test_a_node_is_reached_where_the_map_says():
    factory = MappedEndPoints({"10.0.0.1:9042": "127.0.0.1:1234"})
    same = SimpleNamespace(address_translator=SimpleNamespace(translate=lambda address: address))
    factory.configure(same)

    def reached(host):
        point = factory.create({"native_address": host, "native_port": 9042})
        return point.address, point.port

    assert reached("10.0.0.1") == ("127.0.0.1", 1234)
    assert reached("10.0.0.2") == ("10.0.0.2", 9042)


def test_addresses_are_host_and_port():
    assert split_address("a.b:1") == ("a.b", 1)
    assert split_address("[::1]:9042") == ("::1", 9042)
    for wrong in ("a", "a:", ":1", "a:b"):
        with pytest.raises(ValueError, match="host:port"):
            split_address(wrong)
