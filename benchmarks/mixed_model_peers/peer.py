"""One Python peer, one data set, one process: `python peer.py DATA SPEC OUT`, all of them files, the last two JSON.

Measured is what happens between a data frame in memory and estimates with standard errors in hand: CPU seconds of this
process by getrusage, and the peak of its memory beside what it held before. Imports and reading come before.
"""

import gc
import importlib.metadata
import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MOST_AGAIN = 5


def cpu() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory(field: str) -> float:
    """MB of a field of this process's status: VmRSS now, VmHWM at most."""
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text("utf-8"))
    return int(found[1]) / 1024 if found else float("nan")


def forget_peak() -> None:
    """Let VmHWM count from now."""
    Path("/proc/self/clear_refs").write_text("5", "utf-8")


def plain(name: str) -> str:
    """The coefficient's name as R gives it."""
    name = re.sub(r"C\((\w+), contr\.sum\)\[S\.[a-z](\d+)\]", r"\1\2", name)
    return "(Intercept)" if name == "Intercept" else re.sub(r"\[T\.(\w+)\]", r"\1", name)


def formulaic_text(spec: dict[str, Any]) -> str:
    """The fixed part as formulaic reads it."""
    text = spec["fixed"]
    for name in spec["sum_coded"]:
        text = re.sub(rf"\b{name}\b", f"C({name}, contr.sum)", text)
    return text


def ours(spec: dict[str, Any]) -> Callable[[pd.DataFrame], dict[str, Any]]:
    """`fit_mixed_model`, its standard errors as the specification says."""
    from bias_platform.statistics import fit_mixed_model

    formula = spec["formula"].replace(spec["fixed"], formulaic_text(spec))
    options = {"method": "REML"} if spec["family"] == "gaussian" else {}

    def fit(frame: pd.DataFrame) -> dict[str, Any]:
        found = fit_mixed_model(formula, frame, spec["family"], standard_errors=spec["errors"], **options)
        components = found.variance_components.set_index("term")["sd"]
        return {
            "loglik": found.loglik,
            "names": [plain(name) for name in found.fixed_effects.index],
            "coefficients": found.fixed_effects["estimate"].tolist(),
            "standard_errors": found.fixed_effects["standard_error"].tolist(),
            "sds": components.to_dict(),
            "converged": found.converged,
            "said": list(found.messages),
            "evaluations": found.diagnostics.evaluations,
            "newton_passes": found.diagnostics.newton_passes,
        }

    return fit


def fixed_matrix(frame: pd.DataFrame, spec: dict[str, Any]) -> tuple[list[str], np.ndarray]:
    """Names and X of the fixed part, for peers that take arrays."""
    from formulaic import model_matrix

    matrix = model_matrix(formulaic_text(spec), frame)
    return [plain(str(name)) for name in matrix.columns], np.asarray(matrix, dtype=float)


def level_codes(frame: pd.DataFrame, term: str) -> np.ndarray:
    """A number from 0 up for each row's level of a random term such as ``item`` or ``item:persona``."""
    return frame.groupby(term.split(":"), observed=True).ngroup().to_numpy()


def gpboost(spec: dict[str, Any]) -> Callable[[pd.DataFrame], dict[str, Any]]:
    """gpboost's GPModel, by its defaults or with the options of the specification."""
    import formulaic  # noqa: F401
    import gpboost as package

    def fit(frame: pd.DataFrame) -> dict[str, Any]:
        names, matrix = fixed_matrix(frame, spec)
        levels = np.column_stack([level_codes(frame, term) for term in spec["terms"]])
        model = package.GPModel(
            group_data=levels, likelihood="bernoulli_logit", num_parallel_threads=1, **spec["options"]["model"]
        )
        model.fit(y=frame[spec["outcome"]].to_numpy(float), X=matrix, params=spec["options"]["params"])
        table = np.asarray(model.get_coef(std_err=True), dtype=float)
        variances = np.asarray(model.get_cov_pars(), dtype=float).ravel()
        return {
            "loglik": -float(model.get_current_neg_log_likelihood()),
            "names": names,
            "coefficients": table[0].tolist(),
            "standard_errors": table[1].tolist(),
            "sds": dict(zip(spec["terms"], np.sqrt(variances).tolist(), strict=True)),
        }

    return fit


