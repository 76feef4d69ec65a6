#!/bin/sh
# Runs an example program on three frames: two classes, none of these, not classified.
# usage: test_examples.sh c|cpp|py PROGRAM…
set -eu
kind=$1
shift
if [ "$kind" = py ] && ! "$1" -c 'import gi; gi.require_version("Gst", "1.0")' 2>/dev/null; then
  echo "skipped: $1 has no PyGObject with GStreamer (python3-gi, gir1.2-gstreamer-1.0)"
  exit 77
fi
frames='videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! resnettestmark'
case $kind in
  c) sink=fakesink expected='0:00:00.000000000 tulips 0.750 蒲公英 0.250
0:00:00.040000000 none of these
0:00:00.080000000 not classified' ;;
  cpp) sink=appsink expected='0 s tulips
0.04 s none of these
0.08 s not classified' ;;
  py) sink=fakesink expected='0.000 s tulips 0.750 蒲公英 0.250
0.040 s none of these
0.080 s not classified' ;;
esac
found=$(LC_ALL=C.UTF-8 "$@" "$frames ! $sink name=sink")
if [ "$found" != "$expected" ]; then
  printf 'expected:\n%s\nfound:\n%s\n' "$expected" "$found"
  exit 1
fi
for wrong in "videotestsrc ! fakesink" "nosuchelement ! $sink name=sink" \
  "filesrc location=/no/such/file ! $sink name=sink"; do
  if "$@" "$wrong" 2>/dev/null; then
    echo "no failure was reported for: $wrong"
    exit 1
  fi
done
