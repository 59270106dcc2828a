"""Draw the pictures of docs/concepts.md from the digital twin. Run: make pictures"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots

from control.core.exchange import WriteCommand
from control.core.loop import State, run
from control.core.spc import ewma
from control.core.twin.scenario import Event, Scenario
from tests.core import twin_loop
from tests.core.twins import START, noisy_line

TO = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 920, 460
INK, BLUE, PALE, GREY, RED = "#1d2a33", "#1f5c8a", "rgba(31, 92, 138, 0.18)", "#7b868d", "#b3261e"
LANE = twin_loop.KEYS.index("loading/2-top")
LANES = [twin_loop.KEYS.index(f"loading/{lane}-top") for lane in (1, 2, 3, 4)]


def main() -> None:
    machine = twin_loop.machine(twin_loop.trained())
    pictures = {
        "pairing": pairing(),
        "prediction": prediction(machine),
        "reliability": reliability(machine),
        "chart": chart(),
        "control": control(machine),
    }
    TO.mkdir(exist_ok=True)
    for name, svg in _drawn(pictures).items():
        (TO / f"{name}.svg").write_text(svg, encoding="utf-8")
        print(f"docs/pictures/{name}.svg")


def pairing() -> go.Figure:
    """One lane's gauge against the clock, and at the moment each metre was made, while the line slows down."""
    record = twin_loop.Record(noisy_line(Scenario(), seed=4))
    writes = {240: {"pump_top": 62.5}, 480: {"line_speed": 45.0, "pump_top": 46.9}, 780: {"pump_top": 46.4}}
    for second in range(960):
        scan = record.step()
        if second in writes:
            record.line.write("coater", WriteCommand(f"move-{second}", 1, writes[second]), scan.at)
    measured = _of_lane(record)
    trace = record.trace()
    known = measured.at_s - START
    made = np.array([_instant(trace, metre) for metre in measured.web_m]) - START
    speed = trace.values[:, twin_loop.TAGS.index("line_speed")]
    flow = trace.values[:, twin_loop.TAGS.index("pump_top")] / speed
    seconds = trace.at_s - START

    figure = _figure(3, ("pump turns per metre of web", "gauge, by the clock", "gauge, where the metre was made"))
    figure.add_scatter(x=seconds, y=flow, line={"color": INK, "width": 1.5}, row=1, col=1)
    for row, x in ((2, known), (3, made)):
        figure.add_scatter(x=x, y=measured.value, line={"color": BLUE, "width": 1.2}, row=row, col=1)
        figure.update_yaxes(title="mg/cm²", row=row, col=1)
    figure.update_yaxes(title="rev/m", row=1, col=1)
    for second in writes:
        figure.add_vline(x=second, line={"color": GREY, "dash": "dot", "width": 1})
    figure.update_xaxes(title="seconds; the line slows from 60 to 45 m/min at 480 s", row=3, col=1)
    return figure


def prediction(machine) -> go.Figure:
    """A batch change: the model speaks at the die, the gauge a dead time later."""
    record = twin_loop.Record(noisy_line(Scenario((Event("solids_step", 420.0, 0.006),)), seed=5))
    passes = _watched(record, machine, 900)
    seconds = np.array([at for at, _ in passes]) - START
    told = [found.predictions for _, found in passes]
    value, low, high = (np.array([getattr(one, name)[-1, LANE] for one in told]) for name in ("value", "low", "high"))
    measured = _of_lane(record)
    figure = _figure(1)
    shown = slice(300, None)
    _band(figure, seconds[shown], low[shown], high[shown])
    figure.add_scatter(
        x=seconds[shown], y=value[shown], name="predicted at the die", line={"color": BLUE, "dash": "dash", "width": 2}
    )
    late = measured.at_s - START > 300
    figure.add_scatter(
        x=(measured.at_s - START)[late], y=measured.value[late], mode="markers", name="gauge, when it becomes known",
        marker={"color": INK, "size": 5},
    )  # fmt: skip
    figure.add_vline(
        x=420, line={"color": GREY, "dash": "dot", "width": 1}, annotation_text="new slurry batch, +0.6 % solids"
    )
    figure.update_yaxes(title="loading, mg/cm²")
    figure.update_xaxes(title="seconds")
    return _with_legend(figure)