def variational(spec: dict[str, Any]) -> Callable[[pd.DataFrame], dict[str, Any]]:
    """statsmodels' BinomialBayesMixedGLM by variational Bayes; its random part is given as a sparse matrix."""
    import formulaic  # noqa: F401
    from scipy import sparse
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    def fit(frame: pd.DataFrame) -> dict[str, Any]:
        names, matrix = fixed_matrix(frame, spec)
        blocks, ident = [], []
        for at, name in enumerate(spec["terms"]):
            code = level_codes(frame, name)
            size = int(code.max()) + 1
            blocks.append(sparse.csr_matrix((np.ones(len(code)), (np.arange(len(code)), code)), (len(code), size)))
            ident.extend([at] * size)
        model = BinomialBayesMixedGLM(
            frame[spec["outcome"]].to_numpy(float), matrix, sparse.hstack(blocks).tocsr(), np.asarray(ident)
        )
        np.random.seed(0)
        found = model.fit_vb()
        return {
            "loglik": None,
            "names": names,
            "coefficients": found.fe_mean.tolist(),
            "standard_errors": found.fe_sd.tolist(),
            "sds": dict(zip(spec["terms"], np.exp(found.vcp_mean).tolist(), strict=True)),
            "converged": bool(found.optim_retvals.success) if hasattr(found, "optim_retvals") else None,
        }

    return fit


def mixed_lm(spec: dict[str, Any]) -> Callable[[pd.DataFrame], dict[str, Any]]:
    """statsmodels' MixedLM, crossed factors as variance components of one group, as its documentation shows."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    def fit(frame: pd.DataFrame) -> dict[str, Any]:
        parts = {name: f"0 + C({name})" for name in spec["terms"]}
        model = MixedLM.from_formula(
            f"{spec['outcome']} ~ {spec['fixed']}", frame, groups=np.ones(len(frame)), vc_formula=parts
        )
        found = model.fit()
        return {
            "loglik": float(found.llf),
            "names": [plain(name) for name in found.fe_params.index],
            "coefficients": found.fe_params.tolist(),
            "standard_errors": found.bse_fe.tolist(),
            "sds": dict(zip(model.exog_vc.names, np.sqrt(found.vcomp).tolist(), strict=True))
            | {"residual": float(np.sqrt(found.scale))},
            "converged": bool(found.converged),
        }

    return fit


PEERS = {"ours": ours, "gpboost": gpboost, "variational": variational, "mixed_lm": mixed_lm}
PACKAGES = {"ours": (), "gpboost": ("gpboost",), "variational": ("statsmodels",), "mixed_lm": ("statsmodels",)}


def timed(fit: Callable[[pd.DataFrame], dict[str, Any]], frame: pd.DataFrame) -> tuple[dict[str, Any], float, float]:
    """What a fit gives, its CPU seconds and its wall seconds."""
    gc.collect()
    wall, used = time.perf_counter(), cpu()
    found = fit(frame)
    return found, cpu() - used, time.perf_counter() - wall


def main() -> None:
    """Reads, fits, and fits again while that is cheap."""
    data, spec_file, out = (Path(name) for name in sys.argv[1:4])
    spec = json.loads(spec_file.read_text("utf-8"))
    fit = PEERS[spec["work"]](spec)
    imported = cpu()
    frame = pd.read_parquet(data)
    before_s = {"imports": imported, "reading": cpu() - imported}
    gc.collect()
    forget_peak()
    held = memory("VmRSS")
    found, first, wall = timed(fit, frame)
    peak = memory("VmHWM")
    again: list[float] = []
    while len(again) < MOST_AGAIN and first + sum(again) + first < spec["again_s"]:
        again.append(timed(fit, frame)[1])
    packages = ("numpy", "scipy", "pandas", *PACKAGES[spec["work"]])
    out.write_text(
        json.dumps(
            found
            | {
                "cpu_s": first,
                "wall_s": wall,
                "again_cpu_s": again,
                "before_s": before_s,
                "held_mb": held,
                "peak_mb": peak,
                "versions": {name: importlib.metadata.version(name) for name in packages},
            }
        ),
        "utf-8",
    )


if __name__ == "__main__":
    main()
