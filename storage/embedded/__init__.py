"""The storage of one process: SQLite in one file, a folder of blobs, a bus in memory.

The only durable queue is the outbox in the file, so killing the process at any moment loses nothing that
was acked and doubles nothing. The same classes on `:memory:` are the test doubles of the whole project.
"""
