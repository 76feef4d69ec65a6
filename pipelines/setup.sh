# What demo.sh and tests/run.sh share: Debian packages, LibTorch, the build. To be sourced by sh, from the
# project's root. Downloads go to $cache once; with everything in place nothing here uses the network.
#
#   RESNET_LIBTORCH=FOLDER   use this LibTorch (the folder with include/ and lib/) instead of PyPI's; `system`: the
#                            distribution's package

torch_version=2.15.0
torchvision_version=0.29.2
onnxruntime_version=1.32.0
tensorboard_version=2.20.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gst-resnet
python3=/usr/bin/python3
[ -x "$python3" ] || python3=python3

say() { printf '%s\n' "== $*"; }
die() {
  printf '%s\n' "error: $*" >&2
  exit 1
}

# step TEXT COMMAND...: says what it does and how long that took; stops at the first failure.
step() {
  step_text=$1
  shift
  say "$step_text ..."
  step_start=$(date +%s)
  "$@" || die "failed: $step_text"
  say "$step_text: done in $(($(date +%s) - step_start)) s"
}

# quietly COMMAND...: its output only when it fails.
quietly() {
  quiet_log=$(mktemp)
  "$@" >"$quiet_log" 2>&1
  quiet_status=$?
  [ $quiet_status -eq 0 ] || tail -n 30 "$quiet_log" >&2
  rm -f "$quiet_log"
  return $quiet_status
}

run_packages='g++ meson ninja-build pkg-config python3 python3-venv ca-certificates
  libglib2.0-dev libssl-dev libdeflate-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  libpango1.0-dev libcairo2-dev fonts-dejavu-core libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev
  libopencv-highgui-dev nlohmann-json3-dev libcli11-dev libonnx-dev libprotobuf-dev libgloo-dev libgtest-dev'
# ccache: legs compile most files alike.
test_packages='git ccache iproute2 qemu-user libbenchmark-dev fonts-noto-cjk python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0'

# install_packages NAME...: those of them that are missing, with apt-get.
install_packages() {
  command -v dpkg-query >/dev/null || {
    say "no dpkg here: taking for granted that these or their like are installed: $(echo $*)"
    return 0
  }
  missing=
  for package in "$@"; do
    case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in
      ii*) ;;
      *) missing="$missing $package" ;;
    esac
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -eq 0 ]; then
    as_root='env'
  elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root='sudo env'
  else
    die "missing packages; as root: apt-get install --no-install-recommends$missing"
  fi
  step 'Reading the package lists' $as_root apt-get -qq update
  say "Packages to install:$missing"
  $as_root LC_ALL=C apt-get install --no-install-recommends --assume-no $missing 2>/dev/null |
    grep -E '^(Need to get|After this)' || true
  step 'Installing packages' quietly $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
    -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
}

# locked COMMAND...: one at a time among all that share the cache.
locked() {
  mkdir -p "$cache" || die "cannot make the folder $cache"
  if command -v flock >/dev/null; then
    (
      flock 9 || exit 1
      "$@"
    ) 9>"$cache/lock"
  else
    "$@"
  fi
}

# has_room MEGABYTES: in the cache's file system.
has_room() {
  mkdir -p "$cache" && [ "$(df -Pk "$cache" | awk 'NR == 2 {print int($4 / 1024)}')" -ge "$1" ]
}

# make_folder NAME FILL: $cache/NAME, made by FILL FOLDER under another name first, so that it is whole or not there.
make_folder() {
  [ ! -d "$cache/$1" ] || return 0
  rm -rf "$cache/$1.part"
  if "$2" "$cache/$1.part" && mv "$cache/$1.part" "$cache/$1"; then
    return 0
  fi
  rm -rf "$cache/$1.part"
  return 1
}

pip() { "$pip_python" -m pip --disable-pip-version-check "$@"; }

