"""darkroom/containers/cube.py: .cube files are read, and what is wrong with one is said with its line."""

from __future__ import annotations

import io

import pytest

from darkroom.containers import cube
from darkroom.containers.cube import CubeError, looks_like_cube, read_cube

CORNERS = "\n".join(f"{red} {green} {blue}" for blue in (0, 1) for green in (0, 1) for red in (0, 1))
IDENTITY = f"LUT_3D_SIZE 2\n{CORNERS}\n"


def read(text: str | bytes) -> cube.Cube:
    return read_cube(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def test_a_3d_table() -> None:
    found = read(
        f'# made by hand\nTITLE "A warm look"\nLUT_3D_SIZE 2\n\nDOMAIN_MIN 0 0 -0.5\nDOMAIN_MAX 1 2 1.5\n{CORNERS}'
    )
    assert (found.dimensions, found.size, found.title) == (3, 2, "A warm look")
    assert (found.domain_min, found.domain_max) == ((0, 0, -0.5), (1, 2, 1.5))
    assert not found.has_usual_domain
    assert list(found.table[:9]) == [0, 0, 0, 1, 0, 0, 0, 1, 0]


def test_a_1d_table() -> None:
    found = read("LUT_1D_SIZE 3\n0 0 0\n.5 .25 1e-1\n1 1 1.5\n")
    assert (found.dimensions, found.size, found.has_usual_domain) == (1, 3, True)
    assert list(found.table) == [0, 0, 0, 0.5, 0.25, 0.1, 1, 1, 1.5]


@pytest.mark.parametrize(
    "text", [IDENTITY.replace("\n", "\r\n"), "\ufeff" + IDENTITY, "\n\n  " + IDENTITY + "\n# end\n"]
)
def test_other_ends_of_lines_a_byte_order_mark_and_comments_are_read(text: str) -> None:
    assert read(text).table == read(IDENTITY).table


def test_the_range_of_davinci_resolve_is_the_domain() -> None:
    found = read(f"LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0.1 0.9\n{CORNERS}")
    assert (found.domain_min, found.domain_max) == ((0.1,) * 3, (0.9,) * 3)


WRONG = {
    "nothing": ("", "the file has no table"),
    "no table": ("LUT_3D_SIZE 2\n", "the file has no table"),
    "no size": (CORNERS, "expected LUT_1D_SIZE or LUT_3D_SIZE before the table; neither is there"),
    "both sizes": (
        f"LUT_1D_SIZE 2\n{IDENTITY}",
        "expected LUT_1D_SIZE or LUT_3D_SIZE before the table; both are there",
    ),
    "a large size": (f"LUT_3D_SIZE 66\n{CORNERS}", "line 1: LUT_3D_SIZE must be a whole number from 2 to 65, not 66"),
    "a small size": (f"LUT_1D_SIZE 1\n{CORNERS}", "line 1: LUT_1D_SIZE must be a whole number from 2 to 65536, not 1"),
    "no number": (f"LUT_3D_SIZE\n{CORNERS}", "line 1: LUT_3D_SIZE must be a whole number from 2 to 65, not nothing"),
    "too few lines": (f"LUT_3D_SIZE 3\n{CORNERS}", "LUT_3D_SIZE 3 needs 27 lines of three numbers; the file has 8"),
    "too many lines": (IDENTITY + "1 1 1\n", "LUT_3D_SIZE 2 needs 8 lines of three numbers; the file has 9"),
    "a short line": (IDENTITY.replace("0 1 0", "0 1"), "line 4: expected three numbers, found 0 1"),
    "a word": (IDENTITY.replace("0 1 0", "0 1 x"), "line 4: expected three numbers, found 0 1 x"),
    "not finite": (IDENTITY.replace("0 1 0", "0 1 nan"), "each number of the table must be finite"),
    "a keyword after the table": (IDENTITY + "TITLE x\n", "line 10: expected three numbers, found TITLE x"),
    "an unknown keyword": (
        f"LUT_4D_SIZE 2\n{CORNERS}",
        "line 1: LUT_4D_SIZE is not a known keyword; known are TITLE, ",
    ),
    "a keyword twice": (f"LUT_3D_SIZE 2\n{IDENTITY}", "line 2: LUT_3D_SIZE stands in the file twice"),
    "a bad domain": (
        f"DOMAIN_MIN 0 0\n{IDENTITY}",
        "line 1: DOMAIN_MIN needs three numbers from -1000 to 1000, not 0 0",
    ),
    "an endless domain": (
        f"DOMAIN_MAX inf 1 1\n{IDENTITY}",
        "line 1: DOMAIN_MAX needs three numbers from -1000 to 1000, not inf 1 1",
    ),
    "an empty domain": (
        f"DOMAIN_MIN 0 1 0\n{IDENTITY}",
        "the lowest value of each channel's domain must be less than the highest",
    ),
    "bytes that are not text": (b"LUT_3D_SIZE 2\n\xff\xfe", "the file is not text in UTF-8"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_said_in_our_words(text: str | bytes, message: str) -> None:
    with pytest.raises(CubeError) as error:
        read(text)
    assert str(error.value).startswith(message)


def test_a_long_file_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cube, "MAX_CUBE_BYTES", 20)
    with pytest.raises(CubeError, match="the file has more than 20 bytes"):
        read(IDENTITY)


def test_a_long_wrong_line_is_shortened_and_control_characters_are_left_out() -> None:
    with pytest.raises(CubeError, match=r"^line 1: RED\?x+\.\.\. is not a known keyword") as error:
        read("RED\x07" + "x" * 5000 + f"\n{IDENTITY}")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (IDENTITY.encode(), True),
        (b'\xef\xbb\xbf# comment\n\nTITLE\t"x"\n', True),
        (b"\xff\xd8\xff\xe0", False),
        (b"", False),
        (b"TITLES\n", False),
    ],
)
def test_a_cube_file_is_recognized_by_its_first_keyword(head: bytes, expected: bool) -> None:
    assert looks_like_cube(head) == expected
