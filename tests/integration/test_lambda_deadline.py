"""What the worker's Lambda function does when its timeout is near, over, or too short."""

from __future__ import annotations

import pytest

from tests.support.lambda_functions import (
    MISBEHAVING,
    RESIZE,
    SHORT,
    SLEEP,
    Lambda,
    counts,
    is_done,
    names,
)
from tests.support.lambda_runtime import TaskTimedOut


class TestTime:
    def test_messages_without_enough_time_left_are_given_back_unstarted(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        sleeping = stack.submit(picture, *[SLEEP] * 3)
        photos = [stack.submit(picture, RESIZE) for _ in range(2)]
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT))
        messages = sorted(aws_lambda.receive_all(source, 3), key=lambda message: sleeping.id not in message["Body"])

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [message["MessageId"] for message in messages[1:]]
        codes = [error.code for job in stack.look(sleeping).jobs.values() for error in job.errors]
        assert codes == ["time_limit_exceeded"] * 3
        assert {order.claim_count for photo in photos for order in stack.look(photo).orders.values()} == {0}
        (capped,) = aws_lambda.logged("time_limit.capped")
        assert capped["seconds"] < capped["wanted"]
        back = aws_lambda.receive_all(source, 2)
        assert names(source.function.invoke(source.event(back))) == []
        assert all(is_done(stack, photo) for photo in photos)

    def test_a_photo_in_progress_near_the_deadline_is_given_back_and_continues_where_it_stopped(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        photo = stack.submit(picture, *[SLEEP] * 9, RESIZE)
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT))
        messages = aws_lambda.receive_all(source, 1)

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [messages[0]["MessageId"]]
        record = stack.look(photo)
        assert record.counts["failed"] > 0, "nothing of it was done"
        unfinished = [job for job in record.jobs.values() if job.unfinished]
        assert {(job.status, job.attempts, job.errors[-1].code) for job in unfinished} == {("queued", 0, "interrupted")}

        with source.running():
            record = stack.wait_for(photo)

        assert [job.status for job in record.jobs.values()] == ["failed"] * 9 + ["succeeded"]
        assert source.function.starts == 1, "the environment was to stay in use"

    def test_an_invocation_that_times_out_loses_nothing_and_leaves_nothing_on_the_disk(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        spool = stack.services.settings.spool_dir
        hanging, good = (stack.submit(picture, RESIZE) for _ in range(2))
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT, HANG=hanging.id))
        messages = sorted(aws_lambda.receive_all(source, 2), key=lambda message: hanging.id in message["Body"])
        with pytest.raises(TaskTimedOut):
            source.function.invoke(source.event(messages))
        assert is_done(stack, good)
        assert len(list(spool.glob("slot-*"))) == 1
        # As the queue does once its timeout is over.
        source.sqs.change_message_visibility_batch(
            QueueUrl=source.queue_url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for number, message in enumerate(messages)
            ],
        )
        with source.running():
            stack.wait_until_empty()
        assert is_done(stack, hanging)
        assert {job.attempts for photo in (hanging, good) for job in stack.look(photo).jobs.values()} == {1}
        assert source.function.starts == 2
        assert list(spool.iterdir()) == []

    def test_a_timeout_too_short_for_any_work_is_an_error(self, aws_lambda: Lambda, picture: bytes) -> None:
        aws_lambda.stack.submit(picture, RESIZE)
        source = aws_lambda.source(aws_lambda.function(timeout=11))
        source.poll()
        (error,) = source.answers
        assert "too short to process a photo: give the function a longer timeout" in str(error)
        assert counts(aws_lambda.stack.services.photos) == (0, 1)