fill_libtorch() {
  "$python3" -m venv "$1.venv" || return 1
  pip_python=$1.venv/bin/python
  pip install --quiet --no-deps --target "$1" "torch==$torch_version" 'nvidia-cuda-runtime>=13,<14' \
    'nvidia-cuda-cupti>=13,<14'
  filled=$?
  rm -rf "$1.venv"
  return $filled
}

# Sets $libtorch: what the user named, the one downloaded before, the full environment's, or a new download.
setup_libtorch() {
  if [ -n "${RESNET_LIBTORCH:-}" ]; then
    libtorch=$RESNET_LIBTORCH
    [ "$libtorch" != system ] || libtorch=
    return
  fi
  libtorch=$cache/libtorch-$torch_version/torch
  [ ! -d "$libtorch" ] || return 0
  for folder in "$cache/python-$torch_version"/lib/python3*/site-packages/torch; do
    if [ -d "$folder" ]; then
      libtorch=$folder
      return
    fi
  done
  say "LibTorch $torch_version for the CPU from PyPI to $cache: 0.56 GB to download, 1.3 GB on disk, 0.6 GB in pip's cache"
  has_room 3000 || die "less than 3 GB are free for $cache; set XDG_CACHE_HOME to a folder with more room"
  step "Downloading LibTorch $torch_version" locked make_folder "libtorch-$torch_version" fill_libtorch
}

fill_python() {
  "$python3" -m venv "$1" || return 1
  pip_python=$1/bin/python
  # The wheel that LibTorch came from is in pip's cache; the rest need not stay there.
  pip install --quiet --no-deps "torch==$torch_version" &&
    pip install --quiet --no-cache-dir "torch==$torch_version" "torchvision==$torchvision_version" \
      numpy pillow safetensors || return 1
  # Scripts such as torchrun name their interpreter, which is about to move.
  for script in $(grep -lI "^#!$1/" "$1"/bin/*); do
    sed -i "1s|^#!$1/|#!${1%.part}/|" "$script"
  done
}

# Sets $test_python to an interpreter with torch and torchvision, or to nothing and $no_python to the reason.
setup_test_python() {
  test_python=$cache/python-$torch_version/bin/python
  no_python=
  [ ! -x "$test_python" ] || return 0
  say "PyTorch $torch_version and torchvision with their GPU libraries, for the tests, from PyPI to $cache:" \
    "3 GB to download, 5.5 GB on disk, 0.6 GB in pip's cache"
  if ! has_room 10000; then
    no_python="less than 10 GB are free for $cache"
  else
    python_start=$(date +%s)
    say 'Downloading PyTorch ...'
    if locked make_folder "python-$torch_version" fill_python; then
      say "Downloading PyTorch: done in $(($(date +%s) - python_start)) s"
    else
      no_python='PyTorch could not be downloaded from PyPI'
    fi
  fi
  [ -n "$no_python" ] || return 0
  test_python=
}

has_readers() {
  for package in onnxruntime tensorboard; do
    [ -d "$(echo "$cache/python-$torch_version"/lib/python3*/site-packages/$package)" ] || return 1
  done
}

fill_readers() {
  pip_python=$test_python
  has_readers && return 0
  pip install --quiet --no-cache-dir "onnxruntime==$onnxruntime_version" &&
    pip install --quiet --no-cache-dir --no-deps "tensorboard==$tensorboard_version" absl-py # without its server's
}

# Adds what reads our files to the tests' Python, which may be older; else sets $no_readers to the reason.
setup_readers() {
  no_readers=
  ! has_readers || return 0
  say "ONNX Runtime $onnxruntime_version and TensorBoard $tensorboard_version from PyPI to $cache: 36 MB to download"
  locked fill_readers || no_readers='ONNX Runtime and TensorBoard could not be downloaded from PyPI'
}

