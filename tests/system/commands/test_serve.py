"""EDGE: `minibroker serve` as a process: start lines, errors in one line, exit codes."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, CompletedProcess
from urllib.request import urlopen

import pytest

from tests.support.processes.broker import ForkedBroker
from tests.support.processes.commands import Command, run
from tests.support.security.listeners import Authority

RUN = "import sys; from minibroker.cli.main import main; sys.exit(main())"
TIMEOUT_S = 20.0


def serve(*options: str, **environ: str) -> CompletedProcess[bytes]:
    """Run serve until it ends by itself."""
    here = ("--listeners", "PLAINTEXT://127.0.0.1:0")
    return run("serve", *here, *options, env=environ, timeout=TIMEOUT_S)


def last_line(ended: CompletedProcess[bytes]) -> str:
    said = ended.stderr.decode()
    assert "Traceback" not in said
    assert ended.stdout == b""
    return said.splitlines()[-1]


def said_until_ready(*words: str) -> bytes:
    """What serve writes to standard error until it is ready, and is told to end."""
    with Command("serve", *words, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
        return process.stderr.read()


def test_a_misspelt_setting_exits_2_with_the_nearest_right_one() -> None:
    ended = serve("--set", "num.partition=3")
    assert ended.returncode == 2
    assert last_line(ended) == (
        "minibroker serve: --set: unknown property num.partition; did you mean num.partitions?"
    )


def test_a_misspelt_option_exits_2() -> None:
    assert serve("--log-dir").returncode == 2


def test_a_port_in_use_exits_1_and_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = serve("--listeners", f"PLAINTEXT://127.0.0.1:{port}")
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in last_line(ended)
    assert "--listeners" in last_line(ended)


def test_a_data_directory_in_use_exits_1_and_names_it(tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path) as broker:
        ended = serve("--log-dirs", str(tmp_path))
        assert ended.returncode == 1
        assert str(tmp_path) in last_line(ended)
        assert str(broker.pid) in last_line(ended)


def test_a_killed_brokers_directory_is_free_at_once(tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path) as broker:
        broker.kill()
        broker.start()


def test_a_directory_that_cannot_be_written_exits_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    ended = serve("--log-dirs", str(tmp_path / "file" / "data"))
    assert ended.returncode == 1
    assert str(tmp_path / "file") in last_line(ended)


def test_a_damaged_log_exits_1_and_names_file_and_position(tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path) as broker:
        broker.restart()
    log = tmp_path / "__cluster_metadata-0" / "00000000000000000000.log"
    damaged = bytearray(log.read_bytes())
    damaged[70] ^= 0xFF  # in the first of two batches
    log.write_bytes(damaged)
    ended = serve("--log-dirs", str(tmp_path))
    assert ended.returncode == 1
    assert str(log) in last_line(ended)
    assert "damaged at byte 0" in last_line(ended)


def test_a_torn_tail_is_cut_and_reported(tmp_path: Path) -> None:
    with ForkedBroker(data_dir=tmp_path) as broker:
        broker.kill()
        log = tmp_path / "__cluster_metadata-0" / "00000000000000000000.log"
        with log.open("ab") as file:
            file.write(b"half a batch")
        broker.start()
        assert "cut 12 bytes" in broker.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", RUN, "serve", "--listeners", "PLAINTEXT://127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--log-dirs", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        ready, started = process.stdout.readline(), process.stdout.readline()
        assert ready.startswith(b"minibroker ready: listeners=PLAINTEXT://127.0.0.1:")
        assert b" durability=fsync " in ready
        assert started == b"[KafkaServer id=1] started\n"
        process.send_signal(number)
        output, errors = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
        assert output == b""
        assert b"survives kill -9 and power loss" in errors


def test_the_environment_configures_as_in_kafkas_containers() -> None:
    ended = serve(KAFKA_NUM_PARTITIONS="none", KAFKA_SERVICE_HOST="10.0.0.1")
    assert ended.returncode == 2
    assert "environment: num.partitions=none: expected a whole number" in last_line(ended)


def test_listening_beyond_loopback_warns_once() -> None:
    errors = said_until_ready("--listeners", "PLAINTEXT://0.0.0.0:0")
    assert errors.count(b"open to the network") == 1


def test_metrics_are_told_where_the_ready_line_says_with_a_warning_beyond_loopback() -> None:
    for host, is_open in (("127.0.0.1", False), ("", True)):
        with ForkedBroker(options=("--metrics", f"{host}:0")) as broker:
            found = re.search(r" metrics=http://[\d.]+:(\d+)/metrics$", broker.ready_line)
            assert found is not None, broker.ready_line
            with urlopen(f"http://127.0.0.1:{found[1]}/readyz", timeout=TIMEOUT_S) as answer:
                assert answer.read() == b"ok\n"
            assert broker.said.count("event=metrics-open") == is_open


def test_a_port_for_metrics_in_use_exits_1_and_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = serve("--metrics", f"127.0.0.1:{port}")
    assert ended.returncode == 1
    assert f"127.0.0.1:{port} (metrics)" in last_line(ended)
    assert "--metrics" in last_line(ended)


def test_who_asks_for_no_metrics_does_not_load_what_tells_them() -> None:
    code = """if True:
        import sys
        import minibroker.cli.commands.serve
        import minibroker.broker.runtime
        assert not {"h11", "prometheus_client"} & {*sys.modules}
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT_S)


def test_a_certificate_that_cannot_be_read_is_a_wrong_configuration(tmp_path: Path) -> None:
    where = f"ssl.keystore.location={tmp_path / 'no.pem'}"
    told = ("--listeners", "SSL://127.0.0.1:0", "--set", "ssl.keystore.type=PEM", "--set", where)
    ended = serve(*told)
    assert ended.returncode == 2
    assert last_line(ended).endswith("no.pem: No such file or directory")


@pytest.mark.parametrize(
    ("protocol", "lacks"),
    [
        ("SSL", b"without authentication"),
        ("SASL_PLAINTEXT", b"without encryption"),
        ("SASL_SSL", b""),
    ],
)
def test_what_a_listener_beyond_loopback_lacks_is_named(
    tmp_path: Path, protocol: str, lacks: bytes
) -> None:
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(Authority(tmp_path).write_broker()),
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    }
    words = ["--listeners", f"{protocol}://0.0.0.0:0"]
    for name, value in settings.items():
        words += ["--set", f"{name}={value}"]
    errors = said_until_ready(*words)
    assert errors.count(b"open to the network") == bool(lacks)
    assert lacks in errors
