"""The bench of performance: its document, its goals, its ratios, and how it judges the quality of pictures."""

from __future__ import annotations

import io
import json
import re
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bench.performance import goals, write_document
from bench.performance.__main__ import main
from bench.performance.contenders import CannotDoIt
from bench.performance.inputs import SOURCES, Photo, find
from bench.performance.lineup import OURS
from bench.performance.measures import latency, overlap, requests
from bench.performance.orders import ORDERS
from bench.performance.picture_quality import LUMA, References, psnr, ssim
from bench.performance.registry import MEASURES
from bench.performance.rounds import interleave
from bench.performance.spread import Spread
from darkroom.jobs.job_types import jobs_adapter
from tests.support.fault_proxy import Answer


def test_the_document_is_what_the_report_makes_of_the_measured_figures():
    """`python -m bench.performance.write_document` writes it."""
    assert write_document.DOCUMENT.read_text() == write_document.document(
        json.loads(write_document.MEASURED.read_text())
    )


def test_the_document_shows_every_measure_and_both_charts():
    text = write_document.DOCUMENT.read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Goals", *(measure.described for measure in MEASURES.values()), "How it was measured",
    ]  # fmt: skip
    for chart in ("cpu.svg", "quality.svg"):
        assert f"(performance/{chart})" in text
        assert (write_document.FOLDER / chart).read_text().endswith("</svg>\n")


@pytest.mark.parametrize(
    ("commit", "rounds", "warning"),
    [
        ("1111111-dirty", 5, "**Files differed from the commit when they were measured:** `requests`."),
        ("unknown", 5, "**Files differed from the commit when they were measured:** `requests`."),
        ("1111111", 1, "**Measured in one round only, so without a range:** `requests`."),
        ("2222222", 5, "**Measured with different commits (1111111, 2222222):** `memory`, `requests`."),
    ],
)
def test_the_document_warns_of_figures_that_are_less_trustworthy(commit, rounds, warning):
    found = {name: json.loads(write_document.MEASURED.read_text())[name] for name in ("memory", "requests")}
    for one in found.values():
        one["run"] |= {"commit": "1111111", "rounds": 5}
    assert "**Not measured:** `worker`, `library`" in write_document.document(found)
    assert warning not in write_document.document(found)
    found["requests"]["run"] |= {"commit": commit, "rounds": rounds}
    assert warning in write_document.document(found)


@pytest.mark.parametrize("order", ORDERS)
def test_the_orders_are_valid_jobs(order):
    assert len(jobs_adapter.validate_python(ORDERS[order])) == len(ORDERS[order])


def test_a_ratio_is_taken_within_each_round():
    """A round in which the whole machine is slow changes no ratio."""
    assert Spread.of_ratios([1, 20, 3], [2, 40, 4]) == Spread(0.5, 0.5, 0.75)


class Fake:
    """A contender whose orders take `seconds`, or which cannot do any."""

    def __init__(self, name, seconds, log):
        self.name, self.seconds, self.log, self.versions = name, seconds, log, {}

    def run(self, photo, order, times):
        if self.seconds is None:
            raise CannotDoIt("no such decoder")
        self.log.append((self.name, times))
        return self.seconds

    def results(self, photo, order):
        return []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_contenders_take_turns_and_one_that_cannot_do_it_has_no_values(tmp_path):
    log: list[tuple[str, int]] = []
    contenders = [Fake("a", 1.0, log), Fake("b", 2.0, log), Fake("c", None, log)]
    cpu = interleave(contenders, Photo("s7", tmp_path, "image/jpeg"), "mixed", rounds=2, times=3)
    assert cpu == {"a": [1.0, 1.0], "b": [2.0, 2.0], "c": []}
    assert log == [("a", 1), ("b", 1), ("a", 3), ("b", 3), ("b", 3), ("a", 3)]


@pytest.mark.parametrize(("ours", "reached"), [(0.79, "yes"), (0.81, "**no**")])
def test_a_goal_is_reached_when_the_median_is_within_its_limit(ours, reached):
    found = {"worker": {"cpu": {"s7 mixed": {OURS: [ours, 0.1, 2.0], "bare Pillow": [1.0, 1.0, 1.0]}}}}
    (row,) = measured_goals(found)
    assert row.endswith(f"| {reached} |")


def measured_goals(found):
    return [row for row in goals.lines(found)[2:] if "not measured" not in row]


@pytest.mark.parametrize("found", [{}, {"worker": {"cpu": {"s7 mixed": {OURS: [1.0], "pyvips": []}}}}])
def test_a_goal_that_was_not_measured_is_listed_as_such(found):
    rows = goals.lines(found)[2:]
    assert len(rows) == len(goals.GOALS)
    assert all(row.endswith("| not measured | - |") for row in rows)


