"""The fleet: gateways, nodes and media workers, each a process of its own, on real engines.

`settings` says who is where, `stores` opens what a kind of process needs, `gateway`, `node` and `media` put
one of each together, and `processes` runs it: readiness, signals, exit codes.
"""
