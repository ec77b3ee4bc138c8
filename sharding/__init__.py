"""Numbers that every part of Kinora agrees on: ids, shards, epochs, frames and errors.

Pure: no I/O, no clock, no randomness of its own. Whatever needs one of them is handed it.
"""
