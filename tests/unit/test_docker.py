"""Dockerfile and docker-compose.yml agree with the package, the configuration and each other.

Pure reading; tests/system/commands/test_docker_compose.py runs them where there is a Docker engine.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from minibroker.broker.config.properties_file import parse_properties
from minibroker.broker.config.sources import Layer, Loaded, environment_layer, load
from minibroker.cli.main import main
from minibroker.cli.parsers import COMMANDS
from minibroker.cli.terminal.addresses import parse_place

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
ENV = DOCKERFILE.partition("\nENV ")[2].partition("\n")[0]
DEFAULTS = DOCKERFILE.partition("RUN printf '%s\\n' ")[2].partition(
    " > /etc/minibroker.properties"
)[0]
DATA_DIR = "/var/lib/minibroker"


def compose() -> dict[str, Any]:
    """docker-compose.yml with every ${NAME:-default} as the default."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    parsed: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return parsed


def broker_settings(environment: dict[str, str | None]) -> Loaded:
    given = {name: value for name, value in environment.items() if value is not None}
    image = Layer("image", parse_properties("\n".join(DEFAULTS.split())))
    return load([image, environment_layer(given)])


def published(service: dict[str, Any]) -> list[tuple[str, int, int]]:
    """(host address, host port, container port) of each published port."""
    found = [text.split(":") for text in service["ports"]]
    return [(address, int(host), int(inside)) for address, host, inside in found]


def test_every_package_folder_reaches_the_build() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    folders = {each.partition("/")[0] for each in setuptools["package-dir"].values()}
    let_in = set((ROOT / ".dockerignore").read_text(encoding="utf-8").split())
    assert "\nCOPY . .\n" in DOCKERFILE
    assert "*" in let_in
    needed = folders | {"pyproject.toml", "docs/package.md", "LICENSE", "examples"}
    assert {f"!{name}" for name in needed} <= let_in
    assert all((ROOT / name.removeprefix("!")).exists() for name in let_in if name[0] == "!")


def test_the_image_listens_everywhere_and_keeps_data_on_its_volume() -> None:
    loaded = broker_settings({})
    assert not loaded.warnings
    assert [listener.host for listener in loaded.listeners] == [""]
    assert loaded.config.log_dirs == (DATA_DIR,)
    assert loaded.config.durability == "fsync"
    assert f"\nVOLUME {DATA_DIR}\n" in DOCKERFILE
    assert f"-o minibroker -g minibroker {DATA_DIR}\n" in DOCKERFILE


def test_the_image_runs_commands_that_exist_as_another_user_than_root() -> None:
    assert '\nENTRYPOINT ["tini", "--", "minibroker"]\nCMD ["serve"]\n' in DOCKERFILE
    assert 'CMD ["minibroker", "healthcheck"]' in DOCKERFILE
    assert {"serve", "healthcheck"} <= set(COMMANDS)
    assert "useradd --uid 10001 " in DOCKERFILE
    assert "\nUSER minibroker\n" in DOCKERFILE


def test_the_broker_accepts_its_environment_without_a_warning() -> None:
    loaded = broker_settings(compose()["services"]["broker"]["environment"])
    assert not loaded.warnings


@pytest.mark.parametrize("name", ["broker", "kafka"])
def test_containers_and_host_are_each_told_an_address_that_works_for_them(name: str) -> None:
    service = compose()["services"][name]
    listeners = {each.name: each for each in broker_settings(service["environment"]).listeners}
    containers, host = listeners["CONTAINERS"], listeners["HOST"]
    assert containers.host == host.host == ""
    assert (containers.advertised_host, containers.advertised_port) == (name, containers.port)
    told = (host.advertised_host, host.advertised_port, host.port)
    assert published(service) == [told]
    assert host.is_loopback is False
    assert host.advertised_host == "127.0.0.1"


def test_the_image_names_its_file_of_defaults_and_presets_no_property() -> None:
    assert ENV.rstrip().endswith("MINIBROKER_CONFIG=/etc/minibroker.properties")
    assert "KAFKA_" not in ENV
    assert len(DEFAULTS.split()) == 3


def test_an_advertised_name_alone_is_enough() -> None:
    advertised = "PLAINTEXT://broker.example:19092,HOST://127.0.0.1:9094"
    loaded = broker_settings({"KAFKA_ADVERTISED_LISTENERS": advertised})
    found = [
        (each.name, each.host, each.port, each.advertised_host, each.advertised_port)
        for each in loaded.listeners
    ]
    assert found == [
        ("PLAINTEXT", "", 19092, "broker.example", 19092),
        ("HOST", "", 9094, "127.0.0.1", 9094),
    ]
    assert not loaded.warnings


