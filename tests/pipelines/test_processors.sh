#!/bin/sh
# On processors without the newest instructions everything runs too, and says the same.
set -u
fail() { echo "FAILED: $*"; exit 1; }
command -v qemu-x86_64 >/dev/null || { echo 'no qemu-x86_64 here (Debian: qemu-user)'; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo 'no x86-64 here'; exit 77; }
# A sanitizer does not run under an emulator.
grep -q -e -fsanitize "$RESNET_BUILD_ROOT/compile_commands.json" && { echo 'a sanitizer watches'; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
resnet=$RESNET_BUILD_ROOT/training/resnet
"$RESNET_BUILD_ROOT/pipelines/draw-flowers" "$folder/pictures" --per-class 5 >"$folder/log" 2>&1 || fail "$(cat "$folder/log")"
"$resnet" --quiet train "$folder/pictures" --layers 1,1,1,1 --width 8 --image-size 32 --epochs 1 --output "$folder/model.pth" \
  >"$folder/log" 2>&1 || fail "$(cat "$folder/log")"
# probabilities COMMAND...: what the network says of a few pictures, rounded.
probabilities() {
  "$@" "$resnet" --quiet predict --model "$folder/model.pth" --precision fp32 --threads 1 --top-k 5 --json \
    "$folder"/pictures/val/*/*.* 2>"$folder/log" | sed -n 's/.*"probability": \([0-9.]*\).*/\1/p' | cut -c 1-5
}
probabilities env >"$folder/here"
[ -s "$folder/here" ] || fail "nothing was predicted: $(cat "$folder/log")"
for processor in Haswell Nehalem; do # AVX2, and neither that nor AVX
  probabilities qemu-x86_64 -cpu "$processor" >"$folder/there"
  paste "$folder/here" "$folder/there" |
    awk 'NF != 2 || $1 - $2 > 0.002 || $2 - $1 > 0.002 { bad = 1 } END { exit bad }' ||
    fail "$processor says otherwise: $(paste "$folder/here" "$folder/there" | head -5) $(tail -n 3 "$folder/log")"
done
echo ok
