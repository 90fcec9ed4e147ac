"""Latency of one row and of 400, beside ONNX Runtime and others, on one thread, and calls from two. See README.md.

python bench/latency.py --peers-python PATH --output DIR
"""

import argparse
from typing import Any

import numpy as np
import peers
from inference import COMPETITORS
from peers import Missing, Worker
from workloads import ROW, WORKLOADS

OURS = "fastnn predictor"
BATCH_ROWS = 400
CASES = [(name, rows) for rows in (1, BATCH_ROWS) for name in (ROW.name, "D", "M")]
TARGETS = {(ROW.name, 1): 0.35, ("D", 1): 0.8}  # microseconds
READING = 1.3  # of the time to read the weights of M from the cache, one row
CALL = "fastnn call"
IMAGES = {("C1", 1): 3.0, ("C1", 256): 1.0, ("C2", 1): 1.0, ("C2", 256): 1.0}  # times ONNX Runtime's speed, by CALL
OVER_ONNX = 12.0  # times, one row of the two small networks
CROWD = ("fastnn predictor", CALL, "onnxruntime")  # whose calls from two threads are counted
MEASUREMENT = 0.05  # seconds
CROWDED = 1.0


def load(workers: dict[str, Worker], case: str, rows: int, ours: str = OURS) -> dict[str, str]:
    """Makes all ready; the reasons of those that fail, or whose outputs differ from fastnn's."""
    missing: dict[str, str] = {}
    expected = None
    for name, worker in workers.items():
        try:
            reply = worker.ask("load", case=case, rows=rows)
            microseconds = worker.ask("run", calls=20)["microseconds"]
        except Missing as error:
            missing[name] = str(error)
            continue
        outputs = np.array(reply["outputs"])
        worker.calls = max(10, int(1e6 * MEASUREMENT / microseconds))
        expected = outputs if expected is None else expected
        if outputs.shape != expected.shape or not np.abs(outputs - expected).max() <= reply["tolerance"]:
            missing[name] = f"its outputs differ from fastnn's by {np.abs(outputs - expected).max():.2g}"
    if ours in missing:
        raise SystemExit(f"fastnn itself: {missing}")
    return missing


def measure(worker: Worker) -> dict[str, Any]:
    return worker.ask("run", calls=worker.calls)


def compare(workers: dict[str, Worker], names: list[str], rounds: int, ours: str = OURS) -> dict[str, Any]:
    """Interleaved measurements of the predictor, or another way of ours, beside all others."""
    quads = peers.interleave(workers[ours], {name: (workers[name], rounds) for name in names}, rounds, measure)
    groups = {name: [quad[i] for quad in group for i in (1, 2)] for name, group in quads.items()}
    groups = {ours: [quad[i] for group in quads.values() for quad in group for i in (0, 3)]} | groups
    groups[ours] = groups[ours] or [measure(workers[ours]) for _ in range(rounds)]
    values = {
        name: {key: float(np.median([one[key] for one in group])) for key in group[0]} for name, group in groups.items()
    }
    ratios = {name: peers.spread(peers.ratios(group, "microseconds")) for name, group in quads.items()}
    return {"values": values, "ratios": ratios, "measurements": quads}


def crowded(options: argparse.Namespace) -> dict[str, Any]:
    """Calls of a second, one row, from one and from two threads of one process, on two cores."""
    cores = options.cores[:2] if options.cores else peers.pick_cores(2)
    workers, missing = peers.start("inference", list(CROWD), 1, cores, options.peers_python)
    seconds = CROWDED / 5 if options.quick else CROWDED
    found = {}
    try:
        for case, rows in CASES:
            missing |= load(workers, case, rows)
            found[f"{case}, {rows}"] = {
                name: [worker.ask("throughput", threads=n, seconds=seconds)["calls"] for n in (1, 2)]
                for name, worker in workers.items()
                if name not in missing
            }
    finally:
        for worker in workers.values():
            worker.close()
    return {"calls": found, "missing": missing}


