#!/bin/sh
# Whole pipelines under gst-launch-1.0, and a Python program that reads what they find.
# usage: test_pipelines.sh MAKE-MODEL
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" "$folder/flowers.pth"
cd "$folder"
fail() { echo "FAILED: $*"; exit 1; }
# launch PIPELINE…: a pipeline that must come to its end by itself.
launch() { timeout 60 gst-launch-1.0 -q "$@" >log 2>&1 || fail "gst-launch-1.0 $*: $(cat log)"; }
# refuses TEXT PIPELINE…: one that must fail and say so.
refuses() {
  text=$1
  shift
  if timeout 60 gst-launch-1.0 -q "$@" >log 2>&1; then fail "accepted: $*"; fi
  grep -qF "$text" log || fail "expected \"$text\" from: $* but got: $(cat log)"
}
frames() { echo "videotestsrc num-buffers=$1 pattern=ball ! video/x-raw,format=$2,width=160,height=120,framerate=25/1"; }

# A file, decoded, classified, drawn, encoded again; a JSON line for every frame, in order.
launch $(frames 40 I420) ! vp8enc deadline=1 ! webmmux ! filesink location=ball.webm
launch filesrc location=ball.webm ! decodebin ! resnetclassify model=flowers.pth top-k=2 ! \
  resnetjson location=results.jsonl ! videoconvert ! vp8enc deadline=1 ! webmmux ! filesink location=labelled.webm
[ "$(wc -l <results.jsonl)" -eq 40 ] || fail "40 frames gave $(wc -l <results.jsonl) lines"
[ -s labelled.webm ] || fail 'no labelled video'
/usr/bin/python3 - <<'END' || fail 'the results are not what was asked for'
import json
lines = [json.loads(line) for line in open("results.jsonl", encoding="utf-8")]
assert [line["frame"] for line in lines] == list(range(40))
assert [line["pts"] for line in lines] == sorted(line["pts"] for line in lines)
for line in lines:
    best, second = line["classes"]
    assert 0 <= second["probability"] <= best["probability"] <= 1, line
    assert best["label"] in ("daisy", "dandelion", "roses", "sunflowers", "tulips"), line
    assert line["model"] == "flowers.pth" and line["digest"].startswith("sha256:") and line["age"] == 0
END

# Nothing of GStreamer's is left behind.
GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1 launch filesrc location=ball.webm ! decodebin ! \
  resnetclassify model=flowers.pth on-change=true stats-interval=100000000 ! resnetoverlay ! \
  resnetjson location=leaks.jsonl ! fakesink
grep -q 'GST_TRACER' log || fail 'the leaks tracer did not run'
if grep 'object-alive, type-name=(string)Gst' log; then fail 'leaks'; fi

# Downstream that wants one frame only.
launch $(frames 100 RGB) ! resnetclassify model=flowers.pth ! pngenc snapshot=true ! filesink location=one.png
[ -s one.png ] || fail 'no snapshot'

# Two branches: one draws, the other's pixels stay as they were. Several elements in one process.
launch $(frames 20 RGB) ! tee name=t t. ! queue ! resnetclassify model=flowers.pth overlay=false ! resnetoverlay ! \
  filesink location=drawn.rgb t. ! queue ! resnetclassify model=flowers.pth overlay=false ! filesink location=same.rgb \
  t. ! queue ! filesink location=source.rgb
cmp -s same.rgb source.rgb || fail 'overlay=false changed pixels'
if cmp -s drawn.rgb source.rgb; then fail 'resnetoverlay drew nothing'; fi

# Two classifiers in a row: each result stays, each caption is drawn.
launch $(frames 5 RGB) ! resnetclassify name=first model=flowers.pth ! \
  resnetclassify name=second model=flowers.pth activation=sigmoid output=classes+features ! resnetjson location=both.jsonl ! fakesink
/usr/bin/python3 - <<'END' || fail 'two classifiers did not give two results'
import json
for line in open("both.jsonl", encoding="utf-8"):
    result = json.loads(line)
    assert result["stream"] == "first" and len(result["classes"]) == 1 and "features" not in result
    assert [other["stream"] for other in result["others"]] == ["second"]
    assert len(result["others"][0]["features"]) == 128
END

# Two files that preroll together on one network, each in a batch that would wait for company.
for branch in one two; do
  echo "filesrc location=ball.webm ! decodebin ! resnetclassify model=flowers.pth batch-timeout=3600000000000 !
    resnetjson location=$branch.jsonl ! fakesink sync=false async=true"
done >branches
launch $(cat branches)
for branch in one two; do
  [ "$(wc -l <$branch.jsonl)" -eq 40 ] || fail "of 40 frames $branch.jsonl has $(wc -l <$branch.jsonl)"
done

# A live source whose sink keeps time.
launch videotestsrc is-live=true num-buffers=10 ! video/x-raw,width=160,height=120,framerate=50/1 ! \
  resnetclassify model=flowers.pth batch-timeout=20000000 ! fakesink sync=true

