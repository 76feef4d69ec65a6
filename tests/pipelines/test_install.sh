# An installed project, staged with DESTDIR: the plugin and the command are there, load and find their LibTorch.
# And before it is installed, `meson devenv` finds the plugin.
set -eu
[ -e "$RESNET_BUILD_ROOT/plugin/libgstresnet.so" ] || { echo 'the plugin is not built'; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

DESTDIR=$folder meson install -C "$RESNET_BUILD_ROOT" --no-rebuild --quiet >"$folder/log" 2>&1 || fail "$(cat "$folder/log")"
plugin=$(find "$folder" -name libgstresnet.so)
[ -n "$plugin" ] || fail 'no libgstresnet.so installed'
export GST_PLUGIN_PATH="$(dirname "$plugin")" GST_REGISTRY="$folder/registry.bin"
for element in resnetclassify resnetoverlay resnetjson; do
  gst-inspect-1.0 "$element" >"$folder/log" 2>&1 || fail "gst-inspect-1.0 $element: $(cat "$folder/log")"
done
# Only the engine, with LibTorch, gets as far as looking for the model.
if gst-launch-1.0 videotestsrc num-buffers=1 ! resnetclassify model=/nonexistent ! fakesink >"$folder/log" 2>&1; then
  fail 'a missing model was accepted'
fi
grep -q '/nonexistent' "$folder/log" || fail "the installed plugin's engine: $(cat "$folder/log")"
command=$(find "$folder" -name resnet -path '*/bin/*')
[ -n "$command" ] || fail 'no command resnet installed'
"$command" --version >"$folder/log" 2>&1 || fail "resnet --version: $(cat "$folder/log")"
if ldd "$plugin" | grep -E 'libtorch|libc10'; then fail 'the plugin links LibTorch'; fi
# Hardened as distributions do it, where it is optimised.
for file in "$plugin" "$command" "$(find "$folder" -name libresnet-engine.so)"; do
  readelf -lW "$file" >"$folder/log"
  grep -q GNU_RELRO "$folder/log" || fail "$file is linked without RELRO"
  if grep -E 'GNU_STACK.*E' "$folder/log"; then fail "the stack of $file is executable"; fi
  readelf -dW "$file" | grep -qE 'BIND_NOW|FLAGS_1.*NOW' || fail "$file binds lazily"
  if grep -q -e ' -O[123] ' "$RESNET_BUILD_ROOT/compile_commands.json"; then
    for symbol in __stack_chk_fail __snprintf_chk __glibcxx_assert_fail; do # protector, _FORTIFY_SOURCE, checked indices
      readelf -sW "$file" | grep -q "$symbol" || fail "$file is not hardened: it calls no $symbol"
    done
  fi
done
readelf -hW "$command" | grep -q 'Type: *DYN' || fail 'resnet is no position-independent executable'
[ -n "$(find "$folder" -path '*/share/gst-resnet/resnetjson.schema.json')" ] || fail 'no resnetjson.schema.json installed'
[ -n "$(find "$folder" -path '*/doc/gst-resnet/THIRD_PARTY_NOTICES')" ] || fail 'no notices installed'
# A program that reads the metadata is built with what pkg-config says.
pc=$(find "$folder" -name gst-resnet-meta.pc)
[ -n "$pc" ] || fail 'no pkg-config file installed'
export PKG_CONFIG_PATH="$(dirname "$pc")"
include=$(pkg-config --variable=includedir gst-resnet-meta)/gst-resnet
flags=$(pkg-config --cflags --libs gst-resnet-meta | sed "s|-I$include|-I$folder$include|")
cc "$RESNET_SOURCE_ROOT/pipelines/examples/read_labels.c" -o "$folder/read-labels" $flags >"$folder/log" 2>&1 ||
  fail "pkg-config gst-resnet-meta: $(cat "$folder/log")"
unset GST_PLUGIN_PATH
meson devenv -C "$RESNET_BUILD_ROOT" gst-inspect-1.0 resnetclassify >"$folder/log" 2>&1 || fail "meson devenv: $(cat "$folder/log")"
echo ok
