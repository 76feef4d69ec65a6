#ifndef RESNET_TESTS_PLUGIN_CLASSIFY_FIXTURE_H
#define RESNET_TESTS_PLUGIN_CLASSIFY_FIXTURE_H

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "model/image.h"
#include "model/resnet_fwd.h"
#include "tests/model/small_network.h"
#include "tests/plugin/fixture.h"
#include "tests/temporary_folder.h"

namespace resnet {

/// The class names of the tests' model.
inline const std::vector<std::string> test_classes{"daisy", "dandelion", "roses", "sunflowers", "tulips"};
/// Its network's.
inline const Architecture test_architecture = small_basic();

/// A small random network with those classes, made once; and as a file, for pictures of so many pixels. Of
/// 1024 it takes longer over one than a frame lasts.
const ResNet& test_network();
std::filesystem::path test_model(int image_size = 32);

/// What the network says to a frame of that format: the reference executor on the preprocessed pixels.
std::vector<double> expected_probabilities(const GstVideoInfo& info, GstBuffer* frame,
                                           Orientation orientation = Orientation::identity);

/// `resnetclassify` in a harness. Properties are given as gst-launch-1.0 would: {{"top-k", "3"}}.
class ResnetClassify : public testing::Test {
 protected:
  using Properties = std::vector<std::pair<std::string, std::string>>;

  /// fp32 and overlay=false unless the properties say otherwise; caps are sent, the state is PLAYING.
  void open(const Properties& properties = {}, GstVideoFormat format = GST_VIDEO_FORMAT_RGB, int width = 64,
            int height = 48);
  /// The same behind a live source, of which the latency has been asked.
  void open_live(const Properties& properties = {}, GstVideoFormat format = GST_VIDEO_FORMAT_RGB,
                 int width = 64, int height = 48);
  /// Only makes the harness: no caps yet.
  void make(const Properties& properties);
  void send_caps(GstVideoFormat format, int width, int height);
  void TearDown() override;

  /// A frame of noise; frame `number` is 40 ms behind the one before.
  GstBuffer* frame(int number);
  /// Pushes the frame and returns what comes out.
  GstBuffer* play(int number) { return gst_harness_push_and_pull(harness_, frame(number)); }
  GstElement* element() const { return harness_->element; }
  /// A counter of the property `stats`.
  guint64 stat(const char* name) const;
  /// A segment from 0 on.
  void start_segment();
  /// Stops the element and starts it anew, with caps and a segment.
  void restart(GstVideoFormat format = GST_VIDEO_FORMAT_RGB, int width = 64, int height = 48);
  /// Everything that came out so far: "frame 0", "caps", "custom", "eos", …
  std::vector<std::string> passed();
  /// Waits until `count` things have come out.
  std::vector<std::string> wait_until_passed(std::size_t count);

  GstHarness* harness_ = nullptr;
  GstVideoInfo info_{};

 private:
  static GstPadProbeReturn note(GstPad*, GstPadProbeInfo* info, gpointer self);
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> passed_;  // guarded by mutex_
};

}  // namespace resnet

#endif
