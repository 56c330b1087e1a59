"""What the measurements say: the table, who is right, and which targets are met."""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

import numpy as np

OURS = "ours"
REFERENCE = ("glmmTMB", "lmer")
"""Whose coefficients and standard errors others are compared with, where they were measured; else the best fit's."""
Case = Mapping[str, Any]


def summary(case: Case, peer: str) -> dict[str, Any] | None:
    """Middle and least CPU seconds of a peer's processes, memory, and the fit; None where it was not measured."""
    runs = case["peers"].get(peer, [])
    done = [run for run in runs if "cpu_s" in run]
    if not done:
        return None
    seconds = [run["cpu_s"] for run in done]
    again = [value for run in done for value in run["again_cpu_s"]]
    return {
        "cpu_s": median(seconds),
        "least_cpu_s": min(seconds),
        "again_cpu_s": median(again) if again else None,
        "processes": len(done),
        "above_mb": median(run["peak_mb"] - run["held_mb"] for run in done),
        "total_mb": median(run["process_peak_mb"] for run in done),
        "fit": done[-1],
    }


def stopped(case: Case, peer: str) -> str | None:
    """Why a peer has no numbers; None where it has some or was not tried."""
    runs = case["peers"].get(peer, [])
    if not runs or any("cpu_s" in run for run in runs):
        return None
    last = runs[-1]
    return f"beyond {last['beyond_cpu_s']:.0f} CPU s" if "beyond_cpu_s" in last else f"failed: {last['failed']}"


def compared(case: Case, peer: str) -> dict[str, Any]:
    """How far a fit is from the best log-likelihood and from the reference's coefficients and standard errors."""
    fits = {name: found["fit"] for name in case["peers"] if (found := summary(case, name))}
    own, reference = fits[peer], _reference(fits)
    known = [fit["loglik"] for fit in fits.values() if fit["loglik"] is not None]
    shift, ratios = _distances(own, reference)
    return {
        "below_best_loglik": None if own["loglik"] is None else max(known) - own["loglik"],
        "coefficients_off_in_se": shift,
        "se_ratio": ratios,
    }


def _reference(fits: Mapping[str, Any]) -> Any:
    for name in REFERENCE:
        if name in fits:
            return fits[name]
    return max(fits.values(), key=lambda fit: -np.inf if fit["loglik"] is None else fit["loglik"])


def _distances(own: Any, reference: Any) -> tuple[float, tuple[float, float]]:
    place = {name: at for at, name in enumerate(own["names"])}
    order = [place[name] for name in reference["names"]]
    errors = _numbers(reference["standard_errors"])
    shift = np.abs(_numbers(own["coefficients"])[order] - _numbers(reference["coefficients"])) / errors
    ratios = _numbers(own["standard_errors"])[order] / errors
    return float(np.nanmax(shift)), (float(np.min(ratios)), float(np.max(ratios)))


