"""EDGE: an environment of its own for each foreign client, made on demand under build/interop/.

Each function returns how to run a client's program (programs/command_line.py says how it is
spoken to) or raises EnvironmentMissing. What is made stays, and is made anew when its recipe has
changed. Packages come from wherever this machine's pip, npm, go, apt and mvn get them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import kafka

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "build" / "interop"
PROGRAMS = Path(__file__).with_name("programs")
PACKAGE = "tests.interop.matrix.programs"
MAKE_TIMEOUT_S = 600
COPY_JARS = ("dependency:copy-dependencies", "-DoutputDirectory=jars", "-DincludeScope=runtime")
QUICK_JAVA = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
SIMPLE_LOGGER = "org.slf4j:slf4j-simple:1.7.36"  # to standard error


class EnvironmentMissing(Exception):
    """A tool or package cannot be had here; the text is the reason of a skip."""


class Runnable(NamedTuple):
    """How a program is started: command line, and what to add to the environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def python_packages(
    name: str,
    module: str,
    requirements: Sequence[str],
    newest_python: tuple[int, int],
    package: str = PACKAGE,
) -> Runnable:
    """Run a program of this repository with exact packages.

    Args:
        module: the program, in `package`.
        newest_python: the last Python that the packages are for; this one, unless it is newer.
    """

    def make(folder: Path) -> None:
        _run([_python(newest_python), "-m", "venv", str(folder)], "python -m venv")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run([*pip, *requirements], "pip")

    folder = _made(name, "\n".join(requirements), make)
    return _program_of_ours(str(folder / "bin" / "python"), f"{package}.{module}")


def kcat() -> Runnable:
    """Run the kcat on the PATH; on Debian as root it is installed when it is missing."""
    if shutil.which("kcat") is None:
        if os.getuid() != 0 or shutil.which("apt-get") is None:
            raise EnvironmentMissing("kcat is not on the PATH, and only root could install it")
        _run(["apt-get", "install", "--yes", "--quiet", "kcat"], "apt-get")
    return _program_of_ours(sys.executable, f"{PACKAGE}.kcat")


def node_packages(name: str, program: str, packages: str) -> Runnable:
    """Run a JavaScript program with the packages of a package.json."""
    _require("node", "npm")
    sources = {"client.js": _source(program), "package.json": _source(packages)}

    def make(folder: Path) -> None:
        _write(folder, sources)
        quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        _run(["npm", "install", *quiet], "npm", cwd=folder)

    folder = _made(name, "\n".join(sources.values()), make)
    return Runnable(("node", str(folder / "client.js")), {})


def go_module(name: str, program: str, module: str) -> Runnable:
    """Build a Go program; `go mod tidy` completes its go.mod, so the first time takes a minute."""
    _require("go")
    sources = {"main.go": _source(program), "go.mod": _source(module)}

    def make(folder: Path) -> None:
        _write(folder, sources)
        _run(["go", "mod", "tidy"], "go mod tidy", cwd=folder)
        _run(["go", "build", "-o", "client", "."], "go build", cwd=folder)

    folder = _made(name, "\n".join(sources.values()), make)
    return Runnable((str(folder / "client"),), {})


def java_class(name: str, program: str) -> Runnable:
    """Compile one Java file against the jars of Apache Kafka."""
    _require("javac")
    jars = _jars()
    source = PROGRAMS / program

    def make(folder: Path) -> None:
        _run(["javac", "-cp", jars, "-d", str(folder), str(source)], "javac")

    folder = _made(name, f"{kafka.VERSION}\n{_source(program)}", make)
    return Runnable(("java", "-cp", f"{folder}{os.pathsep}{jars}", source.stem), {})


def maven_program(name: str, source: Path, artifacts: Sequence[str]) -> Runnable:
    """Compile one Java file against Maven artifacts, and all that those need.

    Args:
        artifacts: GROUP:NAME:VERSION of each.
    """
    _require("javac", "mvn")
    pom = _pom([*artifacts, SIMPLE_LOGGER])
    text = source.read_text(encoding="utf-8")

    def make(folder: Path) -> None:
        _write(folder, {"pom.xml": pom})
        _run(["mvn", "-q", "-B", *COPY_JARS], "mvn", cwd=folder)
        _run(["javac", "-cp", f"{folder}/jars/*", "-d", str(folder), str(source)], "javac")

    folder = _made(name, f"{pom}{text}", make)
    classpath = f"{folder}{os.pathsep}{folder}/jars/*"
    return Runnable(("java", *QUICK_JAVA, "-cp", classpath, source.stem), {})


def maven_class(name: str, java_class: str, artifacts: Sequence[str]) -> Runnable:
    """Run a class of Maven artifacts (as for maven_program), with all that those need."""
    _require("java", "mvn")
    pom = _pom([*artifacts, SIMPLE_LOGGER])

    def make(folder: Path) -> None:
        _write(folder, {"pom.xml": pom})
        _run(["mvn", "-q", "-B", *COPY_JARS], "mvn", cwd=folder)

    folder = _made(name, pom, make)
    return Runnable(("java", *QUICK_JAVA, "-cp", f"{folder}/jars/*", java_class), {})


def java_tool(module: str) -> Runnable:
    """Run a Python program that calls a tool in the jars of Apache Kafka."""
    return _program_of_ours(sys.executable, f"{PACKAGE}.{module}", {"JAVA_CLASSPATH": _jars()})


def _program_of_ours(
    python: str, module: str, environment: Mapping[str, str] | None = None
) -> Runnable:
    return Runnable((python, "-m", module), {"PYTHONPATH": str(ROOT), **(environment or {})})


def _python(newest: tuple[int, int]) -> str:
    if sys.version_info[:2] <= newest:
        return sys.executable
    name = "python{}.{}".format(*newest)
    _require(name)
    return name


def _jars() -> str:
    if (reason := kafka.missing_tools()) is not None:
        raise EnvironmentMissing(reason)
    try:
        return f"{kafka.fetch()}/*"
    except kafka.RealKafkaError as error:
        raise EnvironmentMissing(str(error)) from error


def _pom(artifacts: Sequence[str]) -> str:
    needed = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
        "</dependency>".format(*each.split(":"))
        for each in artifacts
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>minibroker</groupId>"
        f"<artifactId>program</artifactId><version>1</version><dependencies>{needed}"
        "</dependencies></project>"
    )


def _require(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            raise EnvironmentMissing(f"{tool} is not on the PATH")


def _source(name: str) -> str:
    return (PROGRAMS / name).read_text(encoding="utf-8")


def _write(folder: Path, sources: Mapping[str, str]) -> None:
    for name, text in sources.items():
        (folder / name).write_text(text, encoding="utf-8")


def _made(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name; `make` fills it unless it was made by the same recipe before."""
    folder = BUILT / name
    stamp = folder / ".ready"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != recipe:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        stamp.write_text(recipe, encoding="utf-8")
    return folder


def _run(command: Sequence[str], name: str, *, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=MAKE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentMissing(f"{name} failed: {error}") from error
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise EnvironmentMissing(f"{name} failed: {' / '.join(said)}")
