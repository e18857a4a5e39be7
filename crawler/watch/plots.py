"""The charts of the report as Plotly figures: built and checked here, drawn by Plotly's own script in the page.

A colour is the name of a style variable (`var(--done)`): the page fills in what it means in light and in dark. Texts of
a figure may hold marks like `<b>`, so all that comes from outside passes `plain` first.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from crawler.stop import Stop
from crawler.words import clean, count

Figure = dict[str, Any]
"""`data` and `layout` as plotly.js takes them."""
_LINE = 26
"""Pixels that a horizontal bar takes."""
_CHARACTER = 7
"""Pixels of a character beside a bar, at most."""


class NoLibrary(Stop):
    """The extra is not installed. The text says what to do."""

    code, reason = 2, "usage"


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a chart: what it is called, how much, its colour (a style variable), how it is said ("": the count)."""

    label: str
    value: float
    kind: str = "images"
    said: str = ""

    @property
    def words(self) -> str:
        """The value for people."""
        return self.said or count(int(self.value))


@dataclass(frozen=True, slots=True)
class Curve:
    """A line over time: a value for each bin, and how each is said."""

    label: str
    kind: str
    values: Sequence[float]
    said: Sequence[str]


@dataclass(frozen=True, slots=True)
class Time:
    """What all curves share: the middle of each bin in `unit`s, what the hover says first, shaded spans, marks."""

    unit: str
    at: Sequence[float]
    said: Sequence[str]
    end: float
    shaded: Sequence[tuple[float, float]]
    marks: Sequence[float]


def library(module: str) -> Any:
    """A module of Plotly. Raises NoLibrary, naming the extra, where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise NoLibrary(
            "crawler report: plots need plotly, which is not installed: pip install 'crawler[report]', then the same "
            "command again; `crawler status` counts without it"
        ) from None


def checked(figure: Figure) -> str:
    """A figure as JSON, held against Plotly's own description of its figures. Raises NoLibrary; ValueError is a bug."""
    return str(library("plotly.graph_objects").Figure(figure).to_json())


def script() -> str:
    """Plotly's script, as its wheel carries it. Raises NoLibrary."""
    return str(library("plotly.offline").get_plotlyjs())


def plain(text: str) -> str:
    """A text that is only text inside a figure, whatever marks it holds."""
    return escape(clean(text), quote=False)


def colour(kind: str) -> str:
    """The style variable of a kind."""
    return f"var(--{kind})"


def _layout(height: int, **more: Any) -> Figure:
    return {
        "template": {},
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 10, "b": 8, "pad": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "var(--text)", "size": 12, "color": colour("soft")},
        "hoverlabel": {
            "bgcolor": colour("card"),
            "bordercolor": colour("faint"),
            "font": {"family": "var(--text)", "size": 13, "color": colour("ink")},
            "align": "left",
            "namelength": -1,
        },
        "showlegend": False,
        "dragmode": False,
        "bargap": 0.18,
        "barcornerradius": 4,
        **more,
    }


def _axis(**more: Any) -> Figure:
    return {
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
        "showline": False,
        "linecolor": colour("line"),
        "gridcolor": colour("line"),
        "tickfont": {"color": colour("faint"), "size": 11},
        **more,
    }


def _marks(kinds: Sequence[str]) -> Figure:
    return {"color": [colour(kind) for kind in kinds], "line": {"width": 0}}


def rows(bars: Sequence[Bar], most: float = 0.0) -> Figure:
    """Horizontal bars under each other, each with its words; `most`: the value of the full width, else the largest."""
    labels = [plain(bar.label) for bar in bars]
    words = [plain(bar.words) for bar in bars]
    beside = _CHARACTER * max((len(bar.words) for bar in bars), default=0) + 14
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(len(bars))),
        "x": [bar.value for bar in bars],
        "text": words,
        "textposition": "outside",
        "textfont": {"color": colour("ink"), "size": 12},
        "cliponaxis": False,
        "marker": _marks([bar.kind for bar in bars]),
        "customdata": [f"{label}<br><b>{said}</b>" for label, said in zip(labels, words, strict=True)],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = _layout(_LINE * len(bars) + 12)
    layout["margin"] = {**layout["margin"], "r": beside, "l": 0}
    layout["xaxis"] = _axis(visible=False, range=[0, most or max((bar.value for bar in bars), default=1) or 1])
    layout["yaxis"] = _axis(
        tickvals=trace["y"],
        ticktext=labels,
        tickfont={"color": colour("ink"), "size": 13},
        range=[len(bars) - 0.5, -0.5],
        ticklabelposition="outside",
    )
    return {"data": [trace], "layout": layout}


def stack(parts: Sequence[Bar]) -> Figure:
    """One bar of parts."""
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "y": [0],
            "x": [part.value],
            "name": plain(part.label),
            "marker": _marks([part.kind]),
            "hovertemplate": f"{plain(part.label)}<br><b>{plain(part.words)}</b><extra></extra>",
        }
        for part in parts
    ]
    layout = _layout(40, barmode="stack", bargap=0.1)
    layout["margin"] = {**layout["margin"], "l": 0, "r": 0}
    layout["xaxis"] = _axis(visible=False, range=[0, sum(part.value for part in parts) or 1])
    layout["yaxis"] = _axis(visible=False)
    return {"data": traces, "layout": layout}