def reliability(machine) -> go.Figure:
    """The slurry warms up further than it ever did in training: the model says that it does not know."""
    record = twin_loop.Record(noisy_line(Scenario((Event("temperature_drift", 300.0, 3.0, 240.0),)), seed=6))
    passes = _watched(record, machine, 780)
    seconds = np.array([at for at, _ in passes]) - START
    gsi, ri = (np.array([getattr(found.predictions, name)[-1, LANE] for _, found in passes]) for name in ("gsi", "ri"))
    figure = _figure(2, ("similarity to training (GSI over its threshold)", "reliance index (RI) of two models"))
    figure.add_scatter(x=seconds, y=gsi, line={"color": BLUE, "width": 1.5}, row=1, col=1)
    figure.add_scatter(x=seconds, y=ri, line={"color": BLUE, "width": 1.5}, row=2, col=1)
    limit = float(machine.estimator.ri_threshold[LANE])
    for row, y, text in ((1, 1.0, "above: unlike training"), (2, limit, "below: the two models disagree")):
        figure.add_scatter(
            x=seconds[[0, -1]], y=[y, y], mode="lines+text", text=[text, ""], textposition="top right",
            line={"color": RED, "dash": "dash", "width": 1}, row=row, col=1,
        )  # fmt: skip
    figure.update_yaxes(type="log", dtick=1, range=[-2, 3.5], row=1, col=1)
    figure.update_yaxes(range=[0, 1.05], row=2, col=1)
    figure.update_xaxes(title="seconds; the slurry warms by 3 K from 300 s on", row=2, col=1)
    return figure


def chart() -> go.Figure:
    """A shift of one sigma: single values hardly show it, their weighted average does."""
    record = twin_loop.Record(noisy_line(Scenario(), seed=7))
    for _ in range(900):
        record.step()
    before = _of_lane(record).value
    mean, sigma = float(before.mean()), float(before.std(ddof=1))
    values = np.random.default_rng(7).normal(0, 1, 80)
    values[40:] += 1.0
    smooth = ewma.judge(values, 0.2, 2.962)
    at = np.arange(1, 81)
    figure = _figure(2, ("individual values, limits at 3 sigma", "their weighted average (EWMA)"))
    _judged(figure, 1, at, mean + sigma * values, np.abs(values) > 3)
    _judged(figure, 2, at, mean + sigma * smooth.value, smooth.beyond)
    for row, width in ((1, np.full(80, 3.0)), (2, smooth.limit)):
        for sign in (-1, 1):
            figure.add_scatter(
                x=at, y=mean + sign * sigma * width, line={"color": INK, "dash": "dash", "width": 1}, row=row, col=1
            )
        figure.add_hline(y=mean, line={"color": INK, "width": 1}, row=row, col=1)
        figure.update_yaxes(title="mg/cm²", row=row, col=1)
    figure.add_vline(x=40.5, line={"color": GREY, "dash": "dot", "width": 1})
    figure.update_xaxes(title="value number; the process shifts by one sigma after the 40th", row=2, col=1)
    return figure


def control(machine) -> go.Figure:
    """The same disturbances with the recipe left alone, and with every proposal written."""
    events = (Event("solids_step", 400.0, -0.007), Event("die_drift", 900.0, -0.007, 300.0, side="top", lane=1))
    alone = twin_loop.Record(noisy_line(Scenario(events), seed=8))
    for _ in range(1800):
        alone.step()
    looped = twin_loop.Record(noisy_line(Scenario(events), seed=8))
    twin_loop.controlled(looped, machine, 1800)
    figure = _figure(3, ("recipe left alone: loading of four lanes", "with the loop", "pump, top side"), (3, 3, 1.6))
    seconds = np.arange(1800)
    for row, record in ((1, alone), (2, looped)):
        made = np.array(record.made)
        for lane in LANES:
            figure.add_scatter(x=seconds, y=made[:, lane], line={"color": BLUE, "width": 1}, row=row, col=1)
        for bound in (twin_loop.LOADING["lower"], twin_loop.LOADING["upper"]):
            figure.add_hline(y=bound, line={"color": INK, "width": 2}, row=row, col=1)
        figure.update_yaxes(title="mg/cm²", range=[19.6, 20.4], row=row, col=1)
    pump = looped.trace().values[:, twin_loop.TAGS.index("pump_top")]
    figure.add_scatter(x=seconds, y=pump, line={"color": INK, "width": 1.5}, row=3, col=1)
    figure.update_yaxes(title="rpm", row=3, col=1)
    figure.update_xaxes(title="seconds; a new batch at 400 s, a die that drifts in lane 1 from 900 s on", row=3, col=1)
    return figure