def run(options: argparse.Namespace) -> dict[str, Any]:
    cores = options.cores[:1] if options.cores else peers.pick_cores(1)
    names = sorted(COMPETITORS, key=lambda name: name != OURS)  # the first one's outputs are compared with
    workers, missing = peers.start("inference", names, 1, cores, options.peers_python)
    report = {"machine": peers.machine(), "versions": {}, "quick": options.quick, "missing": missing, "cases": []}
    try:
        if OURS not in workers:
            raise SystemExit(f"fastnn itself: {missing}")
        for worker in workers.values():
            report["versions"] |= worker.versions
        for case, rows in CASES:
            out = load(workers, case, rows)
            names = [name for name in workers if name != OURS and name not in out]
            reading = workers[OURS].ask("reading")
            report["cases"].append(
                {"case": case, "rows": rows, "missing": out, "reading": reading}
                | compare(workers, names, options.rounds)
            )
        report["images"] = []
        chosen = {name: workers[name] for name in (CALL, "onnxruntime") if name in workers}
        for (case, images), required in IMAGES.items():
            out = load(chosen, case, images, CALL)
            names = [name for name in chosen if name != CALL and name not in out]
            result = compare(workers, names, options.rounds, CALL)
            report["images"].append({"case": case, "rows": images, "required": required, "missing": out} | result)
        report["restless"] = peers.restless(list(workers.values()))
    finally:
        for worker in workers.values():
            worker.close()
    report["crowd"] = crowded(options)
    return report


def verdicts(one: dict[str, Any]) -> list[str]:
    """What was asked of a case, and whether it was reached."""
    lines, case = [], (one["case"], one["rows"])
    ours = one["values"][OURS]["microseconds"]

    def say(what: str, reached: bool) -> None:
        lines.append(f"- {what}: {'reached' if reached else '**not reached**'}")

    if case in TARGETS:
        say(f"at most {TARGETS[case]:g} us: {ours:.3g} us", ours <= TARGETS[case])
        if "onnxruntime" in one["ratios"]:
            ratio = one["ratios"]["onnxruntime"]["median"]
            say(f"ONNX Runtime takes at least {OVER_ONNX:g} times as long: {ratio:.1f}", ratio >= OVER_ONNX)
    if case == ("M", 1):
        reading = one["reading"]["microseconds"]
        say(f"at most {READING:g} times the {reading:.1f} us of reading the weights: {ours / reading:.2f}",
            ours <= READING * reading)  # fmt: skip
    return lines


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = peers.heading("Latency, one thread", report["machine"], report["versions"], report["quick"])
    keys = ("microseconds", "least", "p50", "p99", "p99.9")
    for one in report["cases"]:
        workload = ROW if one["case"] == ROW.name else WORKLOADS[one["case"]]
        sizes = "-".join(map(str, workload.sizes))
        lines += [f"## {one['rows']} {'row' if one['rows'] == 1 else 'rows'} through {sizes}: microseconds", ""]
        rows = [
            [name, *(f"{values[key]:.3g}" for key in keys), peers.show(one["ratios"][name]) if name != OURS else "1"]
            for name, values in one["values"].items()
        ]
        lines += peers.table(["", "of many", *keys[1:], "over the predictor"], rows)
        lines += [*verdicts(one), "", *(f"- {name} is missing: {why}" for name, why in one["missing"].items()), ""]
    lines += ["## Images: microseconds of a call", ""]
    rows = []
    for one in report["images"]:
        cells = [f"{one['rows']} through {WORKLOADS[one['case']].title}"]
        for name in (CALL, "onnxruntime"):
            cells.append(f"{one['values'][name]['microseconds']:.0f}" if name in one["values"] else "-")
        ratio = one["ratios"].get("onnxruntime")
        reached = "-" if ratio is None else "yes" if ratio["median"] >= one["required"] else "**no**"
        rows.append([*cells, "-" if ratio is None else peers.show(ratio), f"{one['required']:g}", reached])
    lines += peers.table(["images", CALL, "onnxruntime", "ratio", "required", "reached"], rows)
    lines += ["## Calls of a second from one and two threads of Python, thousands", ""]
    names = [name for name in CROWD if name not in report["crowd"]["missing"]]
    rows = [
        [case, *(f"{one / 1e3:.3g}, {two / 1e3:.3g}" for one, two in (calls[name] for name in names))]
        for case, calls in report["crowd"]["calls"].items()
    ]
    lines += peers.table(["network, rows", *names], rows)
    lines += [f"- {name} is missing: {why}" for name, why in report["missing"].items()]
    lines += [f"- {name} used the CPU while idle" for name in report["restless"]]
    return "\n".join(lines)


def main() -> None:
    options = peers.parser("Latency and speed of inference beside the peers.", rounds=15).parse_args()
    if options.quick:
        options.rounds = 1
    report = run(options)
    peers.publish("inference", report, markdown(report), options.output)


if __name__ == "__main__":
    main()
