"""What the domain needs of the world, as Protocols whose docstrings are contracts.

Each port lives with its consumer, has two to eight methods in the words of the domain, and is filled by
exactly two adapters that pass one contract suite (`tests/contracts`).
"""
