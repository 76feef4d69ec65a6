#!/bin/sh
# Builds and runs the tests.
#
#   sh tests/run.sh              the tests
#   sh tests/run.sh LEG...       default   build in build/ and run all tests
#                                lint      clang-format, clang-tidy, cppcheck, a build whose warnings are errors
#                                cuda      nvcc compiles and links everything, in build-cuda/
#                                asan      tests under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer, in build-asan/
#                                tsan      tests of what runs in threads under ThreadSanitizer, in build-tsan/
#                                fuzz      libFuzzer on the readers of files, each for RESNET_FUZZ_SECONDS (60), in build-asan/
#                                valgrind  the readers of files on the fuzzers' corpora under valgrind, in build/
#                                coverage  which lines the tests reach, in build-coverage/
#                                trixie    as default, inside a Debian 13 of its own (see tests/debian13.sh), in build-trixie/
#
# With CI set and no LEG: all but coverage and trixie, and an environment that is not complete is a failure, not a skip.
# RESNET_PYTHON=PROGRAM compares with that Python's torch and torchvision instead of PyPI's.
# Installs what is missing first (see pipelines/setup.sh); the second run uses no network.
# The last line counts tests: N passed, N failed, N skipped.

set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$root" || exit 1
. pipelines/setup.sh
. tests/debian13.sh
all_legs='default lint cuda asan tsan fuzz valgrind coverage trixie'
ci_legs='default lint cuda asan tsan fuzz valgrind'
case ${1:-} in
  -*) sed -n '2,19s/^# \{0,1\}//p' "$0"; exit 0 ;;
  '') legs=${CI:+$ci_legs} legs=${legs:-default} ;;
  *) legs="$*" ;;
esac
for leg in $legs; do
  case " $all_legs " in *" $leg "*) ;; *) die "no such leg: $leg (there are: $all_legs)" ;; esac
done

passed=0
failed=0
skipped=0
failures=$(mktemp) || exit 1 # what failed, to be said once more at the end
trap 'rm -f "$failures"' EXIT
count() { # count PASSED FAILED SKIPPED
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + $3))
}
# fail TEXT: one test.
fail() {
  say "FAILED: $1"
  echo "$1" >>"$failures"
  count 0 1 0
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
    fail "$check_text ($(($(date +%s) - check_start)) s)"
    return 1
  fi
}
# skip REASON: one test; in CI a failure.
skip() {
  if [ -n "${CI:-}" ]; then
    fail "$1 (with CI set this is no reason to skip)"
  else
    leave_out "$1"
  fi
}
# leave_out REASON: one test, that this machine cannot run; in CI too.
leave_out() {
  say "skipped: $1"
  count 0 0 1
}

# run_tests BUILD [TEST...]: meson test, all of them or those named, counted by GoogleTest's cases.
run_tests() {
  tests_in=$1
  shift
  rm -rf "$tests_in/test-results"
  mkdir -p "$tests_in/test-results"
  say "Testing in $tests_in ..."
  GTEST_OUTPUT="xml:$root/$tests_in/test-results/" \
    meson test -C "$tests_in" --no-rebuild --print-errorlogs --timeout-multiplier 4 \
    --num-processes "$(nproc)" "$@"
  test_status=$?
  counts=$("$python3" tests/count_tests.py "$tests_in" "$test_status" 2>"$tests_in/test-results/said") ||
    die "cannot count the results in $tests_in"
  cat "$tests_in/test-results/said"
  sed -n "s|^FAILED: |$tests_in: |p" "$tests_in/test-results/said" >>"$failures"
  count $counts
}

# In CI warnings are errors from the start, so that lint needs no build of its own.
ci_options=${CI:+-Dwerror=true}
lint_folder=build-lint
lint_options='--buildtype=plain -Dwerror=true'
if [ -n "${CI:-}" ]; then lint_folder=build lint_options=$ci_options; fi
export lint_folder

leg_default() {
  if [ -z "${RESNET_PYTHON:-}" ]; then
    setup_test_python
    if [ -n "$test_python" ]; then
      export RESNET_PYTHON="$test_python"
      setup_readers
      [ -z "$no_readers" ] || skip "ONNX export and TensorBoard: $no_readers"
    else
      skip "Python interop: $no_python"
    fi
  fi
  setup_libtorch
  build build $ci_options "-Dlibtorch=$libtorch"
  run_tests build
}

sources() {
  if [ -d .git ] || [ -f .git ]; then
    git ls-files "$@"
  else
    for pattern in "$@"; do find . -path './build*' -prune -o -name "$pattern" -print; done
  fi
}

