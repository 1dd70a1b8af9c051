"""Families as text: the same bytes that prometheus_client makes of them, whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minibroker.broker.figures import Histogram
from minibroker.broker.metrics.exposition import LINES_A_PIECE, Exposition
from minibroker.broker.metrics.family import (
    Distribution,
    Family,
    Kind,
    Quantiles,
    Sample,
    Told,
    counter,
    gauge,
)
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.support.metrics.asking import families_of_open_metrics as open_metrics

ACCEPTS = ["", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"]
LAG = gauge("kafka_consumergroup_lag", "Lag", "consumergroup", "topic")
BYTES = counter("minibroker_x_total", "Bytes", "topic", "a")


def pieces(accept: str, family: Family, told: list[Told]) -> list[bytes]:
    return list(Exposition(accept).pieces((family, told)))


def by_the_library(accept: str, family: Family, told: list[Sample]) -> bytes:
    metric = Metric(family.name.removesuffix("_total"), family.meaning, family.kind.value)
    for sample in told:
        metric.add_sample(
            family.name, dict(zip(family.labels, sample.labels, strict=False)), sample.value
        )
    registry = CollectorRegistry()

    class Whole:
        def collect(self) -> list[Metric]:
            return [metric]

    registry.register(Whole())
    text: bytes = choose_encoder(accept)[0](registry)
    return text.removesuffix(b"# EOF\n")


values = st.one_of(st.integers(-(2**63), 2**63), st.floats(), st.booleans())
samples = st.lists(
    st.builds(Sample, st.one_of(st.just(()), st.tuples(st.text(), st.text())), values), max_size=5
)


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("family", [LAG, BYTES], ids=["gauge", "counter"])
@given(told=samples)
def test_lines_are_the_bytes_that_the_library_writes(
    accept: str, family: Family, told: list[Sample]
) -> None:
    assert b"".join(pieces(accept, family, [*told])) == by_the_library(accept, family, told)


@pytest.mark.parametrize("accept", ACCEPTS)
def test_pieces_are_short_and_say_once_what_they_are(accept: str) -> None:
    told: list[Told] = [Sample((f"g{number}", "t"), number) for number in range(1000)]
    made = pieces(accept, LAG, told)
    assert max(piece.count(b"\n") for piece in made) <= LINES_A_PIECE
    whole = b"".join(made).decode()
    assert whole.count("# HELP") == whole.count("# TYPE") == 1
    assert whole.count("\n") == 1002
    found = next(iter(plain(whole) if not accept else open_metrics(whole + "# EOF\n")))
    assert [each.value for each in found.samples] == list(range(1000))


@pytest.mark.parametrize("accept", ACCEPTS)
def test_histograms_and_summaries_are_those_of_prometheus(accept: str) -> None:
    histogram = Histogram((0.1, 1.0))
    for measured in (0.1, 0.5, 7.0):
        histogram.add(measured)
    seconds = Family("minibroker_s", Kind.HISTOGRAM, "Seconds", ("request",))
    times = Family("kafka_ms", Kind.SUMMARY, "Milliseconds")
    text = b"".join(pieces(accept, seconds, [Distribution(("Fetch",), histogram)]))
    text += b"".join(pieces(accept, times, [Quantiles((), (("0.5", 2.0),), 3, 7.5)]))
    parse = open_metrics if accept else plain
    found = {
        (sample.name, *sorted(sample.labels.values(), reverse=True)): sample.value
        for family in parse(text.decode() + ("# EOF\n" if accept else ""))
        for sample in family.samples
    }
    assert found == {
        ("minibroker_s_bucket", "Fetch", "0.1"): 1,
        ("minibroker_s_bucket", "Fetch", "1.0"): 2,
        ("minibroker_s_bucket", "Fetch", "+Inf"): 3,
        ("minibroker_s_count", "Fetch"): 3,
        ("minibroker_s_sum", "Fetch"): pytest.approx(7.6),
        ("kafka_ms", "0.5"): 2,
        ("kafka_ms_count",): 3,
        ("kafka_ms_sum",): 7.5,
    }


def test_a_family_without_values_says_what_it_is() -> None:
    assert pieces("", LAG, []) == [
        b"# HELP kafka_consumergroup_lag Lag\n# TYPE kafka_consumergroup_lag gauge\n"
    ]
