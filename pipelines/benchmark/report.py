"""The results as tables: Markdown beside the JSON that they are made from.

python3 report.py build/benchmark/results.json      writes results.md again
"""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]
EMPTY = "–"

# What this project has set itself, as ratios to a contestant.
NETWORK_GOALS = {
    ("OpenVINO", "fp32"): 1.25,
    ("OpenVINO", "bf16"): 1.0,
    ("OpenVINO", "int8"): 1.0,
    ("ONNX Runtime", "fp32"): 1.0,
    ("ONNX Runtime", "int8"): 1.0,
    ("PyTorch", "bf16"): 2.0,
    ("PyTorch", "int8"): 4.0,
}
PIPELINE_SHARE_GOAL = 0.95
PIXELS_GOAL = 5.0
PASS_THROUGH_GOAL = 0.01
START_GOAL = 1.5
MEMORY_GOAL = 150e6
TRAINING_GOAL = 1.3
AGREEMENT_GOALS = {"fp32": 1.0, "bf16": 0.995, "int8": 0.99}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows]]
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float], digits: int = 1, scale: float = 1) -> str:
    """Median and, in brackets, least and greatest."""
    if not values:
        return EMPTY
    median, least, greatest = (f(values) * scale for f in (statistics.median, min, max))
    return f"{median:.{digits}f} ({least:.{digits}f}–{greatest:.{digits}f})"


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round: what slows both in one round slows neither's ratio."""
    return [a / b for a, b in zip(above, below, strict=False)]


def verdict(values: Sequence[float], goal: float, at_least: bool = True) -> str:
    if not values:
        return EMPTY
    median = statistics.median(values)
    return "met" if (median >= goal if at_least else median <= goal) else "missed"


def rates(set_: Result, name: str, precision: str) -> list[float]:
    for contestant in set_["contestants"]:
        if (contestant["name"], contestant["precision"]) == (name, precision):
            found: list[float] = contestant.get("rates", [])
            return found
    return []


def errors(sets: Sequence[Result]) -> str:
    """Why cells are empty, each reason once."""
    reasons: dict[str, None] = {}
    for set_ in sets:
        for contestant in set_.get("contestants", [set_]):
            if "error" in contestant:
                who = " ".join([contestant.get("name", ""), contestant["precision"]]).strip()
                reasons[f"* {who}: {contestant['error']}"] = None
    return "\nEmpty cells:\n\n" + "\n".join(reasons) + "\n" if reasons else ""


def network_tables(sets: Sequence[Result]) -> str:
    names = ("ours", "OpenVINO", "ONNX Runtime", "PyTorch", "torch.compile")
    precisions = ("fp32", "bf16", "int8")
    figures, compared = [], []
    for set_ in sets:
        torch = rates(set_, "PyTorch", "fp32")
        for precision in precisions:
            key = [set_["network"], str(set_["batch_size"]), precision]
            ours, peak = rates(set_, "ours", precision), rates(set_, "peak", precision)
            shares = [r * set_["macs"] / p for r, p in zip(ours, peak, strict=False)]
            figures.append(key + [spread(rates(set_, n, precision)) for n in names] + [spread(shares, 0, 100)])
            for name in ("OpenVINO", "ONNX Runtime", "PyTorch"):
                others = torch if name == "PyTorch" else rates(set_, name, precision)
                if not (values := ratios(ours, others)):
                    continue
                goal = NETWORK_GOALS.get((name, precision))
                label = "PyTorch fp32" if name == "PyTorch" else name
                against = [f"≥ {goal:.2f}", verdict(values, goal)] if goal else [EMPTY, EMPTY]
                compared.append([*key, label, spread(values, 2), *against])
    macs = {set_["network"]: set_["macs"] for set_ in sets}
    descriptions = {c["name"]: c["description"] for s in sets for c in s["contestants"] if c.get("description")}
    openvino = sorted(
        {
            f"{s['network']} batch {s['batch_size']} {c['precision']}: {c['description'].split(', ', 1)[1]}"
            for s in sets
            for c in s["contestants"]
            if c["name"] == "OpenVINO" and "description" in c
        }
    )
    apart = [[s["network"], str(s["batch_size"]), spread(rates(s, "distance", ""), 0)] for s in sets]
    return (
        "## The network alone\n\nFrames/s, median of the rounds (least–greatest), batch after batch of one request.\n\n"
        + table(["network", "batch", "precision", *names, "ours, % of peak"], figures)
        + errors(sets)
        + "\nMultiplications with addition for a frame of 224×224: "
        + ", ".join(f"{network} {count / 1e9:.3f} G" for network, count in macs.items())
        + ".\n\nContestants: "
        + "; ".join(d for name, d in descriptions.items() if name in names[2:])
        + ". OpenVINO is given what is fastest: "
        + "; ".join(openvino)
        + ".\n\n### Ours against each, ratio in the same round\n\n"
        + table(["network", "batch", "precision", "against", "ratio", "goal", ""], compared)
        + "\nA cache line from core to core in the same rounds; cores of one complex share a cache.\n\n"
        + table(["network", "batch", "ns"], apart)
    )


