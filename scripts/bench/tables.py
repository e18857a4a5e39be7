"""The throughput benchmark's table and plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughput import Row

_LOG_SPAN = 5.0
"""The plot's axis: from 0.25 to 8 times curl."""


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
    """Bars of CPU an image against curl's, on a logarithmic axis, as SVG."""
    against = ratios(rows)
    shown = [row for row in rows if "curl" in against[row.name, row.size, row.scheme] and row.name != "write + rename"]
    parts: list[str] = []
    y = 30
    last = ("", "")
    for row in shown:
        if (row.size, row.scheme) != last:
            last = (row.size, row.scheme)
            y += 14
            parts.append(f'<text x="8" y="{y + 10}" font-weight="bold">{row.size}, {row.scheme}</text>')
            y += 18
        ratio = against[row.name, row.size, row.scheme]["curl"]
        width = max(2.0, 120 * _doublings(ratio) + 240)
        colour = "#2a78d6" if row.name.startswith("crawler") else "#9aa4b2"
        parts.append(f'<text x="190" y="{y + 10}" text-anchor="end">{row.name}</text>')
        parts.append(f'<rect x="200" y="{y}" width="{width:.0f}" height="13" fill="{colour}"/>')
        parts.append(f'<text x="{206 + width:.0f}" y="{y + 10}">{ratio:.2f}</text>')
        y += 17
    axis = f'<line x1="440" x2="440" y1="24" y2="{y}" stroke="#555" stroke-dasharray="3 3"/>'
    title = '<text x="8" y="16">CPU for an image, SHA-256 included, against curl = 1 (each doubling as wide)</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="1060" height="{y + 10}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>{title}{axis}{"".join(parts)}</svg>\n'
    )


def _doublings(ratio: float) -> float:
    from math import log2

    return max(-2.0, min(_LOG_SPAN, log2(ratio)))