def test_a_goal_of_a_missing_peer_is_not_measured():
    found = {"worker": {"cpu": {"s7 mixed": {OURS: [1.0], "pyvips": [], "bare Pillow": [2.0]}}}}
    assert [row.split(" | ")[0] for row in measured_goals(found)] == ["| worker CPU for an order, S7 / bare Pillow"]


def test_a_run_of_some_photos_replaces_no_figures_of_all(tmp_path):
    """It would leave the goals of the other photos without figures."""
    file = tmp_path / "measured.json"
    file.write_text(before := '{"worker": {"cpu": {"s7 mixed": {}, "oppo mixed": {}}}}')
    done = CliRunner().invoke(main, ["worker", "--photos", "s7", "--json", str(file)])
    assert done.exit_code == 1
    assert "leave out --photos" in done.output
    assert file.read_text() == before


def test_the_speed_up_of_two_children_is_the_ratio_of_the_times_with_one_and_with_two():
    assert overlap.speed_up({"1": [{"seconds": 10.0}], "2": [{"seconds": 5.0}]}) == Spread.of([2.0])
    assert overlap.speed_up({}) is None


def test_the_ends_of_a_backlog_do_not_count_for_the_steady_busy_share():
    run = {"seconds": 10.0, "worker": 9.0, "steady_seconds": 8.0, "steady_worker": 8.0}
    assert overlap.busy([run], 1) == Spread.of([0.9])
    assert overlap.busy([run], 1, "steady_") == Spread.of([1.0])


def test_a_receive_is_found_by_the_photo_in_its_message():
    class Proxy:
        def rule(self, _pattern, fault):
            self.fault = fault

    proxy = Proxy()
    receives = latency.Receives(proxy)
    bodies = [b"{}", b'{"Messages": [{"Body": "{\\"photo\\": \\"0190-a\\"}"}]}', b'{"Messages": [{"Body": "0190-b"}]}']
    before = time.time()
    for body in bodies:
        answer = Answer(200, {}, body)
        assert proxy.fault.act(None, lambda answer=answer: answer) is answer
    assert before <= receives.at("0190-a") <= receives.at("0190-b") <= time.time()


def test_requests_that_are_not_counted_are_shown():
    found = {"photos": 10, "pictures": 3, "api": {}, "worker": {}, "once": {"dynamodb.Query": 4}, "empty_receives": 7}
    assert "7 receives that returned no message" in requests.lines(found)[-1]
    assert "4 dynamodb.Query" in requests.lines(found)[-1]


def test_a_photo_that_the_folder_lacks_is_made_with_the_same_size(tmp_path):
    photo = find("small", tmp_path / "nothing", tmp_path)
    assert photo
    assert photo.made
    with Image.open(photo.path) as image:
        assert image.size == SOURCES["small"].size


def test_a_photo_of_a_format_that_cannot_be_made_is_left_out(tmp_path):
    assert find("heic", tmp_path, tmp_path) is None


# --- quality ----------------------------------------------------------------------------------------------------------


def noise(width, height):
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8))


def test_psnr_of_a_difference_of_one_level_everywhere():
    one = np.full((20, 20, 3), 100, np.float32)
    assert psnr(one, one + 1) == pytest.approx(48.13, abs=0.01)  # 20 log10(255)


def test_ssim_is_one_for_the_same_picture_and_falls_with_noise():
    one = np.asarray(noise(64, 64), np.float32) @ LUMA
    assert ssim(one, one) == pytest.approx(1)
    assert ssim(one, one + 20) > ssim(one, one[::-1]) < 0.2


def stored(image, path, **options):
    image.save(path, **options)
    return Photo("s7", path, "image/png")


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def smooth(width, height):
    return Image.radial_gradient("L").resize((width, height)).convert("RGB")


@pytest.mark.parametrize(("kind", "size"), [("800 wide", (80, 60)), ("cover", (60, 60))])
def test_a_picture_made_exactly_is_near_its_reference(kind, size, tmp_path):
    image = smooth(320, 240)
    references = References(stored(image, tmp_path / "photo.png"))
    box = (40, 0, 280, 240) if kind == "cover" else None
    result = references.compare(png(image.resize(size, Image.Resampling.LANCZOS, box)), kind)
    assert result.psnr > 55
    assert result.ssim > 0.999
    assert (result.width, result.height) == size


def test_a_cover_that_is_cut_elsewhere_is_far_from_its_reference(tmp_path):
    image = smooth(320, 240)
    references = References(stored(image, tmp_path / "photo.png"))
    cut = image.resize((60, 60), Image.Resampling.LANCZOS, (0, 0, 240, 240))
    assert references.compare(png(cut), "cover").psnr < 30


def test_the_reference_is_upright(tmp_path):
    image, exif = smooth(320, 240), Image.Exif()
    exif[0x0112] = 6
    references = References(stored(image, tmp_path / "photo.png", exif=exif))
    upright = image.transpose(Image.Transpose.ROTATE_270).resize((60, 80), Image.Resampling.LANCZOS)
    assert references.compare(png(upright), "800 wide").psnr > 55