# tidy_file CLANG_TIDY FILE, for xargs: a stamp when it passes, else what it said, to be shown in one piece later.
tidy_file='
  stamp="$lint_folder"/tidy/$(echo "$1" | tr / _)
  if "$0" --quiet -p "$lint_folder" --extra-arg=-Wno-unknown-warning-option "$1" >"$stamp.said" 2>&1; then
    mv "$stamp.said" "$stamp"
    echo "   ok: $1"
  else
    echo "   FAILED: $1"
    exit 1
  fi'

# Every source through clang-tidy, but for those that passed and neither they nor any header changed since.
tidy_files() {
  mkdir -p "$lint_folder"/tidy
  rm -f "$lint_folder"/tidy/*.said
  newest=$(ls -t $(sources '.clang-tidy' '*/.clang-tidy' '*.h') | head -n 1)
  for file in $(sources '*.cpp'); do
    stamp="$lint_folder"/tidy/$(echo "$file" | tr / _)
    grep -q "$file\"" "$lint_folder"/compile_commands.json || continue
    if [ ! -e "$stamp" ] || [ -n "$(find "$file" "$newest" -newer "$stamp")" ]; then echo "$file"; fi
  done | xargs -r -n 1 -P "$(nproc)" sh -c "$tidy_file" "$lint_tools/clang_tidy/data/bin/clang-tidy" && return 0
  cat "$lint_folder"/tidy/*.said | grep -vE '^[0-9]+ warnings? generated|^Suppressed ' | tee -a "$failures"
  return 1
}

leg_lint() {
  setup_lint_tools
  if [ -z "$lint_tools" ]; then
    skip "lint: $no_lint_tools"
    return
  fi
  setup_libtorch
  check 'clang-format' "$lint_tools/clang_format/data/bin/clang-format" --dry-run -Werror $(sources '*.cpp' '*.h' '*.c' '*.cu')
  install_packages cppcheck
  check 'cppcheck' cppcheck --quiet --error-exitcode=1 --template=gcc --language=c++ --std=c++20 -I . \
    --enable=warning,portability,performance --suppress=missingIncludeSystem --suppress=unknownMacro \
    --suppressions-list=tests/cppcheck.supp $(sources '*.cpp' | grep -v tests/)
  # In a subshell: build ends the script where the compiler fails.
  check 'no compiler warnings' eval \
    '(build "$lint_folder" $lint_options "-Dlibtorch=$libtorch")' || return
  check 'clang-tidy' tidy_files
}

# The plugin, the command, and the tests that reach the CUDA back end.
cuda_targets='plugin/libgstresnet.so model/libresnet-engine.so training/resnet
  tests/model/test-model-executor tests/model/test-model-preprocess'

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
    check 'nvcc compiles and links everything' eval \
      '(targets=$cuda_targets; build build-cuda -Dcuda=enabled $ci_options "-Dlibtorch=$cuda_torch")' || return
    RESNET_PYTHON="$test_python" run_tests build-cuda model-executor model-preprocess
  fi
}

leg_trixie() {
  setup_debian13
  if [ -z "$debian13" ]; then
    leave_out "Debian 13: $no_debian13"
    return
  fi
  mkdir -p build-trixie
  in_debian13 "$debian13" \
    "$debian13_install && RESNET_LIBTORCH=system RESNET_PYTHON=/usr/bin/python3 sh tests/run.sh default" 2>&1 |
    tee build-trixie/run.log
  counts=$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' build-trixie/run.log)
  if [ -n "$counts" ]; then count $counts; else check 'the tests run on Debian 13' false; fi
}

# The sanitizers' legs run programs of our own only: gst-launch-1.0 and Python are not built with a sanitizer, and what
# they run of ours (tests/pipelines, plugin-pipelines, plugin-example-*) these programs run too.
# -O1 and line tables only: the build is most of the time.
sanitizer_options='-Db_lundef=false -Db_ndebug=false -Doptimization=1 -Dc_args=-g1 -Dcpp_args=-g1'

# build_sanitized FOLDER OPTIONS TARGET...: by clang, whose fuzzer shares what it compiles with the tests.
build_sanitized() {
  sanitized=$1
  sanitized_options="$2 $sanitizer_options"
  shift 2
  install_packages clang
  install_packages "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
  setup_libtorch
  sanitized_targets=$*
  check "the targets of leg $leg build" eval \
    '(export CC=clang CXX=clang++; targets=$sanitized_targets; build "$sanitized" $sanitized_options "-Dlibtorch=$libtorch")'
}

# test_sanitized FOLDER OPTIONS TEST...: builds the tests and what they load, and runs them.
test_sanitized() {
  sanitized=$1
  sanitized_options=$2
  shift 2
  sanitized_programs='plugin/libgstresnet.so model/libresnet-engine.so'
  for name in "$@"; do sanitized_programs="$sanitized_programs tests/${name%%-*}/test-$name"; done
  build_sanitized "$sanitized" "$sanitized_options" $sanitized_programs || return
  # The registry is made in the program itself: GStreamer's scanner cannot load an instrumented plugin.
  GST_REGISTRY_FORK=no run_tests "$sanitized" "$@"
}

# Left out: plugin-allocations, which cannot count under a sanitizer; model-torchvision, whose ten large networks are read as
# small ones are; training-command, training-processes and training-resume, which are hundreds of programs.
asan_tests='caption model-architecture model-checkpoint model-cpu-operations model-engine model-executor model-file-io
  model-labels model-model-file model-model-info model-preprocess model-quantization model-workers plugin-classify plugin-frame-image
  plugin-hostile plugin-json plugin-meta plugin-orientation plugin-out-of-memory plugin-overlay plugin-overload plugin-playback
  plugin-properties plugin-region-tracker plugin-result-tracker training-augment training-available-memory training-calibration
  training-confidence training-duplicates training-event-file training-html training-image-folder training-learner training-loader
  training-metrics training-mix training-norm-relu training-onnx training-optimizer training-picture training-recipe training-report
  training-team training-tile-convolution fuzz-json fuzz-legacy fuzz-model fuzz-pickle fuzz-safetensors fuzz-tar fuzz-zip'

asan_options='-Dfuzzers=true -Db_sanitize=address,undefined'
leg_asan() {
  # Slow stacks, whole ones: GLib's functions keep no frame pointers, and a suppression must see past them.
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:fast_unwind_on_malloc=0 \
    LSAN_OPTIONS="suppressions=$root/tests/lsan.supp:print_suppressions=0" \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 test_sanitized build-asan "$asan_options" $asan_tests
}

# All that has threads of its own.
tsan_tests='model-engine model-workers plugin-classify plugin-json plugin-meta plugin-overlay plugin-overload plugin-playback
  training-loader training-team'

leg_tsan() {
  TSAN_OPTIONS="suppressions=$root/tests/tsan.supp:history_size=7" test_sanitized build-tsan -Db_sanitize=thread $tsan_tests
}

# fuzz_one TARGET, for xargs: its line, and where it failed what it said. What it grows goes to build-asan/grown.
fuzz_one='
  mkdir -p build-asan/grown/$1
  if build-asan/tests/fuzz/fuzz-$1 -max_total_time="$fuzz_seconds" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 -seed=1 \
    -artifact_prefix=build-asan/$1- build-asan/grown/$1 tests/fuzz/corpus/$1 >build-asan/$1.said 2>&1; then
    echo "ok: $1: $(sed -n "s/^stat::number_of_executed_units: *//p" build-asan/$1.said) files"
  else
    tail -n 40 build-asan/$1.said
    echo "FAILED: $1: what was read is in build-asan/$1-*"
    exit 1
  fi'
fuzz_all() { echo "$fuzz_targets" | xargs -n 1 -P "$(nproc)" sh -c "$fuzz_one" sh; }

leg_fuzz() {
  export fuzz_seconds="${RESNET_FUZZ_SECONDS:-60}"
  fuzz_targets=$(ls tests/fuzz/corpus)
  build_sanitized build-asan "$asan_options" $(for name in $fuzz_targets; do echo "tests/fuzz/fuzz-$name"; done) || return
  ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
    check "nothing fails in $fuzz_seconds s of fuzzing for each of: $(echo $fuzz_targets)" fuzz_all
}

leg_valgrind() {
  install_packages valgrind
  setup_libtorch
  valgrind_targets=
  for name in $(ls tests/fuzz/corpus); do valgrind_targets="$valgrind_targets fuzz-$name"; done
  check 'the readers build' eval \
    '(targets=$(for name in $valgrind_targets; do echo "tests/fuzz/test-$name"; done)
      build build $ci_options "-Dlibtorch=$libtorch")' || return
  # Definite leaks only: what libraries keep until the end is none.
  run_tests build --wrap='valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite' $valgrind_targets
}

# Which lines of ours the test programs reach; scripts reach no others. Optimised a little: networks at -O0 take hours.
# Counted atomically: threads' counts become negative else, which gcovr refuses.
coverage_options='-Db_coverage=true -Doptimization=1 -Db_ndebug=false
  -Dc_args=-fprofile-update=atomic -Dcpp_args=-fprofile-update=atomic'
leg_coverage() {
  install_packages gcovr
  setup_libtorch
  setup_test_python
  check 'everything builds with counters' eval \
    '(build build-coverage $coverage_options "-Dlibtorch=$libtorch")' || return
  find build-coverage -name '*.gcda' -delete
  RESNET_PYTHON="$test_python" run_tests build-coverage --no-suite pipelines
  check 'the report' gcovr --root . --filter '(model|caption|plugin|training)/' --exclude-throw-branches \
    --html-details build-coverage/coverage.html --txt build-coverage/coverage.txt build-coverage
  cat build-coverage/coverage.txt
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
if [ "$failed" -gt 0 ]; then
  say "What failed:"
  cat "$failures"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
