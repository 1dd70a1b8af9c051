"""EDGE: one target of targets.py for some seconds: python -m tests.fuzz.guided TARGET SECONDS SEED

Codec and batch by coverage where atheris is installed (the extra minibroker[fuzz]), with a corpus
that grows in build/fuzz; else, and the slower connection always, by our own mutations alone.
An input that fails is written to found/ and ends it, with an exit code other than 0.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import time
from pathlib import Path
from random import Random
from types import ModuleType

try:
    import atheris
except ImportError:
    atheris = None

FOUND = Path(__file__).parent / "found"
CORPORA = Path(__file__).parents[2] / "build" / "fuzz"
BY_COVERAGE = ("codec", "batch")
INPUT_BYTES_MAX = 8_192
RSS_MB_MAX = 2_048
SEEDS_MAX = 300


def keep(target: str, data: bytes) -> Path:
    """Write an input that failed, to be replayed by `make test`."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.write_bytes(data)
    return path


class Judged:
    """A target that keeps the input at which it fails."""

    def __init__(self, target: str, targets: ModuleType) -> None:
        self._target = target
        self._judge = targets.TARGETS[target]
        self.runs = 0

    def __call__(self, data: bytes) -> None:
        self.runs += 1
        try:
            self._judge(data)
        except BaseException:
            print(f"{self._target}: failed at {keep(self._target, data)}", flush=True)
            raise


def by_mutation(target: str, seconds: float, seed: int) -> None:
    """Spoil the seeds again and again."""
    targets = importlib.import_module("tests.fuzz.targets")
    judged = Judged(target, targets)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        judged(targets.SPOILT[target](Random(f"{seed}/{judged.runs}")))
    print(f"{target}: {judged.runs} inputs by mutation, seed {seed}", flush=True)


def by_coverage(target: str, seconds: float, seed: int) -> None:
    """Let atheris lead; it ends this process."""
    with atheris.instrument_imports(include=["minibroker"]):
        targets = importlib.import_module("tests.fuzz.targets")
        mutations = importlib.import_module("tests.fuzz.mutations")
    if target == "codec":
        compiler = importlib.import_module("minibroker.protocol.codec.compiler")
        for which in targets.ALL:  # made at run time, so no import hook has seen them
            atheris.instrument_func(compiler.decoder(which.message, which.version))
            atheris.instrument_func(compiler.encoder(which.message, which.version))
    spoilt = [targets.SPOILT[target](Random(f"{seed}/{n}")) for n in range(SEEDS_MAX)]
    judged = Judged(target, targets)

    def mutate(data: bytes, size_max: int, number: int) -> bytes:
        if number % 2:
            return bytes(atheris.Mutate(data, size_max))
        made: bytes = mutations.mutated(data, Random(number), spoilt)
        return made[:size_max]

    corpus = CORPORA / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(spoilt):
        (corpus / f"seed-{number}").write_bytes(data[:INPUT_BYTES_MAX])
    options = {
        "max_total_time": max(int(seconds), 1),
        "seed": seed,
        "max_len": INPUT_BYTES_MAX,
        "rss_limit_mb": RSS_MB_MAX,
        "verbosity": 0,
        "print_final_stats": 1,
        "artifact_prefix": f"{corpus}/",
    }
    arguments = [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)]
    atheris.Setup(arguments, judged, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> None:
    """See the file's docstring."""
    target, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    if atheris is not None and target in BY_COVERAGE:
        by_coverage(target, seconds, seed)
    else:
        by_mutation(target, seconds, seed)


if __name__ == "__main__":
    main()
