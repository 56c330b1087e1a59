"""Mixed models beside glmmTMB, lme4, statsmodels and gpboost: CPU seconds, memory, and who finds the optimum.

Every measurement is a process of its own that reads the same answers, then times what lies between the data frame and
estimates with standard errors: CPU seconds (two cores are shared, so wall time says little), peak memory above the
loaded data and of the whole process. Everything runs in one thread. What takes longer than `--limit` CPU seconds is
stopped and recorded as such. Results are merged into the JSON file after each process, so an interrupted run goes on
where it stopped; `--again` measures once more.

R with lme4, glmmTMB and jsonlite comes from Debian's r-cran-lme4, r-cran-glmmtmb and r-cran-jsonlite. gpboost is a
peer here and no dependency of the project; it gets an environment of its own:

    python3 -m venv FOLDER/gpboost && FOLDER/gpboost/bin/pip install gpboost==1.8.0 formulaic pyarrow

with FOLDER as given by `--folder`, where the simulated data are kept too (default: mixed_model_speed in the folder for
temporary files). Run `python -m benchmarks.mixed_model_speed`, or parts: `--cases intercepts-10k --peers ours glmmTMB`.
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.mixed_model_peers.cases import CASES, Case, write_case
from benchmarks.mixed_model_peers.targets import judgement, table, targets

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "mixed_model_speed.json"
PARTS = HERE / "mixed_model_peers"
ENGINE = HERE.parent / "bias_platform" / "statistics"
FOLDER = Path(tempfile.gettempdir()) / "mixed_model_speed"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
MOST_PROCESSES, ENOUGH_S = 5, 20.0
"""A case is measured by so many processes, fewer once their fits add up to so many CPU seconds."""
AGAIN_S = 4.0
"""CPU seconds up to which a process fits once more, which shows what a fit costs when it is not the first."""
MOST_MEMORY = 14 * 2**30


class Peer(NamedTuple):
    """Who fits: what the process does, which Python or R runs it, and up to how many rows it is worth trying."""

    work: str
    runs_in: str
    most_rows: int
    most_study_rows: int
    """Of model A, which has 142 fixed effects and five random terms."""
    family: str = "binomial"
    options: Mapping[str, Any] = {}

    def tries(self, case: Case) -> bool:
        """Whether a case is for this peer."""
        most = self.most_study_rows if case.design == "study" else self.most_rows
        return case.family in self.family.split(" or ") and case.rows <= most


ANY, SMALL, MEDIUM, LARGE = 10**9, 21_000, 210_000, 1_100_000
TIGHT = {"model": {"matrix_inversion_method": "cholesky"}, "params": {"delta_rel_conv": 1e-9}}
PEERS = {
    "ours": Peer("ours", "project", ANY, ANY, "binomial or gaussian", {"errors": "full"}),
    "ours-joint": Peer("ours", "project", ANY, ANY, "binomial", {"errors": "joint"}),
    "glmmTMB": Peer("glmmTMB", "R", LARGE, MEDIUM, options={"threads": 1}),
    "glmmTMB-2-threads": Peer("glmmTMB", "R", SMALL, 0, options={"threads": 2}),
    "glmer": Peer("glmer", "R", LARGE, 0, options={"points": 1}),
    "glmer-nloptwrap": Peer("glmer", "R", MEDIUM, 0, options={"points": 1, "optimizer": "nloptwrap"}),
    "glmer-nAGQ0": Peer("glmer", "R", LARGE, SMALL, options={"points": 0}),
    "lmer": Peer("lmer", "R", LARGE, 0, "gaussian"),
    "statsmodels-vb": Peer("variational", "project", MEDIUM, 0),
    "statsmodels-mixedlm": Peer("mixed_lm", "project", SMALL, 0, "gaussian"),
    "gpboost": Peer("gpboost", "gpboost", LARGE, SMALL, options={"options": {"model": {}, "params": {}}}),
    "gpboost-tuned": Peer("gpboost", "gpboost", LARGE, SMALL, options={"options": TIGHT}),
}


def measure(case: Case, name: str, folder: Path, limit: float) -> dict[str, Any]:
    """One process: its report, or why there is none."""
    peer = PEERS[name]
    parquet, text = write_case(case, folder)
    with tempfile.TemporaryDirectory() as place:
        spec, out = Path(place) / "spec.json", Path(place) / "out.json"
        spec.write_text(json.dumps(_spec(case, peer)), "utf-8")
        data = text if peer.runs_in == "R" else parquet
        load = os.getloadavg()[0]
        code, used, errors = _run([*_command(peer, folder), str(data), str(spec), str(out)], peer, limit)
        shared = {"load_before": round(load, 2), "process_peak_mb": used.ru_maxrss / 1024}
        shared["process_cpu_s"] = used.ru_utime + used.ru_stime
        if out.exists() and code == 0:
            engine = {"engine": engine_hash()} if peer.work == "ours" else {}
            return shared | engine | _rounded(json.loads(out.read_text("utf-8")))
    if code in (-signal.SIGXCPU, -signal.SIGKILL) and shared["process_cpu_s"] >= 0.99 * int(limit):
        return shared | {"beyond_cpu_s": used.ru_utime + used.ru_stime}
    last = errors.strip().splitlines()[-1:] or [f"exit status {code}"]
    return shared | {"failed": re.sub(r"\S*/\S*", "...", last[0])[:200]}


def _spec(case: Case, peer: Peer) -> dict[str, Any]:
    return {
        "work": peer.work,
        "formula": case.formula,
        "fixed": case.fixed,
        "terms": list(case.terms),
        "outcome": case.outcome,
        "family": case.family,
        "sum_coded": list(case.sum_coded),
        "again_s": AGAIN_S,
        **peer.options,
    }


def _command(peer: Peer, folder: Path) -> list[str]:
    if peer.runs_in == "R":
        return ["Rscript", "--vanilla", str(PARTS / "peers.R")]
    python = sys.executable if peer.runs_in == "project" else str(folder / "gpboost" / "bin" / "python")
    return [python, str(PARTS / "peer.py")]


def _run(command: list[str], peer: Peer, limit: float) -> tuple[int, resource.struct_rusage, str]:
    """Exit status, use of resources and standard error of a process that is stopped at its limit."""
    threads = {"OMP_NUM_THREADS": str(peer.options["threads"])} if peer.options.get("threads", 1) > 1 else {}
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=HERE.parent,
            env=os.environ | ONE_THREAD | threads,
        )
        _restrict(child.pid, limit)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return child.returncode, used, errors.read()


def _restrict(process: int, seconds: float) -> None:
    resource.prlimit(process, resource.RLIMIT_CPU, (int(seconds), int(seconds) + 10))
    resource.prlimit(process, resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return {name: _rounded(one) for name, one in value.items()} if isinstance(value, dict) else value


def engine_hash() -> str:
    """Says whether two measurements of ours are of the same code."""
    found = hashlib.sha256()
    for file in sorted(ENGINE.glob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()[:12]


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    known = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    return {
        "processor": known[1] if known else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "python": platform.python_version(),
        "threads_per_process": 1,
    }


@contextmanager
def results(out: Path, run: str) -> Iterator[dict[str, Any]]:
    """The results of this run, to be changed; written when the block ends. Another process may do the same."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with (Path(tempfile.gettempdir()) / f"{out.stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(out.read_text("utf-8")) if out.exists() else {}
        if known.get("run") != run:
            known = {"what": __doc__.split("\n\n")[0], "run": run, "machine": machine(), "targets": [], "cases": {}}
        yield known
        order = list(CASES)
        known["cases"] = dict(sorted(known["cases"].items(), key=lambda item: order.index(item[0])))
        known["targets"] = targets(known["cases"])
        out.write_text(_lists_on_one_line(json.dumps(known, indent=1)) + "\n", "utf-8")


def _lists_on_one_line(text: str) -> str:
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)


