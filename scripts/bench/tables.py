"""The throughput benchmark's table and plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughput import Row

_LEFT, _PANEL, _TOP, _ROW = 150, 196, 46, 22
_LEAST, _DOUBLING = 0.5, 24.0
"""Where a bar begins (times curl), and how wide a doubling is."""
_UNSHOWN = ("write + rename", "bare libcurl", "aiohttp")
_OURS, _OTHERS = "#2f7ebc", "#98a2ae"


def ratios(rows: Sequence[Row]) -> dict[tuple[str, str, str], dict[str, float]]:
    """CPU an image, digests included on both sides, against curl's and aria2c's of the same size and scheme."""
    costs = {(row.name, row.size, row.scheme): row.with_digest_us for row in rows}
    return {
        key: {to: cost / base for to in ("curl", "aria2c") if (base := costs.get((to, *key[1:])))}
        for key, cost in costs.items()
    }


def markdown(rows: Sequence[Row], about: Mapping[str, str]) -> str:
    """One table for each size and scheme."""
    against = ratios(rows)
    out: list[str] = []
    for size, scheme in dict.fromkeys((row.size, row.scheme) for row in rows):
        out += ["", f"**{size}, {scheme}**", ""]
        out.append(
            "| | CPU µs/image | with SHA-256 | × curl | × aria2c | images/s | peak MB | start-up s | origin µs |"
        )
        out.append("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for row in rows:
            if (row.size, row.scheme) != (size, scheme):
                continue
            ratio = against[row.name, size, scheme]
            cells = [row.name, f"{row.net_us:,.0f}", f"{row.with_digest_us:,.0f}"]
            cells += [f"{ratio[to]:.2f}" if to in ratio else "" for to in ("curl", "aria2c")]
            cells += [f"{row.images_s:,.0f}", f"{row.rss_mb:.0f}", f"{row.start_s:.2f}", f"{row.origin_us:,.0f}"]
            out.append("| " + " | ".join(cells) + " |")
    rounds = min((row.rounds for row in rows), default=0)
    out += ["", f"Medians of {rounds} rounds, in turn. " + "; ".join(f"{name}: {told}" for name, told in about.items())]
    return "\n".join(out).lstrip() + "\n"


def plot(rows: Sequence[Row]) -> str:
    """Bars of CPU an image against curl's, a panel a size, on a logarithmic axis, as SVG; readable on light and dark
    pages. Of TLS, where that was measured."""
    scheme = "TLS" if any(row.scheme == "TLS" for row in rows) else "plain"
    against = ratios(rows)
    shown = [row for row in rows if row.scheme == scheme and not row.name.endswith(_UNSHOWN)]
    sizes = list(dict.fromkeys(row.size for row in shown))
    costs = {(row.name, row.size): row for row in shown}
    last = sizes[0] if sizes else ""
    names = sorted({row.name for row in shown}, key=lambda name: _cost(costs.get((name, last))))
    width, height = _LEFT + _PANEL * len(sizes), _TOP + _ROW * len(names) + 12
    parts = [f'<text x="8" y="16">CPU for an image, SHA-256 included, against curl = 1 ({scheme}, logarithmic)</text>']
    for number, size in enumerate(sizes):
        x = _LEFT + _PANEL * number
        parts.append(f'<text x="{x}" y="36" font-weight="600">{size}</text>')
        one = x - _DOUBLING * math.log2(_LEAST)
        parts.append(f'<line x1="{one}" x2="{one}" y1="{_TOP}" y2="{height - 8}" stroke="#808890"/>')
    for line, name in enumerate(names):
        y = _TOP + _ROW * line
        colour = _OURS if name.startswith("crawler") else _OTHERS
        label = name if name != "crawler" else "crawler, images only"
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 13}" text-anchor="end">{label}</text>')
        for number, size in enumerate(sizes):
            ratio = against.get((name, size, scheme), {}).get("curl")
            if ratio is None or ratio <= 0:  # a run that was shorter than its start-up varies
                continue
            x, bar = _LEFT + _PANEL * number, max(2.0, _DOUBLING * math.log2(max(ratio, _LEAST) / _LEAST))
            parts.append(f'<rect x="{x}" y="{y + 2}" width="{bar:.1f}" height="14" rx="2" fill="{colour}"/>')
            parts.append(f'<text x="{x + bar + 5:.1f}" y="{y + 13}">{ratio:.{2 if ratio < 10 else 0}f}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="#808890">\n{body}\n</svg>\n'
    )


def _cost(row: Row | None) -> float:
    return math.inf if row is None else row.with_digest_us
