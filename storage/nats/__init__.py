"""NATS: events between shards, jobs, the shard table and news of uploads, over one connection.

JetStream is used as a set of logs, with one consumer in all of it: positions are what has been removed, and
every decision that must be made once is a compare-and-swap. NATS is transport, never truth: what it loses
is found again from facts, outboxes and sweeps.
"""
