#!/usr/bin/python3
"""Prints the classes of each frame that reaches the element named "sink".

    read_labels.py 'filesrc location=flowers.webm ! decodebin ! resnetclassify model=flowers.pth ! fakesink name=sink'

Needs PyGObject (Debian: python3-gi, gir1.2-gstreamer-1.0).
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

META = "GstResnetClassificationMeta"


def array(structure, field):
    """The elements of an array field as a Python list; [] without the field (output=features has no classes)."""
    there, values = structure.get_array(field)
    return [values.get_nth(i) for i in range(values.n_values)] if there else []


def classes(buffer):
    """[(label id, label, probability), ...], best first; [] is "none of these"; None was not classified."""
    meta = buffer.get_custom_meta(META) if Gst.Meta.get_info(META) else None
    if meta is None:
        return None
    structure = meta.get_structure()
    return list(zip(array(structure, "label-ids"), array(structure, "labels"), array(structure, "probabilities")))


def seconds(time):
    """Gst.TIME_ARGS is not there without the GStreamer overrides of PyGObject."""
    return "-" if time == Gst.CLOCK_TIME_NONE else f"{time / Gst.SECOND:.3f} s"


def print_classes(_pad, info):
    buffer = info.get_buffer()
    found = classes(buffer)
    if found is None:
        text = "not classified"
    else:
        text = " ".join(f"{label} {probability:.3f}" for _, label, probability in found) or "none of these"
    print(seconds(buffer.pts), text, flush=True)
    return Gst.PadProbeReturn.OK


def main():
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} 'PIPELINE ! fakesink name=sink'")
    pipeline = Gst.parse_launch(sys.argv[1])
    sink = pipeline.get_by_name("sink") if isinstance(pipeline, Gst.Bin) else None
    if sink is None:
        sys.exit('The pipeline has no element named "sink".')
    sink.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, print_classes)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR
    )
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        error, _ = message.parse_error()
        sys.exit(f"{message.src.get_name()}: {error.message}")


if __name__ == "__main__":
    main()
