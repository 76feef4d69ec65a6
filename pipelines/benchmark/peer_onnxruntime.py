"""ONNX Runtime as a contestant: the network alone, frames/s by turns."""

from pathlib import Path

import numpy as np
import onnxruntime as ort

import peer


def prepare(path: Path, batch_size: int, threads: int) -> tuple[str, peer.Turn]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_free_dimension_override_by_name("batch", batch_size)
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).uniform(-2, 2, (batch_size, 3, 224, 224)).astype(np.float32)
    feed = {session.get_inputs()[0].name: batch}
    return f"ONNX Runtime {ort.__version__}", lambda seconds: peer.rate(
        seconds, batch_size, lambda: session.run(None, feed)
    )


def main() -> None:
    parser = peer.arguments(__doc__)
    options = parser.parse_args()
    peer.take_turns(lambda: prepare(options.model, options.batch_size, options.threads))


if __name__ == "__main__":
    main()