def _watched(record, machine, seconds: int):
    """Every pass of a line that is watched and left alone, with its instant."""
    state, passes = State(), []
    for _ in range(seconds):
        scan = record.step()
        trace = record.trace(last=150)
        found = run(machine, state, trace, trace.at_s == scan.at, twin_loop.measured([scan]))
        state = found.state
        passes.append((scan.at, found))
    return passes


def _of_lane(record):
    measured = twin_loop.measured(record.scans)
    kept = (measured.stream == LANE) & np.isfinite(measured.value)
    kept &= measured.roll == record.scans[-1].roll
    kept &= np.abs(measured.value - np.median(measured.value[kept])) < 1.0  # the wild reading is another picture
    return measured.where(kept)


def _instant(trace, metre: float) -> float:
    return float(np.interp(metre, trace.web_m, trace.at_s))


def _figure(rows: int, titles: tuple[str, ...] = (), heights: tuple[float, ...] | None = None) -> go.Figure:
    figure = make_subplots(
        rows, 1, shared_xaxes=True, vertical_spacing=0.11, subplot_titles=titles or None, row_heights=heights
    )
    figure.update_layout(
        template="simple_white", width=WIDTH, height=HEIGHT, showlegend=False, shapedefaults={"opacity": 1.0},
        paper_bgcolor="#f4f6f6", plot_bgcolor="#f4f6f6",
        font={"family": "DejaVu Sans, sans-serif", "size": 12, "color": INK},
        margin={"l": 70, "r": 20, "t": 30, "b": 45},
    )  # fmt: skip
    figure.update_annotations(x=0, xanchor="left", font_size=12)
    return figure


def _with_legend(figure: go.Figure) -> go.Figure:
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})


def _band(figure: go.Figure, x, low, high) -> None:
    edge = {"color": "rgba(0,0,0,0)"}
    figure.add_scatter(x=x, y=low, line=edge, showlegend=False, hoverinfo="skip")
    figure.add_scatter(x=x, y=high, line=edge, fill="tonexty", fillcolor=PALE, name="90 % interval")


def _judged(figure: go.Figure, row: int, at, values, broken) -> None:
    figure.add_scatter(
        x=at, y=values, mode="lines+markers", line={"color": BLUE, "width": 1}, marker={"size": 4}, row=row, col=1
    )
    figure.add_scatter(
        x=at[broken], y=values[broken], mode="markers", marker={"color": RED, "size": 9, "symbol": "diamond-open"},
        row=row, col=1,
    )  # fmt: skip


def _drawn(figures: dict[str, go.Figure]) -> dict[str, str]:
    """Each figure as the SVG that plotly.js makes of it in a browser."""
    spec = importlib.util.find_spec("plotly")
    script = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.set_content("<div id=f></div>")
        page.add_script_tag(path=script)
        return {name: _svg(page, figure) for name, figure in figures.items()}


def _svg(page, figure: go.Figure) -> str:
    size = {"format": "svg", "width": WIDTH, "height": HEIGHT}
    url = page.evaluate("([figure, size]) => Plotly.toImage(figure, size)", [json.loads(figure.to_json()), size])
    return page.evaluate("url => decodeURIComponent(url.slice(url.indexOf(',') + 1))", url)


if __name__ == "__main__":
    main()
