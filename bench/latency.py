"""Latency of one row, and the speed of a batch, beside ONNX Runtime and others, on one thread. See README.md.

python bench/latency.py --peers-python PATH --output DIR
"""

import argparse
from typing import Any

import numpy as np
import peers
from inference import COMPETITORS
from peers import Missing, Worker
from workloads import ROW

OURS = ("fastnn call", "fastnn predict")
TARGETS = {"fastnn call": 5.0, "fastnn predict": 12.0}  # microseconds, one row
BATCH_ROWS = 400
TOLERANCE = 1e-4  # of the outputs, before anything is timed
MEASUREMENT = 0.05  # seconds


def load(workers: dict[str, Worker], case: str, rows: int) -> dict[str, str]:
    """Makes all ready; the reasons of those that fail, or whose outputs differ from fastnn's."""
    missing: dict[str, str] = {}
    expected = None
    for name, worker in workers.items():
        try:
            outputs = np.array(worker.ask("load", case=case, rows=rows)["outputs"])
            microseconds = worker.ask("run", calls=20)["microseconds"]
        except Missing as error:
            missing[name] = str(error)
            continue
        worker.calls = max(10, int(1e6 * MEASUREMENT / microseconds))
        expected = outputs if expected is None else expected
        if outputs.shape != expected.shape or not np.abs(outputs - expected).max() <= TOLERANCE:
            missing[name] = f"its outputs differ from fastnn's by {np.abs(outputs - expected).max():.2g}"
    if set(OURS) & set(missing):
        raise SystemExit(f"fastnn itself: {missing}")
    return missing


def measure(worker: Worker) -> dict[str, Any]:
    return worker.ask("run", calls=worker.calls)


def compare(workers: dict[str, Worker], ours: str, names: list[str], rounds: int) -> dict[str, Any]:
    """Interleaved measurements of one way of ours beside the peers."""
    quads = peers.interleave(workers[ours], {name: (workers[name], rounds) for name in names}, rounds, measure)
    groups = {name: [quad[i] for quad in group for i in (1, 2)] for name, group in quads.items()}
    groups = {ours: [quad[i] for group in quads.values() for quad in group for i in (0, 3)]} | groups
    groups[ours] = groups[ours] or [measure(workers[ours]) for _ in range(rounds)]
    times = {
        name: [float(np.median([m["microseconds"] for m in group])), min(m["least"] for m in group)]
        for name, group in groups.items()
    }
    ratios = {name: peers.spread(peers.ratios(group, "microseconds")) for name, group in quads.items()}
    return {"ours": ours, "microseconds": times, "ratios": ratios, "measurements": quads}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One row beside all, then a batch beside ONNX Runtime."""
    cores = options.cores[:1] if options.cores else peers.pick_cores(1)
    workers, missing = peers.start("inference", list(COMPETITORS), 1, cores, options.peers_python)
    report = {"machine": peers.machine(), "versions": {}, "quick": options.quick, "missing": missing}
    try:
        if not set(OURS) <= set(workers):
            raise SystemExit(f"fastnn itself: {missing}")
        for worker in workers.values():
            report["versions"] |= worker.versions
        out = load(workers, ROW.name, 1)
        names = [name for name in workers if name not in (*OURS, *out)]
        row = [compare(workers, ours, names, options.rounds) for ours in OURS]
        report["row"] = {"results": row, "missing": out, "restless": peers.restless(list(workers.values()))}
        chosen = {name: workers[name] for name in (*OURS, "onnxruntime") if name in workers}
        out = load(chosen, "M", BATCH_ROWS)
        names = [name for name in chosen if name not in (*OURS, *out)]
        report["batch"] = {"results": [compare(workers, OURS[1], names, options.rounds)], "missing": out}
    finally:
        for worker in workers.values():
            worker.close()
    return report


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = peers.heading("Speed of inference, one thread", report["machine"], report["versions"], report["quick"])
    lines += ["## One row through 30-16-8-2: microseconds of a call", ""]
    rows = []
    for result in report["row"]["results"]:
        ours = result["ours"]
        median, least = result["microseconds"][ours]
        reached = "yes" if median <= TARGETS[ours] else "**no**"
        rows.append([ours, f"{median:.2f}", f"{least:.2f}", f"{TARGETS[ours]:g}", reached, "-", "-"])
    call, predict = report["row"]["results"]
    for name in call["ratios"]:
        median, least = call["microseconds"][name]
        both = [peers.show(result["ratios"][name]) for result in (call, predict)]
        rows.append([name, f"{median:.1f}", f"{least:.1f}", "-", "-", *both])
    lines += peers.table(["", "median", "least", "target", "reached", "over model(x)", "over predict(x)"], rows)
    (batch,) = report["batch"]["results"]
    lines += [f"## {BATCH_ROWS} rows through 784-300-100-10: microseconds of a call", ""]
    rows = [[name, f"{median:.0f}", f"{least:.0f}"] for name, (median, least) in batch["microseconds"].items()]
    lines += peers.table(["", "median", "least"], rows)
    for name, ratio in batch["ratios"].items():
        reached = "yes" if ratio["median"] > 1 else "**no**"
        lines += [f"{name} over fastnn: {peers.show(ratio)}. Faster than {name}: {reached}.", ""]
    absent = report["missing"] | report["row"]["missing"] | report["batch"]["missing"]
    lines += [f"- {name} is missing: {reason}" for name, reason in absent.items()]
    lines += [f"- {name} used the CPU while idle" for name in report["row"]["restless"]]
    return "\n".join(lines)


def main() -> None:
    options = peers.parser("Latency and speed of inference beside the peers.", rounds=15).parse_args()
    if options.quick:
        options.rounds = 1
    report = run(options)
    peers.publish("inference", report, markdown(report), options.output)


if __name__ == "__main__":
    main()
