"""The user's actor: what one person knows and does, a file for each concern.

`state` is what it knows, `actor` is what the runtime sees of it; every other file is a handful of handlers,
plain functions of (user, message, turn) that fetch first and change second.
"""
