"""Costs, from the prices in bench/prices.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent.parent / "prices.toml"

MILLION = 1e6


@dataclass(frozen=True)
class Prices:
    table: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path = TABLE) -> Prices:
        return cls(tomllib.loads(path.read_text()))

    @property
    def assumed(self) -> Mapping[str, Any]:
        assumed: Mapping[str, Any] = self.table["assumed"]
        return assumed

    def fargate_hour(self, chip: str) -> float:
        """Dollars for an hour of one worker."""
        rates = self.table["fargate"][chip]
        return float(self.assumed["worker_vcpus"] * rates["vcpu_hour"] + self.assumed["worker_gb"] * rates["gb_hour"])

    def ec2_hour(self, chip: str) -> float:
        """Dollars for an hour of one worker, with one worker for each vCPU of an instance."""
        instance = self.table["ec2"][chip]
        return float(instance["hour"] / instance["vcpus"] * self.assumed["worker_vcpus"])

    def lambda_bill(self, chip: str, memory: int, seconds: float, invocations: float) -> float:
        """Dollars. `memory` in MB; `seconds`: billed seconds of all invocations."""
        rates = self.table["lambda"]
        return float(
            seconds * memory / 1024 * rates[chip]["gb_second"] + invocations * rates["million_requests"] / MILLION
        )

    def requests(self, calls: Mapping[str, float], units: Mapping[str, float]) -> dict[str, float]:
        """Dollars for a million photos, by service, from the calls and the DynamoDB units of one photo."""
        s3, sqs, dynamodb = self.table["s3"], self.table["sqs"], self.table["dynamodb"]
        puts = sum(
            count for call, count in calls.items() if call in ("s3 PutObject", "s3 CopyObject", "s3 ListObjectsV2")
        )
        gets = sum(count for call, count in calls.items() if call in ("s3 GetObject", "s3 HeadObject"))
        messages = sum(count for call, count in calls.items() if call.startswith("sqs "))
        indexes = sum(count for name, count in units.items() if name not in ("read", "table"))
        write = dynamodb["million_write_units"]
        return {
            "S3 writes": MILLION * puts * s3["thousand_put"] / 1000,
            "S3 reads": MILLION * gets * s3["thousand_get"] / 1000,
            "DynamoDB writes of records": units.get("table", 0) * write,
            "DynamoDB writes of indexes": indexes * write,
            "DynamoDB reads": units.get("read", 0) * dynamodb["million_read_units"],
            "SQS": messages * sqs["million_standard"],
        }

    def logs(self, size: float) -> float:
        """Dollars for a million photos whose log lines have so many bytes."""
        return float(MILLION * size / 1e9 * self.table["cloudwatch"]["gb_logs"])
