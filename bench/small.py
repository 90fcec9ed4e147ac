"""Small things beside the peers: where Python, not arithmetic, makes users wait. See README.md.

python bench/small.py --peers-python PATH --before PATH --output DIR
"""

import argparse
from typing import Any

import numpy as np
import peers
from peers import Missing, Worker
from small_tasks import COMPETITORS, OURS

# Microseconds that are allowed on the machine of the time.
TARGETS = {
    "epoch": 20.0,
    "epoch, validated": 45.0,
    "from nothing": 500.0,
    "predict a row": 4.0,
    "evaluate 50 rows": 15.0,
    "train on a row": 5.0,
}
MEASUREMENT = 0.05  # seconds
LEARNED = 0.7  # accuracy that everyone must reach on the training rows


def measure(worker: Worker) -> dict[str, Any]:
    return worker.ask("run", calls=worker.calls)


def compare(task: str, workers: dict[str, Worker], rounds: int) -> dict[str, Any]:
    """One task: microseconds and ratios by competitor, and the reasons of those that are missing."""
    ready, missing = {}, {}
    for name, worker in workers.items():
        try:
            first = worker.ask("load", task=task)
            if first.get("accuracy", 1.0) <= LEARNED:
                raise Missing(f"does not learn: accuracy {first['accuracy']:.2f}")
        except Missing as error:
            missing[name] = str(error)
            continue
        worker.calls = max(1, int(1e6 * MEASUREMENT / (first["microseconds"] * (200 if "epoch" in task else 1))))
        ready[name] = worker
    if OURS not in ready:
        return {"microseconds": {}, "ratios": {}, "missing": missing}
    quads = peers.interleave(ready[OURS], {n: (w, rounds) for n, w in ready.items() if n != OURS}, rounds, measure)
    own = [quad[i] for group in quads.values() for quad in group for i in (0, 3)]
    own = own or [measure(ready[OURS]) for _ in range(rounds)]
    found = {OURS: float(np.median([m["microseconds"] for m in own]))}
    for name, group in quads.items():
        found[name] = float(np.median([quad[i]["microseconds"] for quad in group for i in (1, 2)]))
    ratios = {name: peers.spread(peers.ratios(group, "microseconds")) for name, group in quads.items()}
    return {"microseconds": found, "ratios": ratios, "missing": missing}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All tasks; a process for each competitor."""
    cores = options.cores[:1] if options.cores else peers.pick_cores(1)
    names = [name for name in COMPETITORS if name not in (OURS, "fastnn before")]
    workers, missing = peers.start("small_tasks", [OURS, *names], 1, cores, options.peers_python)
    if options.before:
        workers["fastnn before"] = Worker("small_tasks", "fastnn before", 1, cores, options.before)
    try:
        if OURS not in workers:
            raise SystemExit(f"fastnn itself: {missing[OURS]}")
        versions: dict[str, str] = {}
        for name, worker in workers.items():
            versions |= {} if name == "fastnn before" else worker.versions
        results = {task: compare(task, workers, options.rounds) for task in TARGETS}
    finally:
        for worker in workers.values():
            worker.close()
    facts = {"machine": peers.machine(), "versions": versions, "quick": options.quick}
    return facts | {"missing": missing, "results": results}


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = peers.heading("Small things, one thread", report["machine"], report["versions"], report["quick"])
    names = [name for name in COMPETITORS if any(name in one["microseconds"] for one in report["results"].values())]
    rows = []
    for task, found in report["results"].items():
        own = found["microseconds"].get(OURS, np.inf)
        reached = f"{TARGETS[task]:g}: {'yes' if own <= TARGETS[task] else '**no**'}"
        cells = [f"{found['microseconds'][name]:.3g}" if name in found["microseconds"] else "-" for name in names]
        rows.append([task, *cells, reached])
    lines += ["Microseconds.", "", *peers.table(["", *names, "at most"], rows)]
    lines += ["Times as long as fastnn, with the 10th and 90th percentile.", ""]
    others = [name for name in names if name != OURS]
    rows = [
        [task, *(peers.show(found["ratios"][name]) if name in found["ratios"] else "-" for name in others)]
        for task, found in report["results"].items()
    ]
    lines += peers.table(["", *others], rows)
    absent = {f"{name}: {task}": why for task, one in report["results"].items() for name, why in one["missing"].items()}
    lines += [f"- {what} is missing: {why}" for what, why in (report["missing"] | absent).items()]
    return "\n".join(lines)


def main() -> None:
    parser = peers.parser("Small things beside the peers.", rounds=7)
    parser.add_argument("--before", default=None, help="Python of an older fastnn, as one more competitor")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    report = run(options)
    peers.publish("small", report, markdown(report), options.output)


if __name__ == "__main__":
    main()
