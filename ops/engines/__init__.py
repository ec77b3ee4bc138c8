"""The engines of the fleet: what is needed, how it is had, and how each is started without a container.

`table.py` says what and in which version, `install.py` has it, `native.py` starts it. Nothing here speaks
to an engine through a driver: drivers live in storage.
"""
