"""The least that an upload can cost: a Flask app with one route and three calls to AWS, under gunicorn's own threads.

It checks nothing and remembers nothing: no key, no limits, no type, no sha256, no retry, no repeated request. A body is
held in memory. The clients do no work that the calls do not need: they neither check parameters, nor hash a body for
the signature or a checksum, nor wait for `100 Continue` before they send a body.

    gunicorn bench.performance.programs.minimal_flask:app --worker-class gthread --threads 8
"""

from __future__ import annotations

import os
import uuid

import boto3
from botocore.config import Config
from botocore.handlers import add_expect_header
from flask import Flask, Response, request

app = Flask(__name__)

LEAN = Config(
    parameter_validation=False,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"payload_signing_enabled": False},
)
s3, dynamodb, sqs = (boto3.client(service, config=LEAN) for service in ("s3", "dynamodb", "sqs"))
s3.meta.events.unregister("before-call.s3", add_expect_header)
BUCKET, TABLE, QUEUE = (os.environ[f"MINIMAL_{name}"] for name in ("BUCKET", "TABLE", "QUEUE_URL"))


@app.post("/v1/photos")
def upload() -> Response:
    photo_id = str(uuid.uuid4())
    body = request.files["photo"].read() if request.mimetype == "multipart/form-data" else request.get_data(cache=False)
    s3.put_object(Bucket=BUCKET, Key=f"minimal/{photo_id}", Body=body, ContentType="image/jpeg")
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": f"minimal#{photo_id}"}, "size": {"N": str(len(body))}})
    sqs.send_message(QueueUrl=QUEUE, MessageBody=f'{{"photo": "{photo_id}"}}')
    return Response(f'{{"id": "{photo_id}"}}', 202, content_type="application/json")
