# The demo, small: pictures, training, a labelled video, results and the contact sheet.
set -eu
[ -x "$RESNET_BUILD_ROOT/training/resnet" ] || { echo 'the command resnet is not built'; exit 77; }
[ -e "$RESNET_BUILD_ROOT/plugin/libgstresnet.so" ] || { echo 'the plugin is not built'; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
export DEMO_BUILD="$RESNET_BUILD_ROOT" GST_REGISTRY="$folder/registry.bin"

# All of the demo's epochs: after a few it hangs on the processor's rounding how much has been learned.
DEMO_OUTPUT=$folder/demo DEMO_PER_CLASS=30 sh "$RESNET_SOURCE_ROOT/pipelines/demo.sh" >"$folder/log" 2>&1 ||
  fail "the demo: $(cat "$folder/log")"
for file in flowers.pth class_indices.json labelled.webm results.jsonl contact-sheet.png evaluation.txt; do
  [ -s "$folder/demo/$file" ] || fail "no $file"
done
# A line for every frame: 15 pictures of 1.2 s at 25 frames/s.
[ "$(wc -l <"$folder/demo/results.jsonl")" -eq 450 ] || fail "results.jsonl has $(wc -l <"$folder/demo/results.jsonl") lines, not 450"
right=$(sed -n 's/^  all .*( *\([0-9]*\)\..*/\1/p' "$folder/log")
[ "$right" -ge 60 ] || fail "only $right % of the frames are right; a guess is 20 %"
if cmp -s "$folder/demo/flowers.webm" "$folder/demo/labelled.webm"; then fail 'nothing was drawn'; fi

# One folder of pictures without train and val, relative to where the user stands.
cd "$folder/demo"
DEMO_OUTPUT=$folder/photos DEMO_EPOCHS=1 sh "$RESNET_SOURCE_ROOT/pipelines/demo.sh" video-pictures >"$folder/log" 2>&1 ||
  fail "the demo with a folder: $(cat "$folder/log")"
[ -s "$folder/photos/contact-sheet.png" ] || fail 'no contact sheet of the folder'
if DEMO_OUTPUT=$folder/none sh "$RESNET_SOURCE_ROOT/pipelines/demo.sh" /nonexistent >"$folder/log" 2>&1; then
  fail 'a missing folder was accepted'
fi
grep -q 'no such folder: /nonexistent' "$folder/log" || fail "a missing folder: $(cat "$folder/log")"

# A folder with something else in it is not emptied.
mkdir "$folder/mine"
echo precious >"$folder/mine/file"
if DEMO_OUTPUT=$folder/mine sh "$RESNET_SOURCE_ROOT/pipelines/demo.sh" >"$folder/log" 2>&1; then
  fail "a folder of the user's was taken for results"
fi
grep -q 'not empty' "$folder/log" || fail "a folder of the user's: $(cat "$folder/log")"
[ -s "$folder/mine/file" ] || fail "a file of the user's is gone"
echo ok
