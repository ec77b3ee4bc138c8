"""Logs: whole, bounded and without secrets."""

import io
import json
import logging
import threading

import structlog

from gateway.errors import log
from ops.logs import LinePipe, open_logs
from sharding.errors import NotFound
from sharding.shards import shard_of

ANN = 383021098792390660

JWT = "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
REFRESH = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def lines_of(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_refusal_is_one_json_line_with_request_user_and_shard():
    stream = io.StringIO()
    refused = NotFound()
    with open_logs(stream):
        log(refused, refused, route="GET /video/{video_id}", request_id="r1", user_id=ANN)
    (line,) = lines_of(stream)
    assert (line["event"], line["level"]) == ("request_refused", "info")
    assert line["route"] == "GET /video/{video_id}"
    assert (line["request_id"], line["user_id"], line["shard"]) == ("r1", str(ANN), shard_of(ANN))
    assert "executed=False" in line["error"]
    assert "at" in line


def test_what_a_driver_logs_takes_the_same_way():
    stream = io.StringIO()
    with open_logs(stream):
        logging.getLogger("driver").warning("slow %s", "query")
    (line,) = lines_of(stream)
    assert (line["event"], line["logger"], line["level"]) == ("slow query", "driver", "warning")


def test_no_secret_gets_out_by_name_by_form_or_in_a_traceback():
    stream = io.StringIO()
    with open_logs(stream):
        log = structlog.get_logger()
        log.info("a", authorization=f"Bearer {JWT}", password="hunter2hunter2", ok="yes")
        log.info("b", headers={"Cookie": "c=1", "X": [f"Bearer {JWT}"]}, raw=b"hunter2hunter2")
        log.info(f"GET /ws?ticket={REFRESH} with {JWT}")
        log.info("c", body=f'{{"refresh_token": "{REFRESH}", "password":"hunter2hunter2"}}')
        log.info("d", url="http://h/m/abcdefghijklmnopqrstuv/1790000000/v/1/1/x.mp4")
        try:
            raise ValueError(f"bad token={REFRESH}")
        except ValueError:
            log.exception("e")
            logging.getLogger("x").exception("f")
    text = stream.getvalue()
    assert len(lines_of(stream)) == 7
    for secret in (JWT, "hunter2hunter2", REFRESH, "abcdefghijklmnopqrstuv"):
        assert secret not in text
    assert '"ok":"yes"' in text
    assert "ValueError" in text


def test_a_stuck_reader_costs_lines_and_never_time():
    class Stuck(io.StringIO):
        def __init__(self):
            super().__init__()
            self.go = threading.Event()

        def write(self, text):
            self.go.wait(10)
            return super().write(text)

    stream = Stuck()
    pipe = LinePipe(stream, 4)
    for number in range(20):
        pipe.put_nowait(f'{{"n":{number}}}')
    assert pipe.dropped >= 15
    stream.go.set()
    pipe.close()
    written = lines_of(stream)
    assert {"level": "warning", "event": "logs.dropped", "lines": pipe.dropped} in written
    assert len(written) + pipe.dropped == 21


def test_what_is_below_the_level_is_not_written():
    stream = io.StringIO()
    with open_logs(stream, level="warning"):
        structlog.get_logger().info("quiet")
        logging.getLogger("x").info("quiet")
        structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines_of(stream)] == ["loud"]


def test_text_is_for_people():
    stream = io.StringIO()
    with open_logs(stream, form="text"):
        structlog.get_logger().info("hello", token="hunter2hunter2")
    assert "hello" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
