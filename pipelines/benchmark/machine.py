"""What the figures were measured on."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

PEERS = ("openvino", "onnxruntime", "torch", "torchvision", "nncf", "onnx")
# What decides how fast a convolution can be.
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8", "amx_tile")


def first_match(pattern: str, text: str, otherwise: str = "unknown") -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else otherwise


def said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def package_versions(python: str) -> dict[str, str]:
    """Of the peers, asked of their own environment."""
    program = f"from importlib import metadata\nfor name in {PEERS!r}: print(metadata.version(name))"
    return dict(zip(PEERS, said(python, "-c", program).split(), strict=False))


def describe(python: str) -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo").read_text()
    flags = first_match(r"^flags\s*: (.*)$", cpu, "").split()
    memory_kb = int(first_match(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), "0"))
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": first_match(r"^model name\s*: (.*)$", cpu),
        "family_model": "/".join(first_match(rf"^{name}\s*: (\d+)$", cpu) for name in ("cpu family", "model")),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in FLAGS if flag in flags],
        "virtual": "hypervisor" in flags,
        "memory_gb": round(memory_kb / 1e6, 1),
        "system": first_match(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release").read_text()),
        "kernel": platform.release(),
        "commit": said("git", "describe", "--always", "--dirty"),
        "gstreamer": first_match(r"version ([\d.]+)", said("gst-launch-1.0", "--version")),
        "peers": package_versions(python),
    }