def test_volumes_services_and_files_named_in_compose_exist() -> None:
    parsed = compose()
    services = parsed["services"]
    assert services["broker"]["volumes"] == [f"data:{DATA_DIR}"]
    assert set(parsed["volumes"]) == {"data", "secured"}
    assert "profiles" not in services["broker"]
    client = services["client"]
    assert client["profiles"] == ["demo"]
    assert services["kafka"]["profiles"] == ["kafka"]
    assert services["secure"]["profiles"] == ["secure"]
    assert services["secure"]["image"] == services["broker"]["image"]
    assert services["secure"]["volumes"] == [f"secured:{DATA_DIR}"]
    assert client["image"] == services["broker"]["image"]
    assert set(client["depends_on"]) == {"broker"}
    script = client["entrypoint"][-1].removeprefix("/opt/minibroker/")
    assert (ROOT / script).is_file()
    host, _, port = client["environment"]["BOOTSTRAP_SERVERS"].partition(":")
    containers = broker_settings(services[host]["environment"]).listeners[0]
    assert (containers.advertised_host, containers.advertised_port) == (host, int(port))


def test_only_what_both_compose_generations_know_is_used() -> None:
    parsed = compose()
    assert set(parsed) == {"services", "volumes"}  # v2 warns of "version"
    known = {"build", "image", "profiles", "ports", "environment", "volumes"}
    known |= {"depends_on", "entrypoint", "command", "healthcheck"}
    for service in parsed["services"].values():
        assert set(service) <= known
        values = service.get("environment", {}).values()
        assert all(isinstance(each, str | None) for each in values)  # None: from the shell


def test_prometheus_scrapes_the_broker_and_grafana_shows_what_it_knows() -> None:
    services = compose()["services"]
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["watch"]
        assert all(each.startswith("127.0.0.1:") for each in services[name]["ports"])
    mounted = {}
    for name in ("prometheus", "grafana"):
        for each in services[name]["volumes"]:
            path, inside, mode = each.split(":")
            assert mode == "ro"
            mounted[inside] = (ROOT / path).read_text(encoding="utf-8")
    words = services["broker"]["command"]
    assert words[:2] == ["serve", "--metrics"]
    _, port = parse_place(words[2])
    scraping = yaml.safe_load(mounted["/etc/prometheus/prometheus.yml"])
    (job,) = scraping["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"broker:{port}"]}]
    assert scraping["rule_files"] == ["/etc/prometheus/alerts.yml"]
    alerts = yaml.safe_load(mounted["/etc/prometheus/alerts.yml"])
    assert f'job="{job["job_name"]}"' in alerts["groups"][0]["rules"][0]["expr"]
    provisioning = "/etc/grafana/provisioning"
    sources = yaml.safe_load(mounted[f"{provisioning}/datasources/minibroker.yml"])
    (source,) = sources["datasources"]
    assert source["url"] == "http://prometheus:9090"
    provided = yaml.safe_load(mounted[f"{provisioning}/dashboards/minibroker.yml"])
    folder = provided["providers"][0]["options"]["path"]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{folder}/minibroker.json"
    shown = [each for each in json.loads(mounted[home])["panels"] if each["type"] != "row"]
    assert {each["datasource"]["uid"] for each in shown} == {source["uid"]}


def test_the_secured_broker_listens_only_with_tls_and_logins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = compose()["services"]["secure"]
    script = service["entrypoint"][-1]
    drawn, _, started = script.partition(" && ")
    assert started == "exec minibroker serve"
    words = drawn.split()
    assert words[:3] == ["minibroker", "secure", "secure"]
    directory = tmp_path / "secure"
    assert main(["secure", str(directory), *words[3:]]) == 0
    assert "password: " in capsys.readouterr().out
    kept = parse_properties((directory / "server.properties").read_text(encoding="utf-8"))
    environment = service["environment"]
    assert environment["MINIBROKER_CONFIG"] == f"{DATA_DIR}/secure/server.properties"
    assert environment["COMMAND_CONFIG"] == f"{DATA_DIR}/secure/client.properties"
    named = ("MINIBROKER_CONFIG", "COMMAND_CONFIG", "BOOTSTRAP_SERVERS")
    given = {name: each for name, each in environment.items() if name not in named}
    loaded = load([Layer("kept", kept), environment_layer(given)])
    assert not loaded.warnings
    listeners = {each.name: each for each in loaded.listeners}
    assert {each.security.protocol.name for each in loaded.listeners} == {"SASL_SSL"}
    containers, host = listeners["CONTAINERS"], listeners["HOST"]
    assert (containers.advertised_host, containers.advertised_port) == ("secure", containers.port)
    told = (host.advertised_host, host.advertised_port, host.port)
    assert published(service) == [told]