def columns(names: Sequence[str], parts: Sequence[Sequence[Bar]]) -> Figure:
    """Columns of stacked parts: `parts` holds each layer's bar in each column. The page shows the names that fit."""
    at = list(range(len(names)))
    traces = [
        {
            "type": "bar",
            "x": at,
            "y": [bar.value for bar in layer],
            "name": plain(layer[0].label),
            "marker": _marks([bar.kind for bar in layer]),
            "customdata": [
                f"{plain(name)}<br><b>{plain(bar.words)}</b> {plain(bar.label)}"
                for name, bar in zip(names, layer, strict=True)
            ],
            "hovertemplate": "%{customdata}<extra></extra>",
        }
        for layer in parts
        if layer
    ]
    layout = _layout(220, barmode="stack")
    layout["xaxis"] = _axis(tickvals=at, ticktext=[plain(name) for name in names], tickangle=0, showline=True)
    layout["yaxis"] = _axis(rangemode="tozero", showgrid=True, nticks=4, tickformat="~s")
    return {"data": traces, "layout": layout}


def curves(lines: Sequence[Curve], time: Time) -> Figure:
    """Lines over one axis of time, each in its own row; shaded where a host had us wait, dotted where a run began."""
    layout = _layout(132 * len(lines) + 34, hovermode="x unified", hoversubplots="axis", dragmode="zoom")
    layout["margin"] = {**layout["margin"], "t": 24}
    layout["grid"] = {"rows": len(lines), "columns": 1, "ygap": 0.28, "roworder": "top to bottom"}
    axes = [str(n + 1) if n else "" for n in range(len(lines))]
    for axis, line in zip(axes, lines, strict=True):
        # SI prefixes for thousands and more; below them 0.2 is no "200m".
        form = "~s" if max(line.values, default=0) >= 1000 else ".3~r"
        layout[f"yaxis{axis}"] = _axis(rangemode="tozero", showgrid=True, nticks=4, tickformat=form)
    layout["annotations"] = [_heading(line.label, axis) for axis, line in zip(axes, lines, strict=True)]
    layout["xaxis"] = _axis(
        fixedrange=False,
        range=[0, time.end],
        minallowed=0,
        maxallowed=time.end,
        title={"text": f"{time.unit} of running", "font": {"size": 11, "color": colour("faint")}},
        anchor=f"y{len(lines)}" if len(lines) > 1 else "y",
        showline=True,
        spikecolor=colour("soft"),
        spikethickness=1,
        nticks=8,
        unifiedhovertitle={"text": f"%{{x:.1f}} {time.unit} of running"},
    )
    layout["shapes"] = [_span(a, b) for a, b in time.shaded] + [_mark(at) for at in time.marks]
    heads = [[f"{plain(said)}<br>" for said in time.said], *([""] * len(time.said) for _ in lines[1:])]
    rows = [_row(line, time.at, axis, head) for line, axis, head in zip(lines, axes, heads, strict=True)]
    return {"data": rows, "layout": layout}


def _row(line: Curve, at: Sequence[float], axis: str, heads: Sequence[str]) -> Figure:
    """A line in the row of the y axis `axis`; the hover says a head, if any, and the value."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(at),
        "y": list(line.values),
        "xaxis": "x",
        "yaxis": f"y{axis}",
        "name": plain(line.label),
        "line": {"color": colour(line.kind), "width": 1.6},
        "fill": "tozeroy",
        "fillcolor": colour(f"{line.kind}-soft"),
        "customdata": [f"{head}<b>{plain(said)}</b>" for head, said in zip(heads, line.said, strict=True)],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _heading(label: str, axis: str) -> Figure:
    return {
        "text": f"<b>{plain(label)}</b>",
        "showarrow": False,
        "xref": "paper",
        "yref": f"y{axis} domain",
        "x": 0,
        "y": 1,
        "xanchor": "left",
        "yanchor": "bottom",
        "font": {"color": colour("ink"), "size": 13},
    }


def _span(begin: float, end: float) -> Figure:
    # The edge keeps a wait of seconds visible in a run of days.
    return {
        "type": "rect",
        "name": "blocked",
        "xref": "x",
        "yref": "paper",
        "x0": begin,
        "x1": end,
        "y0": 0,
        "y1": 1,
        "fillcolor": colour("shade"),
        "line": {"width": 1, "color": colour("shade")},
        "layer": "below",
    }


def _mark(at: float) -> Figure:
    return {
        "type": "line",
        "name": "run",
        "xref": "x",
        "yref": "paper",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "line": {"color": colour("soft"), "width": 1, "dash": "dot"},
    }


def heat(cells: dict[tuple[int, int], int], labels: Sequence[str], of: str) -> Figure:
    """A map: cells (column, row) from 0, row 0 at the bottom, stronger for more; `labels` of columns and of rows."""
    at = list(range(len(labels)))
    counts = [[cells.get((column, row), 0) for column in at] for row in at]
    trace = {
        "type": "heatmap",
        "x": at,
        "y": at,
        "z": [[n**0.5 if n else None for n in row] for row in counts],
        "customdata": [
            [
                f"{plain(labels[column])} × {plain(labels[row])} and more<br><b>{count(n)}</b> {plain(of)}"
                for column, n in enumerate(line)
            ]
            for row, line in enumerate(counts)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[0, colour("images-soft")], [1, colour("images")]],
        "zmin": 0,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    names = [plain(label) for label in labels]
    layout = _layout(280, plot_bgcolor=colour("sunk"))
    layout["xaxis"] = _axis(tickvals=at, ticktext=names, tickangle=0)
    layout["yaxis"] = _axis(tickvals=at, ticktext=names)
    return {"data": [trace], "layout": layout}
