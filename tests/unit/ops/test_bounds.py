"""What the machine must grant."""

import resource

import pytest

from ops.bounds import AddressUnusable, PortTaken, TooFewFiles, allow_open_files, open_listener


def test_a_taken_port_is_told_with_the_setting_to_change():
    with open_listener("127.0.0.1", 0, setting="KINORA_PORT") as first:
        port = first.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"Port {port} .*\n.*KINORA_PORT="):
            open_listener("127.0.0.1", port, setting="KINORA_PORT")


def test_an_address_of_another_machine_is_told():
    with pytest.raises(AddressUnusable, match="KINORA_METRICS_PORT"):
        open_listener("192.0.2.1", 0, setting="KINORA_METRICS_PORT")


def test_too_few_files_are_told_with_the_command_that_helps(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 512))
    limits = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    with pytest.raises(TooFewFiles, match="ulimit -n 1024"):
        allow_open_files(1024)
    assert limits == [(512, 512)]


def test_the_soft_limit_is_raised_as_far_as_allowed(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: None)
    assert allow_open_files(1024) == 4096
