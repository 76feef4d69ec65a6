#!/bin/sh
# The main job from end to end: pictures, training, a video with labels on it.
#
#   sh pipelines/demo.sh            draws its own pictures
#   sh pipelines/demo.sh PHOTOS     PHOTOS/train/CLASS and PHOTOS/val/CLASS (or valid, validation), or PHOTOS/CLASS
#
# Results go to build/demo. Installs what is missing first (see setup.sh); the second run uses no network.
#
#   DEMO_OUTPUT=FOLDER   results there       DEMO_EPOCHS, DEMO_PER_CLASS   shorter or longer
#   DEMO_BUILD=FOLDER    programs that are built already; nothing is installed or built

set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
photos=${1:-}
case $photos in
  -*) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
  '' | /*) ;;
  *) photos=$PWD/$photos ;;
esac
output=${DEMO_OUTPUT:-build/demo}
case $output in /*) ;; *) output=$root/$output ;; esac
cd "$root" || exit 1
. pipelines/setup.sh
[ -z "$photos" ] || [ -d "$photos" ] || die "no such folder: $photos"
demo_start=$(date +%s)

if [ -z "${DEMO_BUILD:-}" ]; then
  install_packages $run_packages
  setup_libtorch
  targets=demo build build "-Dlibtorch=$libtorch"
  build_folder=$root/build
else
  build_folder=$DEMO_BUILD
fi
resnet=$build_folder/training/resnet
tools=$build_folder/pipelines
export GST_PLUGIN_PATH="$build_folder/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
for program in "$resnet" "$tools/render-video" "$build_folder/plugin/libgstresnet.so"; do
  [ -e "$program" ] || die "$program was not built; see what 'meson setup' says is missing"
done
# Earlier results go; what somebody else keeps in a folder of theirs does not.
if [ -n "${DEMO_OUTPUT:-}" ] && [ -n "$(ls -A "$output" 2>/dev/null)" ] && [ ! -e "$output/.resnet-demo" ]; then
  die "DEMO_OUTPUT: $output is not empty and not of an earlier demo; name a new folder"
fi
rm -rf "$output"
mkdir -p "$output" && touch "$output/.resnet-demo" || die "cannot make the folder $output"
ready=$(date +%s)

# The pictures. A small network learns the drawings from few; photographs need more of it.
if [ -z "$photos" ]; then
  photos=$output/pictures
  step 'Drawing flower pictures' "$tools/draw-flowers" "$photos" --per-class "${DEMO_PER_CLASS:-120}"
  step 'Drawing flowers for the video' "$tools/draw-flowers" "$output/video-pictures" --per-class 3 --size 480 --seed 2 --flat
  video_pictures=$output/video-pictures
  network='--preset scratch --layers 1,1,1,1 --width 16 --image-size 96 --batch-size 32'
  epochs=${DEMO_EPOCHS:-12}
else
  video_pictures=$photos
  for part in validation valid val; do
    [ ! -d "$photos/train" ] || [ ! -d "$photos/$part" ] || video_pictures=$photos/$part
  done
  [ "$video_pictures" != "$photos" ] ||
    say "There is no val/ in $photos: the video will show pictures that the network was trained on"
  network='--preset scratch --layers 1,1,1,1 --width 32 --image-size 96'
  epochs=${DEMO_EPOCHS:-8}
fi

model=$output/flowers.pth
step 'Training' "$resnet" train "$photos" --output "$model" --fresh --epochs "$epochs" $network
trained=$(date +%s)
step 'Evaluating' "$resnet" evaluate --model "$model" --held-out "$photos" >"$output/evaluation.txt"

step 'Rendering the video' "$tools/render-video" "$video_pictures" "$output/flowers.webm"

# play DESCRIPTION...: under gst-launch-1.0; says the command, to be copied.
play() {
  printf '   GST_PLUGIN_PATH=%s gst-launch-1.0 %s\n' "$GST_PLUGIN_PATH" "$*"
  gst-launch-1.0 -q "$@"
}
step 'Labelling the video' play filesrc "location=$output/flowers.webm" ! decodebin ! \
  resnetclassify "model=$model" top-k=3 ! resnetjson "location=$output/results.jsonl" ! videoconvert ! \
  vp8enc deadline=1 cpu-used=6 threads=2 target-bitrate=2500000 ! webmmux ! \
  filesink "location=$output/labelled.webm"
step 'Making the contact sheet' "$tools/contact-sheet" "$output/labelled.webm" "$output/contact-sheet.png"

echo
cat "$output/evaluation.txt"
echo
say 'Frames of the video whose first label is right:'
"$tools/score-video" "$output/results.jsonl" "$output/flowers.csv" || die 'the results do not fit the video'
echo
say "Done: $((ready - demo_start)) s set-up, $((trained - ready)) s pictures and training, $(($(date +%s) - trained)) s video"
cat <<END
   the model                    $model
   its classes                  $output/class_indices.json
   the video with its labels    $output/labelled.webm
   a JSON line for every frame  $output/results.jsonl
   frames to look at            $output/contact-sheet.png
END
