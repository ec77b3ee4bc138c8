"""State of shards and shared limits in a Redis Cluster.

open_redis        the composition: one object with `shards` and `limits`
shard_store       `actors.ports.shard_store.ShardStore`, on five Lua scripts
limits            limits that gateways share
router            which master, and what to do when it is another one, or none
master, replicas  one master: bounded, pipelined, acknowledged by a copy
port              what a client library must bring; two of them do
"""
