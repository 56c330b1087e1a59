"""The loss curve of a training, small enough for the UI."""

import io

import pandas as pd


def loss_curve_png(log: pd.DataFrame, title: str) -> bytes:
    """A PNG (under 100 kB) of the loss over optimiser steps.

    Args:
        log: table `TrainingLog`.
        title: what was trained.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(log["step"], log["loss"], color="#0072B2", linewidth=1, alpha=0.35, label="each step")
    window = max(1, len(log) // 20)
    axes.plot(log["step"], log["loss"].rolling(window, min_periods=1).mean(), color="#D55E00", label="running mean")
    axes.set(title=title, xlabel="optimiser step", ylabel="loss (nats per answer token)", ylim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()
