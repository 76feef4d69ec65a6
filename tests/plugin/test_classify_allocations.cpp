// What resnetclassify allocates for a frame: nothing that grows with the frame, the model or its classes.
#include <cerrno>
#include <cstddef>

#include "model/model_file.h"
#include "tests/plugin/classify_fixture.h"

namespace {

/// What a thread that counts has allocated in blocks that are not small.
struct Counted {
  bool on = false;
  std::size_t blocks = 0, largest = 0;
};
thread_local Counted counted;
constexpr std::size_t small = 1024;  // GStreamer's objects, and names

#if defined(RESNET_SANITIZED) || !defined(__GLIBC__)
constexpr bool can_count = false;
#else
constexpr bool can_count = true;

void note(std::size_t size) {
  if (!counted.on || size < small) return;
  ++counted.blocks;
  counted.largest = std::max(counted.largest, size);
}

// In place of the C library's for the whole process, the plugin and LibTorch included.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the C library's names for its own.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
// NOLINTEND(bugprone-reserved-identifier)

__attribute__((visibility("default"))) void* malloc(std::size_t size) {
  note(size);
  return __libc_malloc(size);
}
__attribute__((visibility("default"))) void* calloc(std::size_t count, std::size_t size) {
  note(count * size);
  return __libc_calloc(count, size);
}
__attribute__((visibility("default"))) void* realloc(void* block, std::size_t size) {
  note(size);
  return __libc_realloc(block, size);
}
__attribute__((visibility("default"))) void* aligned_alloc(std::size_t alignment, std::size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}
__attribute__((visibility("default"))) int posix_memalign(void** block, std::size_t alignment,
                                                          std::size_t size) {
  note(size);
  *block = __libc_memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}
}
#endif

}  // namespace

namespace resnet {
namespace {

class ClassifyAllocations : public ResnetClassify {
 protected:
  /// A network with a thousand classes for pictures of 224 pixels.
  std::string large_model() {
    ModelInfo info;
    info.preprocessing = Preprocessing::for_image_size(224);
    const std::filesystem::path path = folder_ / "large.safetensors";
    save_model(path, make_resnet(Architecture{BlockType::basic, {1, 1, 1, 1}, 64, 1, 64}, 1000), info);
    return path.string();
  }
  /// Passes frames; with `count`, what is allocated meanwhile in this thread and the source pad's is counted.
  /// The network's own thread is not: LibTorch allocates what its layers pass to each other.
  void pass(int frames, bool count) {
    for (int i = 0; i < frames; ++i) {
      GstBuffer* in = gst_buffer_copy(picture_);
      GST_BUFFER_PTS(in) = static_cast<GstClockTime>(number_++) * 40 * GST_MSECOND;
      counted.on = count;
      gst_harness_push(harness_, in);
      counted.on = false;
      GstBuffer* out = gst_harness_pull(harness_);
      ASSERT_NE(out, nullptr);
      gst_buffer_unref(out);
    }
  }
  void expect_no_large_blocks(const Properties& properties) {
    Properties all{{"model", large_model()}, {"threads", "1"}, {"qos", "false"}};
    all.insert(all.end(), properties.begin(), properties.end());
    open(all, GST_VIDEO_FORMAT_NV12, 1280, 720);
    picture_ = frame(0);
    // The source pad's thread counts from when its push came back until it pushes again.
    GstPad* source = gst_element_get_static_pad(element(), "src");
    gst_pad_add_probe(
        source, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer data) {
          *static_cast<Counted*>(data) = std::exchange(counted, Counted{});
          return GST_PAD_PROBE_OK;
        },
        &source_, nullptr);
    gst_object_unref(source);
    gst_pad_add_probe(
        harness_->sinkpad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer) {
          counted.on = true;
          return GST_PAD_PROBE_OK;
        },
        nullptr, nullptr);
    pass(20, false);
    std::size_t blocks = 0, largest = 0;
    for (int i = 0; i < 30; ++i) {
      counted = {};
      pass(1, true);
      blocks += counted.blocks + source_.blocks;
      largest = std::max({largest, counted.largest, source_.largest});
    }
    EXPECT_TRUE(source_.on);
    EXPECT_EQ(blocks, 0u) << "the largest has " << largest << " bytes";
    gst_buffer_unref(picture_);
  }

 private:
  TemporaryFolder folder_;
  GstBuffer* picture_ = nullptr;
  int number_ = 0;
  Counted source_;
};

TEST_F(ClassifyAllocations, NoFrameTakesALargeBlock) {
  if (!can_count) GTEST_SKIP() << "this build's malloc cannot be replaced";
  expect_no_large_blocks({{"output", "classes+features"}, {"top-k", "5"}, {"smoothing", "0.5"}});
}

TEST_F(ClassifyAllocations, NorWithComparedPictures) {
  if (!can_count) GTEST_SKIP() << "this build's malloc cannot be replaced";
  expect_no_large_blocks({{"change-threshold", "0"}, {"on-change", "true"}});
}

}  // namespace
}  // namespace resnet
