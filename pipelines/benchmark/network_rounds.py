"""The network alone: ours beside OpenVINO, ONNX Runtime and PyTorch, and beside what the processor can do at all."""

import json
from typing import Any

from contestants import PRECISIONS, Contestant, run_rounds
from settings import Settings

BATCH_SIZES = (1, 8)


def ours(settings: Settings, network: str, precision: str, batch_size: int) -> Contestant:
    model, error = settings.our_file(settings.file(network, "fp32", "pth"), precision)
    command = [settings.program("bench-network"), "--model", str(model), "--precision", precision]
    command += ["--batch-size", str(batch_size), "--threads", str(settings.threads)]
    return Contestant("ours", precision, command, settings.short_seconds, error=error)


def peers(settings: Settings, network: str, batch_size: int) -> list[Contestant]:
    def peer(name: str, precision: str, script: str, kind: str, *more: str) -> Contestant:
        command = [settings.python, str(settings.scripts / script)]
        command += ["--model", str(settings.file(network, precision, kind)), *more]
        command += ["--batch-size", str(batch_size), "--threads", str(settings.threads)]
        return Contestant(name, precision, command, settings.short_seconds)

    result = [
        peer("OpenVINO", p, "peer_openvino.py", "xml" if p == "int8" else "onnx", "--precision", p) for p in PRECISIONS
    ]
    result += [peer("ONNX Runtime", p, "peer_onnxruntime.py", "onnx") for p in ("fp32", "int8")]
    result.append(peer("PyTorch", "fp32", "peer_pytorch.py", "pth", "--network", network))
    if not settings.quick:  # a minute for each, the first time
        compiled = peer("torch.compile", "fp32", "peer_pytorch.py", "pth", "--network", network, "--compile")
        compiled.environment = {"TORCHINDUCTOR_CACHE_DIR": str(settings.output / "inductor")}
        result.append(compiled)
    return result


def peak(settings: Settings, precision: str, threads: int) -> Contestant:
    command = [settings.program("bench-peak"), "--precision", precision, "--threads", str(threads)]
    return Contestant("peak", precision, command, 0.3, unit="macs_per_s")


def distance(settings: Settings) -> list[Contestant]:
    """How far the cores are from each other, which on a virtual machine may change."""
    command = [settings.program("bench-distance"), "--threads", str(settings.threads)]
    return [Contestant("distance", "", command, 0.1, unit="ns")] if settings.threads > 1 else []


def measure_network(settings: Settings) -> list[dict[str, Any]]:
    results = []
    for network in settings.networks:
        macs = json.loads((settings.models / f"{network}.json").read_text())["macs"]
        for batch_size in BATCH_SIZES:
            print(f"   {network}, batch {batch_size} ...", flush=True)
            contestants = [ours(settings, network, p, batch_size) for p in PRECISIONS]
            contestants += peers(settings, network, batch_size)
            contestants += [peak(settings, p, settings.threads) for p in PRECISIONS]
            contestants += distance(settings)
            results.append(
                {
                    "network": network,
                    "macs": macs,
                    "batch_size": batch_size,
                    "contestants": run_rounds(contestants, settings.short_rounds, settings.log),
                }
            )
    return results


def measure_peak(settings: Settings) -> list[dict[str, Any]]:
    """MAC/s by number of threads."""
    counts = sorted({1, settings.threads})
    print("   the processor's peak ...", flush=True)
    contestants = [peak(settings, p, n) for p in PRECISIONS for n in counts]
    results = run_rounds(contestants, settings.short_rounds, settings.log)
    return [{"threads": n} | result for result, n in zip(results, [n for _ in PRECISIONS for n in counts], strict=True)]
