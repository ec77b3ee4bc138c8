"""A small supervisor of our own: processes that are described, kept running, and never left behind.

    spec.py         what is to run: frozen descriptions and named bounds
    exit_codes.py   what a process says by ending
    supervisor.py   all of them: order, health, failure of the start, the end
    supervised.py   one of them: start, readiness, restart with back-off, stop
    running.py      one life of one of them: pid, output, exit
    child.py        the step between fork and the program, which ties it to the supervisor's life
    state.py        what others may know, in a file that is replaced whole
    control.py      what others may ask, over a Unix socket
    step.py         a step within the supervisor itself
    run_folder.py   what a process and the supervisor tell each other: ready, and proven dead

It knows nothing of Kinora and of engines; `ops/cluster/` describes those. Linux only: it leans on pidfd,
PR_SET_PDEATHSIG and /proc.
"""