def peak_table(results: Sequence[Result]) -> str:
    rows = [
        [r["precision"], str(r["threads"]), r["description"], spread(r["rates"], 0, 1e-9)]
        for r in results
        if "rates" in r
    ]
    return (
        "## The processor's peak\n\nIndependent sums in registers, GMAC/s.\n\n"
        + table(["precision", "threads", "instruction", "GMAC/s"], rows)
        + errors(results)
    )


def pipeline_table(sets: Sequence[Result]) -> str:
    rows = []
    for set_ in sets:
        for precision in ("fp32", "bf16", "int8"):
            network, ours = rates(set_, "ours", precision), rates(set_, "pipeline", precision)
            peer = rates(set_, "OpenVINO pipeline", precision)
            share = ratios(ours, network)
            rows.append(
                [str(set_["batch_size"]), precision, spread(network), spread(ours), spread(share, 0, 100)]
                + [verdict(share, PIPELINE_SHARE_GOAL), spread(peer), spread(ratios(ours, peer), 2)]
            )
    header = ["batch", "precision", "network alone", "pipeline", "share, %", f"goal {PIPELINE_SHARE_GOAL:.0%}"]
    return (
        "## The whole pipeline\n\nResNet-34, 1280×720 NV12 from memory, frames/s of "
        "`appsrc ! resnetclassify overlay=false ! fakesink`; beside it `videoscale ! videoconvert ! appsink` with "
        "OpenVINO in Python.\n\n" + table([*header, "OpenVINO's pipeline", "ratio"], rows) + errors(sets)
    )


def pixels_table(results: Sequence[Result]) -> str:
    rows = []
    for r in results:
        ratio = ratios(r["videoconvert"], r["resnetclassify"])
        rows.append([r["format"], spread(r["resnetclassify"], 2), spread(r["videoconvert"], 2), spread(ratio, 2)])
        rows[-1].append(verdict(ratio, PIXELS_GOAL))
    return (
        "## Pixels to network input\n\nA frame of 1280×720 on one core, ms; beside it videoconvert, videoscale and a "
        "loop that makes floats.\n\n"
        + table(["format", "resnetclassify", "videoconvert, videoscale, floats", "ratio", "goal ≥ 5"], rows)
    )


def pass_through_text(results: Sequence[Result]) -> str:
    both = {r["name"]: r.get("rates", []) for r in results}
    cost = [(w - o) * 30 for w, o in zip(both["with"], both["without"], strict=False)]
    return (
        "## Pass-through\n\n1280×720 NV12 at 30 frames/s with `inference-interval=1000000`, share of one core that "
        f"the pipeline takes: {spread(both['with'], 2, 3000)} %, without the element "
        f"{spread(both['without'], 2, 3000)} %; the element: {spread(cost, 2, 100)} % "
        f"(goal: below {PASS_THROUGH_GOAL:.0%}, {verdict(cost, PASS_THROUGH_GOAL, at_least=False)}).\n"
        + errors(results)
    )


def streams_text(results: Sequence[Result]) -> str:
    one, many = (r.get("rates", []) for r in results)
    return (
        "## Sixteen streams\n\nResNet-34, precision auto, frames/s of all streams together: one stream "
        f"{spread(one)}, sixteen that share the network {spread(many)}; ratio {spread(ratios(many, one), 2)}.\n"
        + errors(results)
    )