def measure_peer(case: Case, name: str, options: argparse.Namespace) -> None:
    """As many processes as the case needs, each written down at once."""
    with results(options.out, options.run) as known:
        entry = known["cases"].setdefault(case.name, case.described() | {"peers": {}})
        if options.again:
            entry["peers"].pop(name, None)
        before = entry["peers"].get(name, [])
        if before and "failed" in before[-1]:
            before = entry["peers"].pop(name)[:0]
    if before and (len(before) >= MOST_PROCESSES or "cpu_s" not in before[-1] or _enough(before)):
        return
    while True:
        found = measure(case, name, options.folder, options.limit)
        with results(options.out, options.run) as known:
            runs = known["cases"][case.name]["peers"].setdefault(name, [])
            runs.append(found)
            runs[:-1] = [_without_fit(run) for run in runs[:-1]]
            order = list(PEERS)
            peers = known["cases"][case.name]["peers"]
            known["cases"][case.name]["peers"] = dict(sorted(peers.items(), key=lambda item: order.index(item[0])))
        seconds = found.get("cpu_s", found.get("beyond_cpu_s"))
        print(f"{case.name:18} {name:18} {seconds if seconds is not None else found['failed']}", flush=True)
        if "cpu_s" not in found or len(runs) >= MOST_PROCESSES or _enough(runs):
            return


def _enough(runs: list[dict[str, Any]]) -> bool:
    return sum(run.get("cpu_s", 0.0) for run in runs) > ENOUGH_S


def _without_fit(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run whose estimates are told by a later one of the same peer."""
    told = ("names", "coefficients", "standard_errors", "sds", "said", "versions")
    return {name: value for name, value in run.items() if name not in told}


def main() -> None:
    """Measures what is asked for and not yet known, then prints all that is known."""
    parser = argparse.ArgumentParser(description="speed of mixed models beside other packages")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--limit", type=float, default=600.0, help="CPU seconds of one process")
    parser.add_argument("--again", action="store_true", help="measure once more what is known")
    parser.add_argument("--run", default="1", help="name of the run; another name begins anew")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="simulated data and gpboost's environment")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    for case in (CASES[name] for name in options.cases):
        for name in options.peers:
            if PEERS[name].tries(case):
                measure_peer(case, name, options)
    with results(options.out, options.run) as known:
        print(table(known["cases"]))
    print()
    print(judgement(known["targets"]))


if __name__ == "__main__":
    main()
