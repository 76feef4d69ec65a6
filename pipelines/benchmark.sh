#!/bin/sh
# Measures this project beside OpenVINO, ONNX Runtime and PyTorch: paired, in turns on the same cores, in one run.
#
#   sh pipelines/benchmark.sh              all of it, about half an hour
#   sh pipelines/benchmark.sh --quick      ResNet-34 with fewer and shorter turns, about five minutes
#
#   --threads N       on N cores with N threads each; all of them without it
#   --photos FOLDER   pictures for calibrating int8 and for the agreement (FOLDER/train and FOLDER/val, or FOLDER);
#                     ../shared/flower_photos where that is there, else drawn ones
#   --model FILE      a trained model for the agreement of each precision with fp32 on those pictures
#   --only SECTION... network, peak, pipeline, pixels, pass_through, streams, start, training,
#                         agreement
#
# Writes build/benchmark/results.md and results.json; model files stay in build/benchmark/models for the next run.
# Installs what is missing first (see setup.sh), the peers into an environment of their own. Nothing else should run
# beside it.
#
# Where the time of the network goes (linux-perf; symbols come with meson configure build -Ddebug=true):
#   echo go 10 | perf record -g build/tests/benchmarks/bench-network \
#     --model build/benchmark/models/resnet34.pth --precision bf16 --threads 2
#   perf report --no-children

set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
from=$PWD
cd "$root" || exit 1
# shellcheck source=pipelines/setup.sh
. pipelines/setup.sh

openvino_version=2026.4.1
peer_packages="openvino==$openvino_version onnxruntime==1.32.0 nncf==3.4.0 onnx==1.23.2 onnxscript==0.7.2"

# absolute PATH: as the user meant it, who stood in $from.
absolute() { case $1 in /*) printf %s "$1" ;; *) printf %s "$from/$1" ;; esac; }

photos='' model='' passed='' only=''
while [ $# -gt 0 ]; do
  case $1 in
    --quick) passed="$passed --quick" ;;
    --threads | --photos | --model)
      [ $# -gt 1 ] || die "$1 needs a value"
      case $1 in
        --threads) passed="$passed --threads $2" ;;
        --photos) photos=$(absolute "$2") ;;
        --model) model=$(absolute "$2") ;;
      esac
      shift
      ;;
    --only)
      shift
      only="--only $*"
      break
      ;;
    *) sed -n '2,24s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0; exit 2 ;;
  esac
  shift
done
[ -z "$model" ] || [ -f "$model" ] || die "no such file: $model"
[ -z "$photos" ] || [ -d "$photos" ] || die "no such folder: $photos"

# The peers beside the tests' PyTorch, which is not downloaded twice.
fill_peers() {
  "$python3" -m venv "$1" || return 1
  pip_python=$1/bin/python
  for site in "$1"/lib/python3*/site-packages; do
    echo "$cache/python-$torch_version/lib/$(basename "$(dirname "$site")")/site-packages" >"$site/torch.pth"
  done
  pip install --quiet --no-cache-dir $peer_packages
}

# Sets $peers_python to an interpreter with the peers.
setup_peers() {
  setup_test_python
  [ -n "$test_python" ] || die "the peers need PyTorch: $no_python"
  peers_python=$cache/peers-$openvino_version/bin/python
  [ ! -x "$peers_python" ] || return 0
  say "$peer_packages from PyPI to $cache: 0.2 GB to download, 0.6 GB on disk"
  has_room 2000 || die "less than 2 GB are free for $cache; set XDG_CACHE_HOME to a folder with more room"
  step 'Downloading the peers' locked make_folder "peers-$openvino_version" fill_peers
}

install_packages $run_packages $test_packages
setup_peers
setup_libtorch
targets='benchmarks demo' build build "-Dlibtorch=$libtorch"
output=$root/build/benchmark
mkdir -p "$output" || die "cannot make the folder $output"
export GST_PLUGIN_PATH="$root/build/plugin" GST_REGISTRY="$output/registry.bin"
gst-inspect-1.0 resnetclassify >/dev/null || die 'GStreamer does not find the plugin that was built'

if [ -z "$photos" ] && [ -d ../shared/flower_photos ]; then photos=$(cd ../shared/flower_photos && pwd); fi
if [ -z "$photos" ]; then
  photos=$output/pictures
  [ -d "$photos" ] || step 'Drawing pictures to calibrate on' build/pipelines/draw-flowers "$photos" --per-class 40
fi
say "Pictures: $photos"
classes=$photos
[ ! -d "$photos/train" ] || classes=$photos/train
step 'Making the model files' "$peers_python" pipelines/benchmark/models.py --output "$output/models" \
  --photos "$classes" resnet18 resnet34 resnet50
set --
[ -z "$model" ] || set -- --model "$model"
step 'Measuring' "$python3" pipelines/benchmark/main.py --build "$root/build" --output "$output" \
  --peers-python "$peers_python" --photos "$photos" "$@" $passed $only
cat "$output/results.md"
