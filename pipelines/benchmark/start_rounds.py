"""Start-up of gst-launch-1.0 with ResNet-34: time to the first classified frame, and peak memory."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pipeline_rounds
from contestants import PRECISIONS
from settings import Settings


def run(command: list[str], log: Path) -> tuple[float, int, str]:
    """Seconds from start to the first line that the command prints, its peak memory in bytes, and that line."""
    with log.open("a") as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        assert process.stdout
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or not line:
        raise RuntimeError(f"{command[0]} failed (see {log.name})")
    return seconds, usage.ru_maxrss * 1024, line


def measure_start(settings: Settings) -> list[dict[str, Any]]:
    """By precision, of rounds that take turns: ours; LibTorch loaded and the weights' bytes read; LibTorch alone."""
    results = []
    for precision in PRECISIONS:
        print(f"   start, {precision} ...", flush=True)
        model, _ = settings.our_file(settings.file(pipeline_rounds.NETWORK, "fp32", "pth"), precision)
        classify, error = pipeline_rounds.element(settings, precision)
        if error:
            results.append({"precision": precision, "error": error})
            continue
        source = ["videotestsrc", "num-buffers=1", "!", "video/x-raw,format=NV12,width=1280,height=720", "!"]
        pipeline = [*source, *classify, "!", "resnetjson", "fd=1", "!", "fakesink"]
        commands = {
            "ours": ["gst-launch-1.0", "-q", *pipeline],
            "libtorch_and_weights": [settings.program("bench-load"), str(model)],
            "libtorch": [settings.program("bench-load")],
        }
        result: dict[str, Any] = {"precision": precision, "weights_bytes": model.stat().st_size}
        result |= {name: {"seconds": [], "peak_bytes": []} for name in commands}
        try:
            for turn in range(settings.rounds + 1):
                for name, command in commands.items():
                    seconds, peak, line = run(command, settings.log)
                    if name == "ours" and not json.loads(line)["classes"]:
                        raise RuntimeError("the first frame was not classified")
                    if turn > 0:  # the first reads the files into the page cache
                        result[name]["seconds"].append(seconds)
                        result[name]["peak_bytes"].append(peak)
        except RuntimeError as failure:
            result = {"precision": precision, "error": str(failure)}
        results.append(result)
    return results
