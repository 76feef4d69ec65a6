# The demo's tools: what they draw, render and count, and what they say to bad input.
set -eu
tools=$RESNET_BUILD_ROOT/pipelines
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
fail() { echo "FAILED: $*"; exit 1; }
# refuses TEXT COMMAND...: it exits non-zero and its message has TEXT in it.
refuses() {
  text=$1
  shift
  if "$@" >out 2>&1; then fail "accepted: $*"; fi
  grep -q "$text" out || fail "expected \"$text\" from: $* but got: $(cat out)"
}

"$tools/draw-flowers" pictures --per-class 5 --size 64
for class in daisy dandelion roses sunflowers tulips; do
  [ "$(ls "pictures/train/$class" | wc -l)" -eq 4 ] || fail "train/$class"
  [ "$(ls "pictures/val/$class" | wc -l)" -eq 1 ] || fail "val/$class"
done
"$tools/draw-flowers" again --per-class 5 --size 64
diff -r pictures again || fail 'the same options draw other pictures'
"$tools/draw-flowers" other --per-class 5 --size 64 --seed 2
if diff -rq pictures other >/dev/null; then fail 'another seed draws the same pictures'; fi
refuses 'cannot' "$tools/draw-flowers" /dev/null/pictures --per-class 1
refuses 'size' "$tools/draw-flowers" pictures --size 0

"$tools/render-video" pictures/train video.webm --per-class 2 --seconds 0.4 --width 160 --height 120
[ "$(wc -l <video.csv)" -eq 11 ] || fail 'video.csv: expected a header and ten stretches'
grep -q '^0,.*,daisy$' video.csv || fail 'video.csv does not start with a daisy'
"$tools/contact-sheet" video.webm sheet.png --frames 10 --columns 5 --width 80
# Five cells of 80x60 with gaps of 6, two rows; width and height are at byte 16 of a PNG.
[ "$(od -An -tu1 -j16 -N8 sheet.png | tr -s ' ')" = ' 0 0 1 180 0 0 0 138' ] || fail 'the contact sheet has another size'
mkdir empty
refuses 'no pictures' "$tools/render-video" empty empty.webm
head -c 1000 /dev/urandom >noise.webm
refuses 'contact-sheet:' "$tools/contact-sheet" noise.webm noise.png
gst-launch-1.0 -q audiotestsrc num-buffers=5 ! wavenc ! filesink location=sound.wav
refuses 'contact-sheet:' timeout 30 "$tools/contact-sheet" sound.wav sound.png

printf 'start,end,class\n0,1,daisy\n1,2,roses\n' >truth.csv
{
  echo '{"pts": 0, "classes": [{"label": "daisy", "probability": 0.9}]}'
  echo '{"pts": 500000000, "classes": [{"label": "roses", "probability": 0.5}]}'
  echo '{"pts": 1500000000, "classes": [{"label": "roses", "probability": 0.9}]}'
  echo '{"pts": 1600000000, "classes": []}'
} >results.jsonl
"$tools/score-video" results.jsonl truth.csv >score
grep -q 'all .* 2 of .* 4 frames ( 50.0 %)' score || fail "wrong score: $(cat score)"
echo ok
