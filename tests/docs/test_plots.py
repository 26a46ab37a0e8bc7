"""The pictures of the documentation are what their programs draw, and show what the pages say."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import limits
import pytest
from chart import Chart, Curve

from actors.testing.provider import MODES, Mode


@pytest.fixture(scope="module")
def seen() -> dict[Mode, limits.Counted]:
    return {mode: limits.counted(mode) for mode in MODES}


def parts_of(picture: str) -> tuple[list[str], list[tuple[float, float]]]:
    """The lines of a picture without its curves, and where each curve ends, in pixels."""
    frame: list[str] = []
    ends: list[tuple[float, float]] = []
    for line in picture.splitlines():
        curve = re.fullmatch(r'<path class="line [ab]" d="M.*L([\d.]+) ([\d.]+)"/>', line)
        if curve is None:
            frame.append(line)
        else:
            ends.append((float(curve[1]), float(curve[2])))
    return frame, ends


def test_the_pictures_are_what_the_program_draws_today(seen: dict[Mode, limits.Counted]) -> None:
    """But for an instant here and there, which any change of an answer's way home can move."""
    for name, picture in limits.pictures(seen).items():
        shown, drawn = parts_of((limits.FOLDER / name).read_text("utf-8")), parts_of(picture)
        assert shown[0] == drawn[0], f"{name} is out of date: run `make plots`"
        assert len(drawn[1]) == 2
        for end, other in zip(shown[1], drawn[1], strict=True):
            assert math.dist(end, other) < 5, f"{name} is out of date: run `make plots`"


def test_before_a_sliding_window_no_minute_holds_more_than_the_limit(
    seen: dict[Mode, limits.Counted],
) -> None:
    assert 29.0 < max(much for _, much in limits.in_the_last_window(seen["sliding_window"])) <= 30.0


def test_before_a_bucket_the_first_minute_holds_nearly_twice_the_limit(
    seen: dict[Mode, limits.Counted],
) -> None:
    assert 58.0 < max(much for _, much in limits.in_the_last_window(seen["token_bucket"])) <= 60.0
    for at, much in limits.steps(seen["token_bucket"]):
        assert much <= 30.0 + at / 2


def test_a_chart_is_a_picture_with_axes_units_and_a_legend() -> None:
    chart = Chart(
        "a < b",
        "seconds",
        "calls",
        range(0, 11, 5),
        range(3),
        [Curve("ours & theirs", "a", [(0, 0), (10, 2)])],
    )
    picture = ET.fromstring(chart.svg())  # noqa: S314  # our own text
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["0", "1", "2", "0", "5", "10", "seconds", "calls", "a < b", "ours & theirs"]
    lines = [path.get("d") for path in picture.iter("{http://www.w3.org/2000/svg}path")]
    assert lines[-1] == "M62.0 284.0L704.0 58.0"


def test_the_program_writes_the_pictures(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FOLDER", tmp_path)
    monkeypatch.setattr(limits, "pictures", lambda _seen: {"one.svg": "<svg/>"})
    monkeypatch.setattr(limits, "counted", lambda _mode: [])
    assert limits.main() == 0
    assert (limits.FOLDER / "one.svg").read_text("utf-8") == "<svg/>"
