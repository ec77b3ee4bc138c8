"""Bare SQLite commits: what one durable transaction costs on the disk that the data folder lies on."""

import sqlite3
import time
from pathlib import Path


def commit_us(folder: Path, count: int) -> list[float]:
    """Microseconds of each of `count` commits of one small row; WAL, synchronous=FULL, as the product has it."""
    path = folder / "bare.db"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (key INTEGER PRIMARY KEY, value BLOB)")
        took = []
        for _ in range(count):
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO rows (value) VALUES (?)", (b"x" * 200,))
            connection.execute("COMMIT")
            took.append((time.perf_counter() - began) * 1e6)
    finally:
        connection.close()
    return took
