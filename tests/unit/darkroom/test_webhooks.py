"""Webhooks without a network: where they may go, when they are tried again, how they are signed."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from darkroom.errors import CallbackRefused, DeliveryFailed, SettingsError
from darkroom.record.clock import now
from darkroom.settings import read_settings
from darkroom.webhooks.callback import MAX_URL, PATTERN, check_address, read_callback
from darkroom.webhooks.signing import secrets_of, signed_headers
from worker.webhooks.schedule import (
    JITTER,
    LONGEST_WAIT,
    SCHEDULE,
    Delivered,
    GivenUp,
    TryAgain,
    judge_delivery,
    retry_after,
)
from worker.webhooks.transport import WebhookResponse

MASTER = "whsec_" + "A" * 43 + "="
OTHER_MASTER = "whsec_" + "B" * 43 + "="
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = now() + timedelta(days=1)


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "host", "port", "path"),
        [
            ("https://example.com", "example.com", 443, "/"),
            ("https://example.com/photos?a=b&c", "example.com", 443, "/photos?a=b&c"),
            ("https://example.com?a=b", "example.com", 443, "/?a=b"),
            ("HTTPS://EXAMPLE.com.:8443/X", "example.com", 8443, "/X"),
            ("https://bücher.example/ä", "xn--bcher-kva.example", 443, "/%C3%A4"),
            ("https://a_b.example:65535/", "a_b.example", 65535, "/"),
            ("https://8.8.8.8/", "8.8.8.8", 443, "/"),
            ("https://134744072/", "8.8.8.8", 443, "/"),
            ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443, "/"),
        ],
    )
    def test_urls_of_public_hosts_are_accepted(self, url: str, host: str, port: int, path: str) -> None:
        target = read_callback(url)
        assert (target.host, target.port, target.path, target.tls, target.private) == (host, port, path, True, False)
        assert re.fullmatch(PATTERN, url)
        assert read_callback(target.url) == target

    @pytest.mark.parametrize(
        "url",
        [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://2130706433/",
            "https://017700000001/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0x7f.0.0x0.01/",
            "https://%31%32%37.0.0.1/",
            "https://\uff11\uff12\uff17.0.0.1/",
            "https://\u2460\u2461\u2466.0.0.1/",
            "https://127\u30020\u30020\u30021/",
            "https://0/",
            "https://10.1/",
            "https://0xa9.254.169.254/",
            "https://2852039166/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://[::]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https:127.0.0.1/",
            "https:\\\\127.0.0.1\\",
            "https:///127.0.0.1/",
            "\thttps://127.0.0.1/",
            "https://127.0.\t0.1/",
        ],
    )
    def test_every_spelling_of_a_private_address_is_refused(self, url: str) -> None:
        with pytest.raises(CallbackRefused, match="not a public address"):
            read_callback(url)

    @pytest.mark.parametrize(
        ("url", "fault"),
        [
            ("", "not a URL"),
            ("example.com/photos", "not a URL"),
            ("ftp://example.com/", "not a URL"),
            ("file:///etc/passwd", "not a URL"),
            ("gopher://127.0.0.1:6379/_", "not a URL"),
            ("https://", "not a URL"),
            ("https://1.2.3.4.5/", "not a URL"),
            ("https://1.2.3.256/", "not a URL"),
            ("https://[::1%25lo]/", "not a URL"),
            ("https://example.com:99999/", "not a URL"),
            ("https://exa mple.com/", "not a URL"),
            ("http://example.com/", "https://"),
            ("http://8.8.8.8/", "https://"),
            ("https://localhost/", "not a public address"),
            ("https://LOCALHOST.:8443/", "not a public address"),
            ("https://a.localhost/", "not a public address"),
            ("https://ann@example.com/", "user name"),
            ("https://ann:secret@example.com/", "user name"),
            ("https://:secret@example.com/", "user name"),
            ("https://example.com@127.0.0.1/", "user name"),
            ("https://example.com/#x", "#"),
            ("https://example.com:0/", "port 0"),
            ("https://example.com:22/", "port 22"),
            ("https://example.com:80/", "port 80"),
            ("https://a..b/", "not a host name"),
            ("https://-a.example/", "not a host name"),
            ("https://" + "a" * 64 + ".example/", "not a host name"),
            ("https://" + "a." * 127 + "com/", "not a host name"),
            ("https://example.com/" + "ä" * MAX_URL, "longer"),
            ("https:example.com/", "not a URL"),
            ("https:\\\\example.com/", "not a URL"),
            (" https://example.com/", "not a URL"),
            ("https://example.com/\n", "not a URL"),
            ("https://exam\tple.com/", "not a URL"),
            ("https://example.com/a b", "not a URL"),
        ],
    )
    def test_invalid_urls_are_refused_with_the_reason(self, url: str, fault: str) -> None:
        with pytest.raises(CallbackRefused, match=fault) as caught:
            read_callback(url)
        assert "secret" not in caught.value.detail

    @pytest.mark.parametrize(
        ("url", "allowed"),
        [
            ("http://localhost:9000/x", ["localhost:9000"]),
            ("http://localhost:9000/x", ["localhost"]),
            ("http://127.0.0.1/", ["127.0.0.1"]),
            ("http://0x7f.1:81/", ["127.0.0.1:81"]),
            ("https://[::1]:9000/", ["[::1]:9000"]),
            ("http://Host.Docker.Internal.:22/", ["host.docker.internal"]),
        ],
    )
    def test_a_setting_allows_private_hosts_by_name(self, url: str, allowed: list[str]) -> None:
        assert read_callback(url, allowed).private
        with pytest.raises(CallbackRefused):
            read_callback(url)

    @pytest.mark.parametrize(
        ("url", "allowed"),
        [
            ("http://localhost:9001/", ["localhost:9000"]),
            ("http://localhost:9000/", ["localhost:9000.example"]),
            ("http://127.0.0.1:9000/", ["localhost:9000"]),
            ("http://a.localhost/", ["localhost"]),
            ("http://localhost.example/", ["localhost"]),
            ("http://localhost:9000@example.com/", ["localhost:9000"]),
        ],
    )
    def test_a_setting_for_one_private_host_allows_no_other(self, url: str, allowed: list[str]) -> None:
        with pytest.raises(CallbackRefused):
            read_callback(url, allowed)


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        """
        0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255
        168.63.129.16 169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1
        192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1
        239.255.255.255 240.0.0.1 255.255.255.255
        :: ::1 ::8.8.8.8 ::ffff:8.8.8.8 ::ffff:10.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254
        64:ff9b:1::8.8.8.8 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1
        2001:db8::1 2002:808:808::1 2002:7f00:1::1 2606:4700::5efe:8.8.8.8 2606:4700::200:5efe:10.0.0.1
        3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%2 fec0::1 feff::1 ff02::1 ff0e::1
        """.split(),  # noqa: SIM905 - a table is easier to read
    )
    def test_addresses_that_are_not_public_are_refused_with_their_kind(self, address: str) -> None:
        with pytest.raises(CallbackRefused, match=r"is not a public address: it is an? .+ address$"):
            check_address(ipaddress.ip_address(address))

    @pytest.mark.parametrize(
        "address",
        """
        1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
        169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
        2600:: 2606:4700:4700::1111 2a00:1450:4001:82a::200e 64:ff9b::8.8.8.8
        """.split(),  # noqa: SIM905 - a table is easier to read
    )
    def test_public_addresses_are_accepted(self, address: str) -> None:
        check_address(ipaddress.ip_address(address))


class TestSchedule:
    def test_any_2xx_is_a_delivery(self) -> None:
        assert [judge_delivery(WebhookResponse(status), 1, NOON) for status in (200, 202, 204, 299)] == [
            Delivered()
        ] * 4

    def test_410_ends_all_deliveries(self) -> None:
        assert judge_delivery(WebhookResponse(410, retry_after="5"), 1, NOON) == GivenUp(
            "the receiver answered 410 Gone"
        )

    @pytest.mark.parametrize("attempt", range(1, len(SCHEDULE)))
    @pytest.mark.parametrize(
        "outcome",
        [
            WebhookResponse(500),
            WebhookResponse(404),
            WebhookResponse(302),
            WebhookResponse(101),
            WebhookResponse(999),
            DeliveryFailed("no answer"),
        ],
    )
    def test_any_other_outcome_is_retried_by_the_schedule(
        self, outcome: WebhookResponse | DeliveryFailed, attempt: int
    ) -> None:
        verdict = judge_delivery(outcome, attempt, NOON)
        assert isinstance(verdict, TryAgain)
        assert SCHEDULE[attempt] <= verdict.delay <= SCHEDULE[attempt] * (1 + JITTER)

    def test_the_last_attempt_of_the_schedule_is_not_retried(self) -> None:
        verdict = judge_delivery(DeliveryFailed("no answer within 15 s"), len(SCHEDULE), NOON)
        assert verdict == GivenUp("given up after 10 attempts: no answer within 15 s")

    def test_the_reason_has_the_receivers_status(self) -> None:
        verdict = judge_delivery(WebhookResponse(301), 1, NOON)
        assert isinstance(verdict, TryAgain)
        assert verdict.error == "the receiver answered 301 Moved Permanently; redirects are not followed"

    def test_retry_after_can_lengthen_the_wait_but_not_shorten_it(self) -> None:
        longer = judge_delivery(WebhookResponse(503, "120"), 1, NOON)
        assert isinstance(longer, TryAgain)
        assert 120 <= longer.delay <= 120 * (1 + JITTER)
        shorter = judge_delivery(WebhookResponse(429, "1"), 4, NOON)
        assert isinstance(shorter, TryAgain)
        assert shorter.delay >= SCHEDULE[4]

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("120", 120),
            (" 0 ", 0),
            (format_datetime(NOON + timedelta(minutes=5), usegmt=True), 300),
            ("Sat, 31 Jan 2026 12:05:00 -0000", 300),
            (format_datetime(NOON - timedelta(minutes=5), usegmt=True), 0),
            ("99999999999999999999", LONGEST_WAIT),
            ("Sat, 31 Jan 9999 12:00:00 GMT", LONGEST_WAIT),
            ("-5", 0),
            ("1.5", 0),
            ("²", 0),
            ("soon", 0),
            ("Sat, 99 Jan 2026 12:00:00 GMT", 0),
            ("", 0),
            (None, 0),
        ],
    )
    def test_retry_after_is_read_as_seconds_or_as_a_date(self, value: str | None, seconds: float) -> None:
        assert retry_after(value, NOON) == seconds


class TestSignatures:
    def test_an_owner_can_verify_a_webhook_with_their_secret(self) -> None:
        (secret,) = secrets_of("ann", SecretStr(MASTER))
        assert Webhook(secret).verify('{"a":1}', signed_headers("id", '{"a":1}', [secret])) == {"a": 1}

    def test_no_owner_can_sign_for_another(self) -> None:
        headers = signed_headers("id", "{}", secrets_of("bob", SecretStr(MASTER)))
        for secret in (*secrets_of("ann", SecretStr(MASTER)), MASTER):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify("{}", headers)

    def test_while_the_master_is_replaced_both_secrets_verify(self) -> None:
        both = secrets_of("ann", SecretStr(f"{MASTER} {OTHER_MASTER}"))
        headers = signed_headers("id", "{}", both)
        assert both == secrets_of("ann", SecretStr(MASTER)) + secrets_of("ann", SecretStr(OTHER_MASTER))
        for secret in both:
            Webhook(secret).verify("{}", headers)

    def test_the_signature_covers_id_time_and_body(self) -> None:
        (secret,) = secrets_of("ann", SecretStr(MASTER))
        headers = signed_headers("id", "{}", [secret])
        earlier = str(int(headers["webhook-timestamp"]) - 1)
        for body, changed in (("[]", {}), ("{}", {"webhook-id": "other"}), ("{}", {"webhook-timestamp": earlier})):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(body, headers | changed)


class TestSettings:
    @pytest.mark.parametrize(
        "secret",
        ["hunter2hunter2", "whsec_hunter2", "whsec_hunter2" + "A" * 21, "hunter2" + "A" * 37, f"{MASTER} hunter2"],
    )
    def test_an_invalid_secret_is_a_fault_and_not_shown(self, secret: str) -> None:
        with pytest.raises(SettingsError, match="DARKROOM_WEBHOOK_SECRET: expected whsec_") as caught:
            read_settings({"DARKROOM_WEBHOOK_SECRET": secret})
        assert "hunter2" not in str(caught.value)

    def test_settings_do_not_show_the_secret(self) -> None:
        settings = read_settings({"DARKROOM_WEBHOOK_SECRET": MASTER})
        assert MASTER not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"

    def test_private_hosts_are_a_list(self) -> None:
        settings = read_settings({"DARKROOM_WEBHOOK_PRIVATE_HOSTS": "localhost:9000, Host.Docker.Internal,[::1]:80,"})
        assert settings.webhook_private_hosts == ("localhost:9000", "host.docker.internal", "[::1]:80")
        assert settings.fetch_private_hosts == ()

    @pytest.mark.parametrize("name", ["DARKROOM_WEBHOOK_PRIVATE_HOSTS", "DARKROOM_FETCH_PRIVATE_HOSTS"])
    @pytest.mark.parametrize("host", ["http://localhost", "localhost:", "localhost:x", "a b", "*", "10.0.0.0/8"])
    def test_a_value_that_is_not_a_host_is_refused(self, name: str, host: str) -> None:
        with pytest.raises(SettingsError, match=name):
            read_settings({name: f"localhost,{host}"})
