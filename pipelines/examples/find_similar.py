#!/usr/bin/python3
"""Finds the moments of a video that look like a picture, by the features of the network.

    find_similar.py flowers.pth tulip.jpg flowers.webm

Prints the five most similar moments, the best first: time in seconds, cosine of the two feature vectors (1 is the same).
Needs PyGObject (Debian: python3-gi, gir1.2-gstreamer-1.0).
"""

import array
import heapq
import math
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

META = "GstResnetClassificationMeta"


def features(buffer):
    """The pooled features of a frame, scaled to length 1; None was not classified."""
    meta = buffer.get_custom_meta(META) if Gst.Meta.get_info(META) else None
    packed = meta.get_structure().get_value("features") if meta else None
    if packed is None:
        return None
    values = array.array("f", packed.extract_dup(0, packed.get_size()))
    length = math.sqrt(sum(value * value for value in values)) or 1
    return [value / length for value in values]


def frames(model, path):
    """(time in seconds, features) of each frame of a video or picture."""
    pipeline = Gst.parse_launch(
        "filesrc name=file ! decodebin ! resnetclassify name=classify output=features ! fakesink name=sink"
    )
    pipeline.get_by_name("file").set_property("location", path)
    pipeline.get_by_name("classify").set_property("model", model)
    found = []

    def keep(_pad, info):
        buffer = info.get_buffer()
        found.append((0 if buffer.pts == Gst.CLOCK_TIME_NONE else buffer.pts / Gst.SECOND, features(buffer)))
        return Gst.PadProbeReturn.OK

    pipeline.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, keep)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR
    )
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        error, _ = message.parse_error()
        sys.exit(f"{path}: {error.message}")
    return [(time, vector) for time, vector in found if vector]


def main():
    Gst.init(None)
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} MODEL PICTURE VIDEO")
    model, picture, video = sys.argv[1:]
    wanted = frames(model, picture)[0][1]
    similar = [(sum(a * b for a, b in zip(wanted, vector)), time) for time, vector in frames(model, video)]
    for cosine, time in heapq.nlargest(5, similar):
        print(f"{time:.3f} s {cosine:.3f}")


if __name__ == "__main__":
    main()
