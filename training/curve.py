"""A reliability curve as SVG: stated chance to the right, what came true upwards, whiskers, and how often below."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

SIDE: Final = 240
LEFT: Final = 46
TOP: Final = 14
BARS: Final = 44
"""Height of the bars under the curve."""
INK: Final = "#7a7f87"
LINE: Final = "#b9bcc2"
ACCENT: Final = "#2d8474"
"""The colours can be read on white and on black."""


def svg(curve: Mapping[str, Any]) -> str:
    """The whole drawing of a note's `reliability`."""
    below = TOP + SIDE + 46
    size = (LEFT + SIDE + 16, below + BARS + 22)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" '
            f'height="{size[1]}" role="img" font-family="system-ui, sans-serif" font-size="11" fill="{INK}">',
            f"<title>Reliability: {escape(curve['of'])}</title>",
            *axes(),
            *whiskers(curve["bins"]),
            path(curve["bins"]),
            *dots(curve["bins"]),
            *bars(curve["bins"], below),
            "</svg>\n",
        ]
    )


def at(said: float, was: float) -> tuple[float, float]:
    """Place of a point in the drawing."""
    return round(LEFT + said * SIDE, 1), round(TOP + (1 - was) * SIDE, 1)


def axes() -> list[str]:
    """Frame, diagonal, numbers, names."""
    found = [f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{LINE}"/>']
    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    found.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="{LINE}" stroke-dasharray="4 4"/>')
    for tenth in (0, 5, 10):
        x, y = at(tenth / 10, tenth / 10)
        found.append(f'<text x="{x}" y="{TOP + SIDE + 15}" text-anchor="middle">{tenth / 10:g}</text>')
        found.append(f'<text x="{LEFT - 7}" y="{y + 4}" text-anchor="end">{tenth / 10:g}</text>')
    found.append(f'<text x="{LEFT + SIDE / 2}" y="{TOP + SIDE + 30}" text-anchor="middle">stated chance</text>')
    middle = TOP + SIDE / 2
    found.append(f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">came true</text>')
    return found


def whiskers(bins: Sequence[Mapping[str, Any]]) -> list[str]:
    """95 % intervals of what came true."""
    ends = [(at(one["said"], one["low"]), at(one["said"], one["high"])) for one in bins]
    return [f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}" stroke="{ACCENT}" opacity="0.5"/>' for (a, b), (c, d) in ends]


def path(bins: Sequence[Mapping[str, Any]]) -> str:
    """The points, joined."""
    points = " ".join(f"{x},{y}" for x, y in (at(one["said"], one["was"]) for one in bins))
    return f'<polyline points="{points}" fill="none" stroke="{ACCENT}" stroke-width="1.5"/>'


def dots(bins: Sequence[Mapping[str, Any]]) -> list[str]:
    """One for each bin; hovering says its numbers."""
    found = []
    for one in bins:
        x, y = at(one["said"], one["was"])
        about = f"{one['from']} to {one['to']}: said {one['said']:.2f}, came true {one['was']:.2f}, n {one['n']:,}"
        found.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{ACCENT}"><title>{about}</title></circle>')
    return found


def bars(bins: Sequence[Mapping[str, Any]], below: float) -> list[str]:
    """How often each chance was stated."""
    most = max(one["n"] for one in bins)
    found = []
    for one in bins:
        height = round(BARS * one["n"] / most, 1)
        x, y = LEFT + one["from"] * SIDE + 2, below + BARS - height
        found.append(f'<rect x="{x:g}" y="{y:g}" width="{SIDE / 10 - 4:g}" height="{height}" fill="{LINE}"/>')
    found.append(f'<text x="{LEFT}" y="{below + BARS + 15}">how often, of {sum(one["n"] for one in bins):,}</text>')
    return found
