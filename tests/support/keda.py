"""JSON schemas of those parts of KEDA's resources that we use: an extract of their definitions that allows no other
properties, so that a misspelt one is an error.

Source: keda.sh_triggerauthentications.yaml of kedacore/keda (config/crd/bases, as of 2.20), crd-scaledobjects.yaml of
kedacore/charts (keda/templates/crds), and, for what a trigger takes, pkg/scalers/aws_sqs_queue_scaler.go of
kedacore/keda, where numbers and booleans are strings.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
SECONDS: Schema = {"type": "integer", "minimum": 0, "maximum": 3600}
BOOLEAN_TEXT: Schema = {"enum": ["true", "false"]}
COUNT_TEXT: Schema = {"type": "string", "pattern": "^[0-9]+$"}


def _closed(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    properties = required | (optional or {})
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _resource(kind: str, spec: Schema) -> Schema:
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    metadata = _closed({"name": TEXT, "namespace": TEXT}, {"labels": labels, "annotations": labels})
    return _closed(
        {"apiVersion": {"const": "keda.sh/v1alpha1"}, "kind": {"const": kind}, "metadata": metadata, "spec": spec}
    )


POLICY = _closed(
    {
        "type": {"enum": ["Pods", "Percent"]},
        "value": {"type": "integer", "minimum": 1},
        "periodSeconds": {"type": "integer", "minimum": 1, "maximum": 1800},
    }
)
RULES = _closed(
    {},
    {
        "stabilizationWindowSeconds": SECONDS,
        "selectPolicy": {"enum": ["Max", "Min", "Disabled"]},
        "policies": {"type": "array", "items": POLICY, "minItems": 1},
    },
)

SQS_QUEUE = _closed(
    {"queueURL": TEXT, "awsRegion": TEXT},
    {
        "queueLength": COUNT_TEXT,
        "activationQueueLength": COUNT_TEXT,
        "scaleOnInFlight": BOOLEAN_TEXT,
        "scaleOnDelayed": BOOLEAN_TEXT,
        "awsEndpoint": TEXT,
    },
)
TRIGGER = _closed(
    {
        "type": {"const": "aws-sqs-queue"},
        "metadata": SQS_QUEUE,
        "authenticationRef": _closed(
            {"name": TEXT}, {"kind": {"enum": ["TriggerAuthentication", "ClusterTriggerAuthentication"]}}
        ),
    },
    {"name": TEXT, "metricType": {"enum": ["AverageValue", "Value"]}, "useCachedMetrics": {"type": "boolean"}},
)

SCHEMAS: dict[str, Schema] = {
    "ScaledObject": _resource(
        "ScaledObject",
        _closed(
            {
                "scaleTargetRef": _closed({"name": TEXT}, {"apiVersion": TEXT, "kind": TEXT}),
                "triggers": {"type": "array", "items": TRIGGER, "minItems": 1},
            },
            {
                "pollingInterval": COUNT,
                "cooldownPeriod": COUNT,
                "idleReplicaCount": COUNT,
                "minReplicaCount": COUNT,
                "maxReplicaCount": COUNT,
                "advanced": _closed(
                    {},
                    {
                        "restoreToOriginalReplicaCount": {"type": "boolean"},
                        "horizontalPodAutoscalerConfig": _closed(
                            {}, {"name": TEXT, "behavior": _closed({}, {"scaleUp": RULES, "scaleDown": RULES})}
                        ),
                    },
                ),
            },
        ),
    ),
    "TriggerAuthentication": _resource(
        "TriggerAuthentication",
        _closed(
            {
                # identityOwner and roleArn exclude each other.
                "podIdentity": _closed(
                    {"provider": {"const": "aws"}}, {"identityOwner": {"enum": ["keda", "workload"]}}
                )
            }
        ),
    ),
}