# Of these versions, whatever the system has: others format otherwise and find other things. clang-tidy 22 is the
# first that leaves system headers alone: four times as fast with LibTorch's.
fill_lint_tools() {
  "$python3" -m venv "$1.venv" || return 1
  pip_python=$1.venv/bin/python
  pip install --quiet --no-cache-dir --target "$1" 'clang-format==14.0.6' 'clang-tidy==22.1.8'
  filled=$?
  rm -rf "$1.venv"
  return $filled
}

# Sets $lint_tools to the folder with clang-format and clang-tidy, or to nothing and $no_lint_tools to the reason.
setup_lint_tools() {
  lint_tools=$cache/lint-22.1.8
  no_lint_tools=
  [ ! -d "$lint_tools" ] || return 0
  say "clang-format and clang-tidy from PyPI to $cache: 45 MB to download, 0.15 GB on disk"
  if has_room 500 && locked make_folder lint-22.1.8 fill_lint_tools; then return 0; fi
  lint_tools=
  no_lint_tools='clang-format and clang-tidy could not be downloaded from PyPI'
}

fill_nvcc() {
  "$python3" -m venv "$1.venv" || return 1
  pip_python=$1.venv/bin/python
  # One minor release for all parts, the one that PyTorch brings the libraries of.
  pip install --quiet --no-cache-dir --target "$1" 'nvidia-cuda-nvcc==13.2.*' 'nvidia-cuda-crt==13.2.*' \
    'nvidia-nvvm==13.2.*' 'nvidia-cuda-runtime==13.2.*' 'nvidia-cuda-cccl'
  filled=$?
  rm -rf "$1.venv"
  # The wheels have only libcudart.so.13 in lib; nvcc's linker looks for -lcudart in lib64.
  if [ $filled -eq 0 ]; then
    ln -s lib "$1/nvidia/cu13/lib64" 2>/dev/null
    [ -e "$1/nvidia/cu13/lib/libcudart.so" ] || ln -s libcudart.so.13 "$1/nvidia/cu13/lib/libcudart.so"
  fi
  return $filled
}

nvcc_major() { "$1" --version 2>/dev/null | sed -n 's/.*release \([0-9]*\)\..*/\1/p'; }

# Sets $cuda_path to a CUDA toolkit of version 13 or newer, or to nothing and $no_cuda to the reason.
setup_nvcc() {
  no_cuda=
  for nvcc in "$(command -v nvcc)" /usr/local/cuda/bin/nvcc "$cache/nvcc-13.2/nvidia/cu13/bin/nvcc"; do
    if [ -x "$nvcc" ] && [ "$(nvcc_major "$nvcc")" -ge 13 ] 2>/dev/null; then
      cuda_path=${nvcc%/bin/nvcc}
      return 0
    fi
  done
  say "CUDA's compiler from PyPI to $cache: 0.1 GB to download, 0.4 GB on disk"
  if has_room 1000 && locked make_folder nvcc-13.2 fill_nvcc; then
    cuda_path=$cache/nvcc-13.2/nvidia/cu13
    return 0
  fi
  cuda_path=
  no_cuda='no nvcc 13 or newer here, and none could be downloaded from PyPI'
}

# build FOLDER OPTION...: sets the folder up when it is new or the options are others than last time, and builds
# everything, or what $targets names. A folder that somebody else set up keeps its options.
build() {
  folder=$1
  shift
  wanted="$*"
  if [ ! -f "$folder/build.ninja" ]; then
    step "Configuring $folder" meson setup "$folder" "$@"
    printf '%s' "$wanted" >"$folder/setup-options"
  elif [ -f "$folder/setup-options" ] && [ "$(cat "$folder/setup-options")" != "$wanted" ]; then
    step "Configuring $folder again" meson setup --reconfigure "$folder" "$@"
    printf '%s' "$wanted" >"$folder/setup-options"
  fi
  if ninja -C "$folder" -n ${targets:-} 2>/dev/null | grep -q 'no work to do'; then
    return 0
  fi
  step "Building in $folder" ninja -C "$folder" ${targets:-}
}
