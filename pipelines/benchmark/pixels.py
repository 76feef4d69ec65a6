"""Pixels to network input, beside videoconvert and videoscale and a loop to floats: bench-preprocess's figures."""

import json
import subprocess
from typing import Any

from settings import Settings


def measure_pixels(settings: Settings) -> list[dict[str, Any]]:
    """Milliseconds for a frame of 1280x720 by format, of rounds in random order."""
    print("   pixels to network input ...", flush=True)
    command = [settings.program("bench-preprocess"), "--benchmark_filter=1280x720", "--benchmark_format=json"]
    command += [f"--benchmark_repetitions={settings.rounds}", "--benchmark_enable_random_interleaving"]
    command += [f"--benchmark_min_time={0.1 * settings.seconds}"]
    with settings.log.open("a") as stderr:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=True)
    times: dict[str, dict[str, list[float]]] = {}
    for run in json.loads(done.stdout)["benchmarks"]:
        if run["run_type"] == "iteration":
            who, video_format, _ = run["run_name"].split("/")[:3]
            times.setdefault(video_format, {}).setdefault(who, []).append(run["real_time"])
    return [{"format": video_format} | figures for video_format, figures in times.items()]
