"""The drawing holds what the note says."""

from xml.etree import ElementTree as ET

from training.curve import LEFT, SIDE, TOP, svg

CURVE = {
    "of": "chance of a <cat> & more",
    "bins": [
        {"from": 0.0, "to": 0.1, "n": 30, "said": 0.05, "was": 0.0, "low": 0.0, "high": 0.1},
        {"from": 0.9, "to": 1.0, "n": 60, "said": 0.95, "was": 1.0, "low": 0.9, "high": 1.0},
    ],
}
SVG = "{http://www.w3.org/2000/svg}"


def test_points_stand_where_the_note_says() -> None:
    drawing = ET.fromstring(svg(CURVE))
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in drawing.iter(f"{SVG}circle")]
    assert dots == [(LEFT + 0.05 * SIDE, TOP + SIDE), (LEFT + 0.95 * SIDE, TOP)]
    assert drawing.findtext(f"{SVG}title") == "Reliability: chance of a <cat> & more"


def test_bars_are_as_high_as_often_it_was_said() -> None:
    frame, *bars = ET.fromstring(svg(CURVE)).iter(f"{SVG}rect")
    assert frame.get("fill") == "none"
    low, high = (float(bar.get("height", "")) for bar in bars)
    assert high == 2 * low
