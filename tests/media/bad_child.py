"""A child that misbehaves in the way its request's size asks for; run as the real one is."""

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from media.child import main
from media.messages import EncodeRequest, Progress

HANG, DIE, BABBLE, FLOOD, SILENT, LIE, SPIN, TALK = range(9001, 9009)


def say(data: bytes) -> None:
    os.write(1, data)


def misbehave(request: EncodeRequest) -> None:
    match request.size_bytes:
        case 9001:
            say(msgspec.json.encode(Progress(value=0.5)) + b"\n")
            Path("pid").write_text(str(os.getpid()))
            time.sleep(600)
        case 9002:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 9003:
            say(b'{"type":"encoded","media":{}}\n')
            time.sleep(600)
        case 9004:
            say(b"x" * 1_000_000)
            time.sleep(600)
        case 9005:
            sys.exit(0)
        case 9006:
            say(b'{"type":"still","file":"../../etc/passwd"}\n')
        case 9007:
            os.kill(os.getpid(), signal.SIGXCPU)
        case 9008:
            os.write(2, b"words " * 100_000)
            sys.exit(3)


if __name__ == "__main__":
    request = msgspec.json.decode(sys.argv[2], type=EncodeRequest)
    if request.size_bytes > 9000 and request.size_bytes < 9100:
        from media.sandbox import die_with_parent

        die_with_parent(int(sys.argv[1]))
        misbehave(request)
    else:
        main(sys.argv[1:])
