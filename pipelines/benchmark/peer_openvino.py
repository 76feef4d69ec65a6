"""OpenVINO as a contestant: the network alone, frames/s by turns."""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

import peer


def compile_network(model: ov.Model, precision: str, threads: int, hint: str) -> ov.CompiledModel:
    options: dict[str, Any] = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    if precision != "int8":  # there OpenVINO chooses itself what it computes the few layers in that are not int8
        options["INFERENCE_PRECISION_HINT"] = {"fp32": "f32", "bf16": "bf16"}[precision]
    return ov.Core().compile_model(model, "CPU", options)


def check_precision(precision: str) -> None:
    capabilities = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    needed = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}[precision]
    if needed not in capabilities:
        raise RuntimeError(f"OpenVINO does not list {needed} for this CPU, only {', '.join(capabilities)}")


class Requests:
    """Requests of one compiled network, each with its own input; all of them are busy during a turn."""

    def __init__(self, compiled: ov.CompiledModel, count: int, batch: np.ndarray) -> None:
        self.requests = deque(compiled.create_infer_request() for _ in range(count))
        for request in self.requests:
            request.set_input_tensor(ov.Tensor(batch.copy()))

    def next_batch(self) -> None:
        """Waits for the oldest request's batch and gives it the next one."""
        request = self.requests.popleft()
        request.wait()
        request.start_async()
        self.requests.append(request)

    def turn(self, seconds: float, batch_size: int) -> dict[str, Any]:
        if len(self.requests) == 1:
            return peer.rate(seconds, batch_size, self.requests[0].infer)
        for request in self.requests:
            request.start_async()
        result = peer.rate(seconds, batch_size, self.next_batch)
        for request in self.requests:
            request.wait()
        return result


def prepare(path: Path, precision: str, batch_size: int, threads: int) -> tuple[str, peer.Turn]:
    check_precision(precision)
    model = ov.Core().read_model(path)
    model.reshape([batch_size, 3, 224, 224])
    batch = np.random.default_rng(0).uniform(-2, 2, (batch_size, 3, 224, 224)).astype(np.float32)
    candidates = {"LATENCY, one request": Requests(compile_network(model, precision, threads, "LATENCY"), 1, batch)}
    if batch_size > 1:  # with single frames the next one comes when this one is done
        compiled = compile_network(model, precision, threads, "THROUGHPUT")
        count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        candidates[f"THROUGHPUT, {count} requests"] = Requests(compiled, count, batch)
    speed = dict.fromkeys(candidates, 0.0)
    for _ in range(2 if len(candidates) > 1 else 0):
        for name, requests in candidates.items():
            speed[name] = max(speed[name], requests.turn(0.7, batch_size)["frames_per_s"])
    best = max(speed, key=lambda name: speed[name])
    requests = candidates[best]
    return f"OpenVINO {ov.__version__.split('-')[0]}, {best}", lambda seconds: requests.turn(seconds, batch_size)


def main() -> None:
    parser = peer.arguments(__doc__)
    parser.add_argument("--precision", choices=["fp32", "bf16", "int8"], required=True)
    options = parser.parse_args()
    peer.take_turns(lambda: prepare(options.model, options.precision, options.batch_size, options.threads))


if __name__ == "__main__":
    main()
