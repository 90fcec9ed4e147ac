"""Builds of fastnn beside each other: of several compilers (compilers.sh), or of two commits. See README.md.

python bench/builds.py now=.venv/bin/python before=../before/.venv/bin/python
"""

import argparse
from typing import Any

import numpy as np
import peers
from compare import make_ready, measure, names, say
from peers import Worker
from training import OURS
from workloads import WORKLOADS

AT_LEAST = 0.9  # of the speed of the fastest build


def compare(case: str, workers: dict[str, Worker], rounds: int) -> dict[str, dict[str, float]]:
    """Of each build: the median of a step in microseconds, and its speed over that of the first build."""
    for worker in workers.values():
        make_ready(worker, WORKLOADS[case])
    first, *others = workers
    if not others:
        quads = [measure(workers[first]) for _ in range(rounds)]
        return {first: {"microseconds": float(np.median([m["microseconds"] for m in quads])), "speed": 1.0}}
    groups = peers.interleave(workers[first], {name: (workers[name], rounds) for name in others}, rounds, measure)
    own = [quad[i]["microseconds"] for quads in groups.values() for quad in quads for i in (0, 3)]
    found = {first: {"microseconds": float(np.median(own)), "speed": 1.0}}
    for name, quads in groups.items():
        microseconds = float(np.median([quad[i]["microseconds"] for quad in quads for i in (1, 2)]))
        speed = 1 / float(np.median(peers.ratios(quads, "microseconds")))
        found[name] = {"microseconds": microseconds, "speed": speed}
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All cases; the workers stay, so that each build is started once."""
    cores = options.cores[: options.threads] if options.cores else peers.pick_cores(options.threads)
    workers = {name: Worker("training", OURS, options.threads, cores, python) for name, python in options.builds}
    try:
        level = next(iter(workers.values())).versions["level"]
        report = {"machine": peers.machine(), "level": level, "threads": options.threads, "results": {}}
        for case in options.cases:
            report["results"][case] = compare(case, workers, options.rounds)
            say(f"{case} {report['results'][case]}")
    finally:
        for worker in workers.values():
            worker.close()
    return report


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    facts = report["machine"]
    lines = [f"CPU {facts['cpu']}, level {report['level']}, {report['threads']} threads; {facts['date']}.", ""]
    lines += ["Microseconds per step, and the speed over that of the fastest build.", ""]
    rows = []
    for case, found in report["results"].items():
        best = max(build["speed"] for build in found.values())
        cells = [f"{b['microseconds']:.4g} ({b['speed'] / best:.2f})" for b in found.values()]
        slow = [name for name, build in found.items() if build["speed"] < AT_LEAST * best]
        rows.append([WORKLOADS[case].title, *cells, ", ".join(slow) or "none"])
    heads = ["network, batch", *next(iter(report["results"].values())), f"below {AT_LEAST:g}"]
    return "\n".join(lines + peers.table(heads, rows))


def build(text: str) -> tuple[str, str]:
    """The parser of NAME=PYTHON."""
    name, sign, python = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PYTHON")
    return name, python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="+", type=build, metavar="NAME=PYTHON", help="the first is measured most often")
    parser.add_argument(
        "--cases", type=names(WORKLOADS), default=["S", "M", "T"], help=f"some of {','.join(WORKLOADS)} (S,M,T)"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7, help="rounds first-other-other-first for each build (7)")
    parser.add_argument("--cores", type=peers.numbers, default=None, help="cores to use (the first of this process)")
    report = run(parser.parse_args())
    print(markdown(report))


if __name__ == "__main__":
    main()