# Seen by another process, where GStreamer can send frames with what is known of them.
if gst-inspect-1.0 unixfdsink 2>/dev/null | grep -q wait-for-connection; then
  timeout 60 gst-launch-1.0 -q filesrc location=ball.webm ! decodebin ! resnetclassify model=flowers.pth top-k=2 \
    output=classes+features ! unixfdsink socket-path=socket wait-for-connection=true sync=false >sender.log 2>&1 &
  sender=$!
  while [ ! -S socket ] && kill -0 "$sender" 2>/dev/null; do sleep 0.1; done
  launch unixfdsrc socket-path=socket ! resnetjson location=received.jsonl ! fakesink
  wait "$sender" || fail "the sender: $(cat sender.log)"
  /usr/bin/python3 - <<'END' || fail 'the other process saw something else'
import json
sent, received = ([json.loads(line) for line in open(name, encoding="utf-8")] for name in ("results.jsonl", "received.jsonl"))
assert len(received) == 40, len(received)
for ours, theirs in zip(sent, received):
    assert all(ours[key] == theirs[key] for key in ("classes", "model", "digest", "age")), (ours, theirs)
    assert len(theirs["features"]) == 128
END
else
  echo 'unixfdsink was left out: it comes with GStreamer 1.26'
fi

# Seen by a Python program.
if /usr/bin/python3 -c 'import gi; gi.require_version("Gst", "1.0")' 2>/dev/null; then
  read_labels=$RESNET_SOURCE_ROOT/pipelines/examples/read_labels.py
  /usr/bin/python3 "$read_labels" 'filesrc location=ball.webm ! decodebin ! resnetclassify model=flowers.pth top-k=2 ! fakesink name=sink' >seen ||
    fail 'read_labels.py'
  /usr/bin/python3 - >expected <<'END'
import json
for line in open("results.jsonl", encoding="utf-8"):
    result = json.loads(line)
    classes = ["%s %.3f" % (c["label"], c["probability"]) for c in result["classes"]]
    print("%.3f s" % (result["pts"] / 1e9), *classes)
END
  # A picture of the video is most like its own moment.
  launch filesrc location=ball.webm ! decodebin ! videoconvert ! pngenc snapshot=true ! filesink location=first.png
  /usr/bin/python3 "$RESNET_SOURCE_ROOT/pipelines/examples/find_similar.py" flowers.pth first.png ball.webm >similar || fail 'find_similar.py'
  grep -qE '^0\.[01][0-9]* s (0\.99|1\.0)' similar || fail "find_similar.py found $(cat similar)"
  [ "$(wc -l <similar)" -eq 5 ] || fail "find_similar.py found $(cat similar)"
  cmp -s seen expected || fail "Python saw $(head -n 3 seen), resnetjson wrote $(head -n 3 expected)"
else
  echo 'read_labels.py was left out: /usr/bin/python3 has no PyGObject with GStreamer'
fi

# Real video, where it is there.
video=$RESNET_SHARED/video/flower.webm
if [ -e "$video" ]; then
  launch filesrc location="$video" ! decodebin ! resnetclassify model=flowers.pth overlay=false ! \
    resnetjson location=real.jsonl ! fakesink
  [ "$(wc -l <real.jsonl)" -eq 150 ] || fail "150 frames of real video gave $(wc -l <real.jsonl) lines"
else
  echo "real video was left out: no $video"
fi

refuses 'No model file' $(frames 1 RGB) ! resnetclassify ! fakesink
refuses "'missing.pth' does not exist" $(frames 1 RGB) ! resnetclassify model=missing.pth ! fakesink
echo '{"0": "daisy"}' >one.json
refuses 'one.json' $(frames 1 RGB) ! resnetclassify model=flowers.pth labels-file=one.json ! fakesink

# Without the engine, or the engine without its LibTorch, it is said what to install and what is missing.
sed 's/libtorch_cpu\.so/libtorch_off.so/' "$RESNET_BUILD_ROOT/model/libresnet-engine.so" >engine.so
for missing in libtorch_off.so /nonexistent.so; do
  module=$missing
  if [ "$missing" = libtorch_off.so ]; then module=$folder/engine.so; fi
  RESNET_ENGINE_MODULE=$module refuses 'LibTorch could not be loaded. Install LibTorch 2.6 or newer (pip install torch)' \
    $(frames 1 RGB) ! resnetclassify model=flowers.pth ! fakesink
  grep -q "$missing[0-9.]*: cannot open shared object file" log || fail "of $missing is said: $(cat log)"
done

# Without a model nothing of LibTorch is loaded, neither for the element nor where the whole registry is made.
LD_DEBUG=libs gst-inspect-1.0 resnetclassify >help 2>libraries || fail 'gst-inspect-1.0'
LD_DEBUG=libs GST_REGISTRY=$folder/registry.bin gst-inspect-1.0 >registry 2>>libraries || fail 'gst-inspect-1.0 of the registry'
grep -q '^resnet:  resnetclassify: ' registry || fail "the registry has no resnetclassify: $(grep resnet registry)"
grep -q 'calling init: .*libgstresnet.so' libraries || fail 'LD_DEBUG does not tell what is loaded'
if grep -E 'libtorch|libc10' libraries; then fail 'gst-inspect-1.0 loads LibTorch'; fi
for property in model labels-file device precision threads batch-size batch-timeout max-in-flight top-k threshold overlay; do
  grep -q "^  $property  *: " help || fail "gst-inspect-1.0 does not show $property"
done
echo ok
