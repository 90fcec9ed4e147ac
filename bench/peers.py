"""The coordinator's side: starts competitors as processes, talks to them, interleaves measurements, sums them up."""

import argparse
import json
import os
import platform
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
TIMEOUT = 600  # seconds for one answer
PAUSE = 0.01  # seconds between two measurements: thread pools that spin go to sleep
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "FASTNN_NUM_THREADS",
)


class Missing(Exception):
    """A competitor that cannot take part, and why."""


class Worker:
    """A competitor's process; it waits in a read, asleep, unless asked."""

    def __init__(self, kind: str, name: str, threads: int, cores: list[int], python: str = sys.executable) -> None:
        self.name, self.threads = name, threads
        self.stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the worker
        command = [python, str(HERE / "worker.py"), kind, name, str(threads), ",".join(map(str, cores))]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
            bufsize=1,
            env=environment(threads, python),
        )
        try:
            self.versions = self._answer()
        except Missing:
            self.close()
            raise

    def ask(self, call: str, **arguments: Any) -> dict[str, Any]:
        """Calls a method of the competitor."""
        try:
            self.process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        except BrokenPipeError:
            raise Missing(f"process ended: {self._last_words()}") from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        # one answer for each request, so nothing can wait in the stream's own buffer
        if not select.select([self.process.stdout], [], [], TIMEOUT)[0]:
            self.process.kill()
            raise Missing(f"no answer within {TIMEOUT} s")
        line = self.process.stdout.readline()
        if not line:
            raise Missing(f"process ended: {self._last_words()}")
        reply = json.loads(line)
        if "error" in reply:
            raise Missing(reply["error"])
        return reply

    def _last_words(self) -> str:
        self.process.wait()
        self.stderr.seek(0)
        return (self.stderr.read().strip().splitlines() or [f"exit code {self.process.returncode}"])[-1]

    def cpu_seconds(self) -> float | None:
        """CPU time so far, where the system tells."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.stderr.close()


Measure = Callable[[Worker], dict[str, Any]]


def environment(threads: int, python: str) -> dict[str, str]:
    """The environment of a competitor: every known switch for threads set to the same number."""
    variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    variables |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    variables["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no compiler processes that stay
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    variables.pop("PYTHONSAFEPATH", None)  # the worker imports its neighbours
    if python != sys.executable:
        variables.pop("PYTHONPATH", None)  # belongs to this Python
    return variables


def start(kind: str, names: list[str], threads: int, cores: list[int], python: str) -> tuple[dict, dict]:
    """The workers that could be started, and the reasons of those that are missing, by name."""
    workers, missing = {}, {}
    for name in names:
        try:
            workers[name] = Worker(kind, name, threads, cores, sys.executable if name.startswith("fastnn") else python)
        except Missing as error:
            missing[name] = str(error)
    return workers, missing


def pick_cores(count: int) -> list[int]:
    """The first cores of this process that are not siblings of one another; [] where processes cannot be pinned."""
    if not hasattr(os, "sched_setaffinity"):
        return []
    chosen: list[int] = []
    taken: set[str] = set()
    for core in sorted(os.sched_getaffinity(0)):
        path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
        siblings = path.read_text().strip() if path.exists() else str(core)
        if siblings not in taken:
            taken.add(siblings)
            chosen.append(core)
    if len(chosen) < count:
        raise SystemExit(f"{count} threads need {count} cores, this process has {len(chosen)}")
    return chosen[:count]


def restless(workers: list[Worker], seconds: float = 0.5) -> list[str]:
    """Names of the idle workers that use the CPU nevertheless: they would disturb the others."""
    time.sleep(PAUSE)
    before = [worker.cpu_seconds() for worker in workers]
    time.sleep(seconds)
    after = [worker.cpu_seconds() for worker in workers]
    return [w.name for w, a, b in zip(workers, before, after, strict=True) if a is not None and b - a > 0.05 * seconds]


def interleave(ours: Worker, peers: dict[str, tuple[Worker, int]], rounds: int, measure: Measure) -> dict[str, list]:
    """Measurements ours-peer-peer-ours for each peer, round by round: {peer: [[ours, peer, peer, ours], ...]}.

    peers: {name: (worker, rounds)}. The last measurement of ours is the first one beside the next peer.
    """
    quads: dict[str, list] = {name: [] for name in peers}
    last = measured(ours, measure)
    for r in range(rounds):
        for name, (peer, most) in peers.items():
            if r < most:
                quad = [last, measured(peer, measure), measured(peer, measure), measured(ours, measure)]
                last = quad[-1]
                quads[name].append(quad)
    return quads


def measured(worker: Worker, measure: Measure) -> dict:
    time.sleep(PAUSE)
    return measure(worker)


def ratios(quads: list, key: str) -> np.ndarray:
    """The peer's time over ours, for each quad."""
    return np.array([(q[1][key] + q[2][key]) / (q[0][key] + q[3][key]) for q in quads])


def spread(values: Any) -> dict[str, float]:
    """Median with 10th and 90th percentile."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    return {"median": float(middle), "p10": float(low), "p90": float(high), "count": len(values)}


def show(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['p10']:.2f}-{ratio['p90']:.2f})"


def machine() -> dict[str, str]:
    """What the numbers belong to."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return {"cpu": name, "cores": str(os.cpu_count()), "system": platform.platform(terse=True), "date": date}


def heading(title: str, facts: dict[str, str], versions: dict[str, str], quick: bool) -> list[str]:
    """The first lines of a report."""
    lines = [f"# {title}", "", f"CPU {facts['cpu']}, {facts['cores']} cores, {facts['system']}; {facts['date']}.", ""]
    lines += ["Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".", ""]
    return lines + (["**A quick run: it shows that everything works. Its numbers mean nothing.**", ""] if quick else [])


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """The arguments of both comparisons."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--peers-python", default=sys.executable, help="Python that has the peers (this one)")
    made.add_argument("--cores", type=numbers, default=None, help="cores to use (the first ones of this process)")
    made.add_argument("--rounds", type=int, default=rounds, help=f"rounds ours-peer-peer-ours for each peer ({rounds})")
    made.add_argument("--quick", action="store_true", help="one short round: only shows that it works")
    made.add_argument("--output", type=Path, default=None, help="folder for the report")
    return made


def numbers(text: str) -> list[int]:
    """The parser of a list of numbers."""
    return [int(part) for part in text.split(",")]


def publish(name: str, report: dict[str, Any], page: str, folder: Path | None) -> None:
    """Prints the page, and writes it and the data where a folder is given."""
    print(page)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(report, indent=1))
        (folder / f"{name}.md").write_text(page)
