"""Cassandra: what people did, kept for good, in the fleet."""
