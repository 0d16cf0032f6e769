"""What cannot be the same when the API is a Lambda function behind a gateway, and why: files, or tests in files."""

_CALLERS = "the gateway has to do with connections: it gives us requests that are whole, and ends those that never are"
_LARGE = "a gateway takes 10 MB, and refuses more itself"
_LENGTH = "a gateway knows how long a body is: no upload is without a length"
_TEXT = "what has no type is text to a REST API"
_PROCESS = "a function has neither an address nor threads, and is not told that it ends"

NOT_ON_LAMBDA = {
    "test_slow_callers.py": _CALLERS,
    "test_silence.py": _CALLERS,
    "test_streaming.py": f"{_CALLERS}; {_LARGE}",
    "test_errors.py::test_a_request_of_too_many_bytes_is_too_large": _CALLERS,
    "test_hostile_requests.py::test_an_upload_that_ends_early_is_refused": _CALLERS,
    "test_hostile_requests.py::test_what_follows_an_upload_of_the_length_announced_is_no_part_of_it": _CALLERS,
    "test_hostile_requests.py::test_chunks_without_an_end_are_cut_off": _CALLERS,
    "test_hostile_requests.py::test_drops_from_many_callers_leave_room_for_others": _CALLERS,
    "test_hostile_requests.py::test_what_is_no_http_is_a_problem_too": _CALLERS,
    "test_limits.py::test_bytes_are_refused_before_they_are_read": _CALLERS,
    "test_limits.py::test_bytes_that_never_came_are_given_back": _CALLERS,
    "test_limits.py::test_one_owners_slow_uploads_leave_threads_for_the_others": _CALLERS,
    "test_limits.py::test_an_upload_that_fails_gives_its_place_back": _CALLERS,
    "test_cli_keys.py::test_an_upload_waits_for_its_place": _CALLERS,
    "test_cli_keys.py::test_a_refusal_is_heard_by_whoever_still_sends": _LARGE,
    "test_keys.py::test_a_large_body_without_a_key_is_refused_before_it_is_read": _LARGE,
    "test_keys.py::test_large_bodies_without_a_key_do_no_harm": _LARGE,
    "test_limits.py::test_bytes_without_a_length_are_counted_when_they_have_come": _LENGTH,
    "test_limits.py::test_bytes_without_a_length_are_counted_although_the_upload_is_refused": _LENGTH,
    "test_upload.py::test_a_raw_body_needs_no_type": _TEXT,
    "test_service.py::test_it_listens_on_ipv6": _PROCESS,
    "test_limits.py::test_two_processes_together_allow_what_was_set": _PROCESS,
    "test_limits.py::test_two_processes_together_take_the_bytes_that_were_set": _PROCESS,
    "test_follow.py::test_waits_take_a_share_of_the_threads_only": _PROCESS,
    "test_follow.py::test_sigterm_ends_waits_and_lets_requests_finish": _PROCESS,
}