def _numbers(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def table(cases: Mapping[str, Case]) -> str:
    """All measurements as text."""
    head = (
        f"{'':18} {'CPU s':>9} {'least':>9} {'again':>9} {'x ours':>8} {'fit MB':>7} {'all MB':>7} "
        f"{'loglik-':>9} {'coef/SE':>8} {'SE ratio':>15}  deviations"
    )
    lines: list[str] = []
    for name, case in cases.items():
        lines += ["", f"{name}: {case['rows']:,} rows, {case['sizes']}", f"  {case['formula']}", head]
        lines += [_line(case, peer) for peer in case["peers"]]
    return "\n".join(lines)


def _line(case: Case, peer: str) -> str:
    found, own = summary(case, peer), summary(case, OURS)
    if found is None:
        return f"{peer:18} {stopped(case, peer)}"
    off = compared(case, peer)
    low, high = off["se_ratio"]
    times = f"{found['cpu_s'] / own['cpu_s']:8.1f}" if own else " " * 8
    return (
        f"{peer:18} {found['cpu_s']:9.3f} {found['least_cpu_s']:9.3f} {_shown(found['again_cpu_s'], '9.3f')} {times} "
        f"{found['above_mb']:7.0f} {found['total_mb']:7.0f} {_shown(off['below_best_loglik'], '9.1e')} "
        f"{off['coefficients_off_in_se']:8.1e} {low:7.4f}-{high:<7.4f}  "
        + ", ".join(f"{value:.4f}" if value is not None else "none" for value in found["fit"]["sds"].values())
    )


def _shown(value: float | None, form: str) -> str:
    return f"{value:{form}}" if value is not None else f"{'':{form.partition('.')[0]}}"


def targets(cases: Mapping[str, Case]) -> list[dict[str, Any]]:
    """Each target with what was measured, and whether it is met."""
    return [
        {"target": text, "asked": asked, "measured": None if value is None else round(value, 4), "met": met}
        for text, asked, value, met in _judged(cases)
    ]


def _judged(cases: Mapping[str, Case]) -> Iterator[tuple[str, str, float | None, bool | None]]:
    for text, name, peer, least in (
        ("10k rows: CPU of glmmTMB / ours", "intercepts-10k", "glmmTMB", 30),
        ("10k rows: CPU of glmer nAGQ=1, defaults / ours", "intercepts-10k", "glmer", 100),
        ("10k rows: CPU of glmer nAGQ=1, nloptwrap / ours", "intercepts-10k", "glmer-nloptwrap", 100),
        ("100k rows: CPU of glmmTMB / ours", "intercepts-100k", "glmmTMB", 50),
        ("100k rows: CPU of glmer nAGQ=1, defaults / ours", "intercepts-100k", "glmer", 200),
        ("100k rows: CPU of glmer nAGQ=1, nloptwrap / ours", "intercepts-100k", "glmer-nloptwrap", 200),
        ("model A, 500 items: CPU of glmmTMB / ours", "model-a-500", "glmmTMB", 60),
    ):
        ratio = _ratio(cases, name, peer)
        yield text, f">= {least}", ratio, None if ratio is None else ratio >= least
    for text, name, what, most in (
        ("1M rows: CPU s", "intercepts-1M", "cpu_s", 6.0),
        ("1M rows: peak MB of the fit above the loaded data", "intercepts-1M", "above_mb", 500.0),
        ("1M rows: peak MB of the whole process", "intercepts-1M", "total_mb", 500.0),
        ("model A, 500 items: CPU s", "model-a-500", "cpu_s", 15.0),
        ("model A, 500 items: peak MB of the whole process", "model-a-500", "total_mb", 500.0),
        ("model A, 4,691 items: CPU s", "model-a-4691", "cpu_s", 120.0),
        ("model A, 4,691 items: peak MB of the whole process", "model-a-4691", "total_mb", 1500.0),
    ):
        value = _own(cases, name, what)
        yield text, f"< {most:g}", value, None if value is None else value < most
    growth = _growth(cases)
    yield "100k -> 5M rows: growth of CPU / growth of rows", "<= 1", growth, None if growth is None else growth <= 1


def _own(cases: Mapping[str, Case], name: str, what: str) -> float | None:
    found = summary(cases[name], OURS) if name in cases else None
    return float(found[what]) if found else None


def _ratio(cases: Mapping[str, Case], name: str, peer: str) -> float | None:
    """Of a peer stopped at its limit: at least so much."""
    own = _own(cases, name, "cpu_s")
    if own is None:
        return None
    found = summary(cases[name], peer)
    if found:
        return float(found["cpu_s"]) / own
    beyond = [run["beyond_cpu_s"] for run in cases[name]["peers"].get(peer, []) if "beyond_cpu_s" in run]
    return max(beyond) / own if beyond else None


def _growth(cases: Mapping[str, Case]) -> float | None:
    small, large = _own(cases, "intercepts-100k", "cpu_s"), _own(cases, "intercepts-5M", "cpu_s")
    return None if small is None or large is None else large / small / 50.0


def judgement(found: list[dict[str, Any]]) -> str:
    """Targets as text."""
    lines = [f"{'target':52} {'asked':>8} {'measured':>10}"]
    for one in found:
        value = "" if one["measured"] is None else f"{one['measured']:.4g}"
        said = {None: "not measured", True: "met", False: "NOT met"}[one["met"]]
        lines.append(f"{one['target']:52} {one['asked']:>8} {value:>10}  {said}{_by_how_much(one)}")
    return "\n".join(lines)


def _by_how_much(one: Mapping[str, Any]) -> str:
    if one["measured"] is None:
        return ""
    asked = float(one["asked"].split()[1])
    return f", {one['measured'] / asked:.2f} x the target"
