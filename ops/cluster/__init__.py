"""`kinora cluster`: the whole fleet on one machine, from one command, and gone after another.

    command.py     what is typed
    start.py       what the commands do
    lifecycle.py   up and down, from any shell
    record.py      what a cluster is, in its folder: shape, ports, identity
    plan.py        from that to what the supervisor is to run
    environment.py what every process of Kinora is told
    prepare.py     secrets and the edge's configuration
    program.py     the detached supervisor's own program
    images.py      engines as containers
    container.py   one container in the foreground, as a process that the supervisor can end
    table.py       what is shown
    tail.py        logs

Nothing here serves anybody: `ops/supervisor/` runs processes, `ops/engines/` says how engines start.
"""
