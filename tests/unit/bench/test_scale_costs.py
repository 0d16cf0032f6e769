"""Dollars, limits and item sizes of bench/scale against calculations by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simpy import Environment

from bench.scale.calls import item_size
from bench.scale.ceilings import BILLION_A_DAY, Load, find_ceilings
from bench.scale.prices import Prices
from bench.scale.report import sweep_dollars, sweep_dollars_of_a_worker
from bench.scale.simulated_fleet import SimulatedFleet
from bench.scale.simulated_queue import SimulatedQueue, SimulatedWorker
from darkroom.aws.items import SHARDS
from darkroom.aws.owner_lists import PARTS


class TestMoney:
    PRICES = Prices(
        {
            "assumed": {"worker_vcpus": 2, "worker_gb": 4},
            "fargate": {"arm": {"vcpu_hour": 0.03, "gb_hour": 0.004}},
            "ec2": {"x86": {"hour": 0.08, "vcpus": 4}},
            "lambda": {"x86": {"gb_second": 0.00002}, "million_requests": 0.2},
            "s3": {"thousand_put": 0.005, "thousand_get": 0.0004},
            "sqs": {"million_standard": 0.4},
            "dynamodb": {"million_write_units": 0.6, "million_read_units": 0.1},
        }
    )

    def test_worker_costs_match_a_calculation_by_hand(self) -> None:
        assert self.PRICES.fargate_hour("arm") == pytest.approx(2 * 0.03 + 4 * 0.004)
        assert self.PRICES.ec2_hour("x86") == pytest.approx(0.04)
        assert self.PRICES.lambda_bill("x86", 2048, 3600, 1e6) == pytest.approx(2 * 3600 * 0.00002 + 0.2)

    def test_request_costs_match_a_calculation_by_hand(self) -> None:
        calls = {"s3 PutObject": 5.0, "s3 GetObject": 1.0, "sqs SendMessage": 2.0, "sqs ReceiveMessage": 1.0}
        dollars = self.PRICES.requests(calls, {"table": 8.0, "due": 4.0, "read": 1.0})
        assert dollars == pytest.approx(
            {"S3 writes": 25.0, "S3 reads": 0.4, "SQS": 1.2, "DynamoDB reads": 0.1}
            | {"DynamoDB writes of records": 4.8, "DynamoDB writes of indexes": 2.4}
        )

    def test_sweep_costs_match_a_calculation_by_hand(self) -> None:
        minutes = 43_200
        looks = 2 * minutes * ((10 + 32) * 0.1 + 9 * 0.6) / 1e6  # units of the scan and the queries, and writes
        assert sweep_dollars(self.PRICES) == pytest.approx(looks)
        assert sweep_dollars_of_a_worker(self.PRICES) == pytest.approx(minutes * 0.5 * 0.1 / 1e6)

    def test_a_worker_is_billed_for_at_least_a_minute(self) -> None:
        env = Environment()
        queue = SimulatedQueue(env)
        fleet = SimulatedFleet(
            env, lambda: SimulatedWorker(env, queue, lambda photo: env.timeout(photo.cpu)), lambda: 20.0
        )
        fleet.scale_to(1, at_once=True)
        fleet.scale_to(2)
        env.run(until=10)
        fleet.scale_to(1)  # before it has started
        env.run(until=3600)
        assert fleet.seconds(minimum=60) == pytest.approx(3600 + 60)
        assert fleet.seconds() == pytest.approx(3600 + 10)

    def test_the_price_table_is_complete(self) -> None:
        prices = Prices.read()
        calls = {"s3 PutObject": 1.0, "s3 GetObject": 1.0, "sqs SendMessage": 1.0}
        assert all(dollars > 0 for dollars in prices.requests(calls, {"table": 1.0, "due": 1.0, "read": 1.0}).values())
        for chip in ("x86", "arm"):
            hours = (prices.fargate_hour(chip), prices.ec2_hour(chip), prices.lambda_bill(chip, 1769, 3600, 0))
            assert all(0.01 < hour < 0.5 for hour in hours)  # dollars for one vCPU: nobody slipped by a decimal place
        sources = [part["source"] for part in prices.table.values() if isinstance(part, dict) and "source" in part]
        assert len(sources) == 8
        assert all(source.startswith("https://aws.amazon.com/") for source in sources)


class TestLimits:
    LOAD = Load(
        {"s3 PutObject": 4.0, "s3 GetObject": 1.0}, {"table": 3.0, "due": 2.0, "by_owner": 1.0}, 0.2, 0.5, ahead=3.0
    )

    def test_ceilings_are_sorted_and_follow_from_the_calls(self) -> None:
        found = find_ceilings(self.LOAD)
        assert [limit.rate for limit in found] == sorted(limit.rate for limit in found)
        rates = {limit.what: limit.rate for limit in found}
        assert rates["DynamoDB: the index `due`"] == SHARDS * 1000 / 2
        assert rates["DynamoDB: the index `by_owner`, for one owner"] == PARTS * 1000
        assert rates["S3: a new bucket"] == pytest.approx(3500 / 3)
        assert rates["Lambda: concurrent executions"] == 2000
        assert rates["Fargate: tasks of a service"] == 25_000
        assert rates["SQS: messages in flight, containers"] == pytest.approx(120_000 / 3.2)

    def test_a_ceiling_called_fine_is_beyond_a_billion_a_day(self) -> None:
        assert all(limit.rate > BILLION_A_DAY for limit in find_ceilings(self.LOAD) if limit.kind == "fine")

    def test_no_limit_of_our_own_design_is_below_a_billion_a_day(self) -> None:
        assert [limit.what for limit in find_ceilings(self.LOAD) if limit.kind == "design"] == []

    def test_a_limit_of_our_own_below_a_billion_a_day_is_shown_as_ours(self) -> None:
        found = find_ceilings(replace(self.LOAD, units={"table": 3.0, "due": 8.0, "by_owner": 1.0}))
        assert [limit.what for limit in found if limit.kind == "design"] == ["DynamoDB: the index `due`"]


def test_items_are_as_large_as_dynamodb_counts_them() -> None:
    # name and value of each attribute; 3 bytes for a map or a list and 1 for each element; a number's digits by two
    item = {"pk": {"S": "ab"}, "n": {"N": "1234"}, "m": {"M": {"k": {"L": [{"BOOL": True}, {"NULL": True}]}}}}
    assert item_size(item) == (2 + 2) + (1 + 3) + (1 + 3 + (1 + 1 + 3 + 2 * (1 + 1)))
