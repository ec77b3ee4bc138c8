"""Start a program that nobody waits for: prints its pid and leaves it to the system.

    python -I -S detach.py LOG PROGRAM ARGUMENT...

The program gets a session of its own, nothing to read, LOG to write to, and no parent that would have to
collect it: whoever starts it may end at once or live for ever. Standard library only, as in child.py.
"""

import os
import sys


def main(arguments: list[str]) -> int:
    """Fork; the parent tells the number, the child becomes the program."""
    log, *argv = arguments
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        # Not before it is on its own: a number that is told is one that can be waited for.
        os.read(told, 1)
        print(pid, flush=True)
        return 0
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(told)
    os.close(tell)
    try:
        os.execvpe(argv[0], argv, os.environ)
    except OSError as error:
        print(f"{argv[0]} cannot be run: {error.strerror}", file=sys.stderr, flush=True)
    os._exit(78)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
