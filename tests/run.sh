#!/bin/sh
# Builds and runs the tests.
#
#   sh tests/run.sh              the tests
#   sh tests/run.sh LEG...       default   build in build/ and run all tests
#                                lint      clang-format, clang-tidy, a build whose warnings are errors
#                                cuda      nvcc compiles and links everything, in build-cuda/
#
# With CI set and no LEG: every leg, and an environment that is not complete is a failure, not a skip.
# Installs what is missing first (see pipelines/setup.sh); the second run uses no network.
# The last line counts tests: N passed, N failed, N skipped.

set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$root" || exit 1
. pipelines/setup.sh
all_legs='default lint cuda'
ci_legs='default'
case ${1:-} in
  -*) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
  '') legs=$ci_legs ;;
  *) legs="$*" ;;
esac
for leg in $legs; do
  case " $all_legs " in *" $leg "*) ;; *) die "no such leg: $leg (there are: $all_legs)" ;; esac
done

passed=0
failed=0
skipped=0
count() { # count PASSED FAILED SKIPPED
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + $3))
}
# check TEXT COMMAND...: one test.
check() {
  check_text=$1
  shift
  check_start=$(date +%s)
  if "$@"; then
    say "ok: $check_text ($(($(date +%s) - check_start)) s)"
    count 1 0 0
  else
    say "FAILED: $check_text ($(($(date +%s) - check_start)) s)"
    count 0 1 0
    return 1
  fi
}
# skip REASON: one test; in CI a failure.
skip() {
  if [ -n "${CI:-}" ]; then
    say "FAILED: $1 (with CI set this is no reason to skip)"
    count 0 1 0
  else
    say "skipped: $1"
    count 0 0 1
  fi
}

# run_tests BUILD: meson test, counted by GoogleTest's cases.
run_tests() {
  rm -rf "$1/test-results"
  mkdir -p "$1/test-results"
  say "Testing in $1 ..."
  GTEST_OUTPUT="xml:$root/$1/test-results/" meson test -C "$1" --no-rebuild --print-errorlogs --num-processes "$(nproc)"
  test_status=$?
  counts=$("$python3" tests/count_tests.py "$1" "$test_status") || die "cannot count the results in $1"
  count $counts
}

leg_default() {
  setup_test_python
  if [ -n "$test_python" ]; then export RESNET_PYTHON="$test_python"; else skip "Python interop: $no_python"; fi
  setup_libtorch
  build build "-Dlibtorch=$libtorch"
  run_tests build
}

sources() {
  if [ -d .git ] || [ -f .git ]; then
    git ls-files "$@"
  else
    for pattern in "$@"; do find . -path './build*' -prune -o -name "$pattern" -print; done
  fi
}

# One file through clang-tidy, unless nothing that it depends on changed since it passed.
tidy_files() {
  mkdir -p build-lint/tidy
  newest=$(ls -t .clang-tidy $(sources '*.h') | head -n 1)
  for file in $(sources '*.cpp'); do
    stamp=build-lint/tidy/$(echo "$file" | tr / _)
    grep -q "$file\"" build-lint/compile_commands.json || continue
    if [ ! -e "$stamp" ] || [ -n "$(find "$file" "$newest" -newer "$stamp")" ]; then echo "$file"; fi
  done | xargs -r -n 1 -P "$(nproc)" sh -c '
    clang-tidy --quiet -p build-lint --extra-arg=-Wno-unknown-warning-option "$1" 2>/dev/null && touch "build-lint/tidy/$(echo "$1" | tr / _)"' tidy
}

leg_lint() {
  install_packages $lint_packages
  setup_libtorch
  check 'clang-format' clang-format --dry-run -Werror $(sources '*.cpp' '*.h' '*.c' '*.cu')
  # In a subshell: build ends the script where the compiler fails.
  check 'no compiler warnings' eval \
    '(build build-lint --buildtype=debug -Doptimization=0 -Dwerror=true "-Dlibtorch=$libtorch")' || return
  check 'clang-tidy' tidy_files
}

leg_cuda() {
  setup_nvcc
  setup_test_python
  if [ -z "$cuda_path" ]; then
    skip "CUDA: $no_cuda"
  elif [ -z "$test_python" ]; then
    skip "CUDA: no LibTorch with CUDA: $no_python"
  else
    cuda_torch=$(echo "$cache/python-$torch_version"/lib/python3*/site-packages/torch)
    export CUDA_PATH="$cuda_path" PATH="$cuda_path/bin:$PATH"
    check 'nvcc compiles and links everything' eval '(build build-cuda -Dcuda=enabled "-Dlibtorch=$cuda_torch")'
  fi
}

run_start=$(date +%s)
install_packages $run_packages $test_packages
for leg in $legs; do
  say "Leg $leg"
  leg_start=$(date +%s)
  "leg_$leg"
  say "Leg $leg: $(($(date +%s) - leg_start)) s"
done
say "All legs: $(($(date +%s) - run_start)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