def start_table(results: Sequence[Result]) -> str:
    rows = []
    for r in results:
        if "error" in r:
            rows.append([r["precision"], *[EMPTY] * 9])
            continue
        ours, floor, alone = r["ours"], r["libtorch_and_weights"], r["libtorch"]
        ratio = ratios(ours["seconds"], floor["seconds"])
        above = [o - a - r["weights_bytes"] for o, a in zip(ours["peak_bytes"], alone["peak_bytes"], strict=True)]
        rows.append(
            [r["precision"], spread(ours["seconds"], 2), spread(floor["seconds"], 2), spread(ratio, 2)]
            + [verdict(ratio, START_GOAL, at_least=False), spread(ours["peak_bytes"], 0, 1e-6)]
            + [spread(alone["peak_bytes"], 0, 1e-6), f"{r['weights_bytes'] / 1e6:.0f}"]
            + [spread(above, 0, 1e-6), verdict(above, MEMORY_GOAL, at_least=False)]
        )
    header = ["precision", "first frame, s", "LibTorch and weights read, s", "ratio", "goal ≤ 1.5", "peak, MB"]
    return (
        "## Start\n\n`gst-launch-1.0` with ResNet-34, from process start to the JSON line of the first frame (files in "
        "the page cache), beside a program that loads LibTorch and reads the weights' bytes.\n\n"
        + table([*header, "LibTorch alone, MB", "weights, MB", "above both, MB", "goal ≤ 150"], rows)
        + errors(results)
    )


def training_table(results: Sequence[Result]) -> str:
    by_name = {(r["name"], r["precision"]): r.get("rates", []) for r in results}
    rows = []
    for (name, precision), values in by_name.items():
        ratio = ratios(by_name["ours", "bf16"], values)
        compared = [spread(ratio, 2), verdict(ratio, TRAINING_GOAL)] if name != "ours" else [EMPTY, EMPTY]
        rows.append([name, precision, spread(values), *compared])
    return (
        "## Training\n\nResNet-18 at 128 pixels, batches of 64, from files to steps, pictures/s. The loop in Python keeps "
        "its pictures decoded and uses bf16 autocast and channels last; torchvision's recipe decodes in each epoch and "
        "computes in fp32.\n\n"
        + table(["", "precision", "pictures/s", "ours in bf16 to it", f"goal ≥ {TRAINING_GOAL}"], rows)
        + errors(results)
    )


def agreement_table(results: Sequence[Result], model: str) -> str:
    if not results:
        return "## Agreement with the fp32 reference\n\nNot measured: no trained model was named (`--model`).\n"
    rows = []
    for r in results:
        goal = AGREEMENT_GOALS[r["precision"]]
        if "error" in r:
            rows.append([r["precision"], EMPTY, EMPTY, f"≥ {goal:.1%}", EMPTY, EMPTY])
            continue
        rows.append(
            [r["precision"], str(r["pictures"]), f"{r['agreement']:.2%}", f"≥ {goal:.1%}"]
            + [verdict([r["agreement"]], goal), f"{r['max_relative_difference']:.2e}"]
        )
    return (
        f"## Agreement with the fp32 reference\n\n`{Path(model).name}` on photographs: the same first class; largest "
        "difference of a logit, relative to the picture's largest.\n\n"
        + table(["precision", "pictures", "agreement", "goal", "", "largest difference"], rows)
        + errors(results)
    )


def head(results: Result) -> str:
    m = results["machine"]
    peers = ", ".join(f"{name} {version}" for name, version in m["peers"].items())
    where = "a virtual machine" if m["virtual"] else "no virtual machine"
    return (
        "# Benchmark\n\n"
        f"* {m['date']}, commit {m['commit']}\n"
        f"* {m['cpu']} (family/model {m['family_model']}, {where}), {m['cores']} cores, {m['memory_gb']} GB, "
        f"{' '.join(m['flags'])}; {m['system']}, Linux {m['kernel']}\n"
        f"* GStreamer {m['gstreamer']}, {peers}\n"
        f"* All on the same {results['threads']} cores with as many threads, in {results['rounds']} rounds of "
        f"{results['seconds']:g} s each, frames/s in three times as many of a third; in another order each; figures "
        f"are medians (least–greatest); {results['minutes']} minutes\n"
        f"* What else ran took at most {max(results['others'].values()):.1%} of the machine's processor time in a "
        "section\n"
        f"* int8 calibrated on pictures of {Path(results['photos']).name}\n"
    )


def markdown(results: Result) -> str:
    sections: dict[str, Callable[[Any], str]] = {
        "network": network_tables,
        "peak": peak_table,
        "pipeline": pipeline_table,
        "pixels": pixels_table,
        "pass_through": pass_through_text,
        "streams": streams_text,
        "start": start_table,
        "training": training_table,
        "agreement": lambda part: agreement_table(part, results["model"]),
    }
    parts = [head(results)] + [make(results[name]) for name, make in sections.items() if name in results]
    return "\n".join(parts)


def write(results: Result, folder: Path) -> None:
    for name, text in [("results.json", json.dumps(results, indent=1) + "\n"), ("results.md", markdown(results))]:
        part = folder / f"{name}.part"
        part.write_text(text)
        part.rename(folder / name)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write(json.loads(path.read_text()), path.parent)
