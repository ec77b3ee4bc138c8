"""What runs Kinora and looks after it: settings, wiring, processes, the command line and its tools.

The only folder that knows all others. It hands out what the rest may not take by itself: the real clock,
randomness, sockets, files and the environment.
"""
