"""Everything behind a socket or a file: adapters that fill the ports of the other folders.

Adapters are named technology first, port second, and fit their port by shape alone. A driver's exceptions
end here (`storage.errors`); above, there are only Kinora's own.
"""
