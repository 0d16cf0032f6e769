"""What cannot be the same when the API is a Lambda function behind a gateway, and why: files, or tests in files."""

_CALLERS = "the gateway handles connections: it passes on complete requests only, and refuses incomplete ones itself"
_LARGE = "a gateway accepts at most 10 MB, and refuses larger bodies itself"
_LENGTH = "a gateway knows the length of each body: no upload is without a length"
_TEXT = "a REST API decodes a body without a Content-Type as text"
_PROCESS = "a function has no address and no threads, and gets no signal before it ends"

NOT_ON_LAMBDA = {
    "test_slow_callers.py": _CALLERS,
    "test_slow_readers.py": _CALLERS,
    "test_connections.py": _CALLERS,
    "test_silence.py": _CALLERS,
    "test_live.py": _CALLERS,
    "test_live_browser.py": _CALLERS,
    "test_batch_archives.py": "a function cannot send a response of any length",
    "test_streaming.py": f"{_CALLERS}; {_LARGE}",
    "test_contract.py::test_http_errors_are_documented_for_every_operation": _CALLERS,
    "test_errors.py::test_a_request_of_too_many_bytes_is_too_large": _CALLERS,
    "test_hostile_requests.py::test_an_upload_that_ends_early_is_refused": _CALLERS,
    "test_hostile_requests.py::test_bytes_after_the_announced_length_are_not_part_of_the_upload": _CALLERS,
    "test_hostile_requests.py::test_chunks_without_an_end_are_cut_off": _CALLERS,
    "test_hostile_requests.py::test_many_slow_uploads_leave_threads_for_others": _CALLERS,
    "test_hostile_requests.py::test_invalid_http_gets_a_problem_document": _CALLERS,
    "test_hostile_requests.py::test_an_invalid_head_is_explained_and_not_repeated": _CALLERS,
    "test_hostile_requests.py::test_http_1_1_needs_a_valid_host": _CALLERS,
    "test_hostile_requests.py::test_hosts_and_codings_that_http_allows_are_accepted": _CALLERS,
    "test_hostile_requests.py::test_a_head_that_is_cut_short_is_not_logged": _CALLERS,
    "test_hostile_requests.py::test_invalid_chunks_and_trailers_are_explained_and_not_repeated": _CALLERS,
    "test_hostile_requests.py::test_slashes_at_the_start_of_a_path_get_404": _CALLERS,
    "test_limits.py::test_bytes_are_refused_before_they_are_read": _CALLERS,
    "test_limits.py::test_bytes_that_did_not_arrive_are_not_counted": _CALLERS,
    "test_limits.py::test_slow_uploads_of_one_owner_leave_threads_for_the_others": _CALLERS,
    "test_limits.py::test_an_upload_that_fails_frees_its_place": _CALLERS,
    "test_cli_keys.py::test_the_client_waits_for_a_free_upload_place": _CALLERS,
    "test_cli_keys.py::test_a_client_that_is_still_sending_reads_the_refusal": _LARGE,
    "test_keys.py::test_a_large_body_without_a_key_is_refused_before_it_is_read": _LARGE,
    "test_keys.py::test_a_caller_without_a_key_that_keeps_sending_is_cut_off": _LARGE,
    "test_limits.py::test_bytes_without_a_length_are_counted_when_they_have_arrived": _LENGTH,
    "test_limits.py::test_bytes_without_a_length_are_counted_although_the_upload_is_refused": _LENGTH,
    "test_upload.py::test_a_raw_body_needs_no_type": _TEXT,
    "test_service.py::test_the_api_listens_on_ipv6": _PROCESS,
    "test_limits.py::test_two_processes_together_allow_the_configured_rate": _PROCESS,
    "test_limits.py::test_two_processes_together_accept_the_configured_bytes": _PROCESS,
    "test_follow.py::test_waiting_requests_take_only_a_share_of_the_threads": _PROCESS,
    "test_follow.py::test_sigterm_ends_waits_and_lets_requests_finish": _PROCESS,
}
