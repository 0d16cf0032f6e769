"""The benchmark of slow callers: its percentiles, its table, and when a goal holds."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network

import pytest

from bench.slow_callers.attackers import source_address
from bench.slow_callers.latency_table import (
    HEAD,
    Measured,
    Sample,
    details,
    goal_missed,
    percentile,
    row,
    unexpected_failures,
)
from bench.slow_callers.waves import FURTHER_WAVES, WAVES


def samples(*seconds: float, outcome: str) -> list[Sample]:
    return [Sample(each, outcome) for each in seconds]


UPLOADS = samples(0.1, 0.3, 0.2, outcome="202")
PROBES = samples(0.02, 0.01, outcome="200")
QUIET = Measured("none", 0, UPLOADS, PROBES, 0.5)


class TestPercentile:
    @pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
    def test_of_a_hundred_values(self, percent: float, expected: int) -> None:
        assert percentile(list(range(100, 0, -1)), percent) == expected

    def test_p99_of_few_values_is_the_largest(self) -> None:
        assert percentile([3, 1, 2], 99) == 3

    def test_p50_of_two_values_is_the_smaller(self) -> None:
        assert percentile([2, 1], 50) == 1

    def test_of_one_value(self) -> None:
        assert percentile([7], 0) == percentile([7], 100) == 7


class TestTable:
    def test_a_row_shows_percentiles_ratios_failures_and_load_below_their_headings(self) -> None:
        slow = [*samples(*[0.6] * 3, outcome="202"), Sample(60.0, "timed out")]
        wave = Measured("slow readers", 40, slow, samples(0.01, 0.04, outcome="200"), 1.25)

        cells = row(wave, QUIET).split()

        assert cells[:3] == ["slow", "readers", "40"]
        assert cells[3:8] == ["0.600", "60.000", "60.000", "200.0", "1"]
        assert cells[8:] == ["0.040", "0.040", "2.0", "0", "1.2"]
        assert len(row(wave, QUIET)) == len(HEAD.splitlines()[1])

    def test_a_wave_without_uploads_has_empty_cells(self) -> None:
        text = row(Measured("hung AWS", 1, [], PROBES, 0.5), QUIET)

        assert text.split()[3:8] == ["-"] * 5
        assert len(text) == len(HEAD.splitlines()[1])


class TestGoals:
    def test_a_quiet_api_reaches_them(self) -> None:
        assert goal_missed(QUIET) == []
        assert details(QUIET) == ["none: holds"]

    def test_a_p99_at_the_goal_misses_it(self) -> None:
        seen = Measured("slow readers", 1, samples(0.1, 2.0, outcome="202"), samples(1.0, outcome="200"), 0.5)

        assert goal_missed(seen) == [
            "uploads: p99 2.00 s, the goal is below 2 s",
            "/healthz: p99 1.00 s, the goal is below 1 s",
        ]

    def test_a_fast_refusal_of_the_good_client_misses_them(self) -> None:
        seen = Measured("slow uploads", 1, [*UPLOADS, Sample(0.01, "503")], PROBES, 0.5, Counter({"answer 408": 7}))

        assert details(seen) == [
            "slow uploads: DOES NOT HOLD: uploads: 1 x 503, of 4 requests",
            "    attackers: 7 x answer 408",
        ]
        assert unexpected_failures(seen) == ["503"]

    def test_refusals_of_attackers_are_expected_and_faults_of_the_api_are_not(self) -> None:
        refused = Measured("slow heads", 1, UPLOADS, PROBES, 0.5, Counter({"answer 429": 3, "answer 503": 2}))
        faulty = Measured("slow heads", 1, UPLOADS, PROBES, 0.5, Counter({"answer 500": 1}))

        assert unexpected_failures(refused) == []
        assert unexpected_failures(faulty) == ["answer 500"]

    def test_a_traceback_in_the_log_misses_them(self) -> None:
        seen = Measured("silent connections", 1, UPLOADS, PROBES, 0.5, tracebacks=2)

        assert goal_missed(seen) == ["2 tracebacks in the API's log"]
        assert unexpected_failures(seen) == ["traceback", "traceback"]


class TestAddresses:
    def test_attackers_have_distinct_loopback_addresses_that_are_not_the_good_clients(self) -> None:
        addresses = {source_address(number, 2000) for number in range(2000)}

        assert len(addresses) == 2000
        assert all(ip_address(address) in ip_network("127.0.0.0/8") for address in addresses)
        assert "127.0.0.1" not in addresses

    def test_one_address_for_all(self) -> None:
        assert {source_address(number, 1) for number in range(50)} == {source_address(0, 1)}


def test_a_wave_comes_from_one_address_and_from_one_for_each_attacker() -> None:
    by_name = {wave.name: wave.addresses for wave in WAVES + FURTHER_WAVES}

    assert by_name["slow readers"] == (1, 40)
    assert by_name["slow uploads"] == (1, 200)
    assert by_name["hung AWS"] == (1,)
