"""OpenVINO behind GStreamer's own videoconvert and videoscale, as a pipeline is written without this project.

Frames of 1280x720 NV12 come from memory as fast as they are taken (imagefreeze repeats one without a copy). GStreamer
converts in a thread of its own while OpenVINO runs; the pixels become network input inside OpenVINO's graph.
"""

import sys
from pathlib import Path

import numpy as np
import openvino as ov
from openvino.preprocess import PrePostProcessor

import peer
from peer_openvino import check_precision, compile_network

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-gi, behind the environment's own packages

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401


def pixel_network(path: Path, batch_size: int) -> ov.Model:
    """The network with 8-bit RGB pixels [batch_size, 224, 224, 3] as its input."""
    model = ov.Core().read_model(path)
    model.reshape([batch_size, 3, 224, 224])
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean([123.675, 116.28, 103.53]).scale(
        [58.395, 57.12, 57.375]
    )
    return steps.build()


def prepare(path: Path, precision: str, batch_size: int, threads: int) -> tuple[str, peer.Turn]:
    check_precision(precision)
    compiled = compile_network(pixel_network(path, batch_size), precision, threads, "LATENCY")
    request = compiled.create_infer_request()
    batch = np.zeros((batch_size, 224, 224, 3), np.uint8)
    request.set_input_tensor(ov.Tensor(batch, shared_memory=True))
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "videotestsrc pattern=smpte num-buffers=1 ! video/x-raw,format=NV12,width=1280,height=720,framerate=30/1 ! "
        "imagefreeze ! videoscale ! videoconvert ! video/x-raw,format=RGB,width=224,height=224 ! "
        f"appsink name=sink sync=false max-buffers={2 * batch_size}"
    )
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)

    def run() -> None:
        for picture in batch:
            sample = sink.try_pull_sample(10 * Gst.SECOND)
            if sample is None:
                raise RuntimeError("no frame came out of the pipeline for ten seconds")
            buffer = sample.get_buffer()
            mapped, memory = buffer.map(Gst.MapFlags.READ)
            if not mapped:
                raise RuntimeError("a frame cannot be mapped")
            picture.flat = np.frombuffer(memory.data, np.uint8)
            buffer.unmap(memory)
        request.infer()

    run()
    return f"videoscale ! videoconvert, OpenVINO {ov.__version__.split('-')[0]}, LATENCY", lambda seconds: peer.rate(
        seconds, batch_size, run
    )


def main() -> None:
    parser = peer.arguments(__doc__, batch_size=8)
    parser.add_argument("--precision", choices=["fp32", "bf16", "int8"], required=True)
    o = parser.parse_args()
    peer.take_turns(lambda: prepare(o.model, o.precision, o.batch_size, o.threads))


if __name__ == "__main__":
    main()
