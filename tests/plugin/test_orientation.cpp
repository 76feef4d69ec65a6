// Captions on frames that the player turns by their tag `image-orientation`, seen behind a videoflip.
#include <algorithm>
#include <array>

#include "plugin/overlay.h"
#include "plugin/region_results.h"
#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

struct Case {
  const char* tag;      // how the player has to turn the frame
  const char* inverse;  // videoflip's direction from the upright picture to the stored frame
  bool swaps;           // width and height
};

// The orientations of https://gstreamer.freedesktop.org/documentation/gstreamer/gsttaglist.html
constexpr std::array<Case, 8> cases{{{"rotate-0", "identity", false},
                                     {"rotate-90", "90l", true},
                                     {"rotate-180", "180", false},
                                     {"rotate-270", "90r", true},
                                     {"flip-rotate-0", "horiz", false},
                                     {"flip-rotate-90", "ur-ll", true},
                                     {"flip-rotate-180", "vert", false},
                                     {"flip-rotate-270", "ul-lr", true}}};

constexpr int width = 320, height = 240;  // upright

struct Box {
  guint left, top, width, height;
};

/// A grey picture, darker from left to right, with a white box.
GstBuffer* upright_picture(const GstVideoInfo& info, const Box& box) {
  GstBuffer* buffer = new_frame(info, 0);
  GstMapInfo map;
  EXPECT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_WRITE));
  for (guint y = 0; y < static_cast<guint>(height); ++y) {
    for (guint x = 0; x < static_cast<guint>(width); ++x) {
      const bool inside = x - box.left < box.width && y - box.top < box.height;
      map.data[y * static_cast<guint>(width) + x] = inside ? 255 : static_cast<guint8>(200 - x / 4 - y / 8);
    }
  }
  gst_buffer_unmap(buffer, &map);
  return buffer;
}

/// Where the white box is in a picture.
Box find_white(GstBuffer* buffer, guint row_size) {
  const std::string bytes = bytes_of(buffer);
  guint left = G_MAXUINT, top = G_MAXUINT, right = 0, bottom = 0;
  for (guint i = 0; i < bytes.size(); ++i) {
    if (static_cast<guint8>(bytes[i]) != 255) continue;
    left = std::min(left, i % row_size);
    right = std::max(right, i % row_size + 1);
    top = std::min(top, i / row_size);
    bottom = std::max(bottom, i / row_size + 1);
  }
  return {left, top, right - left, bottom - top};
}

GstVideoInfo grey_info(int w, int h) {
  return video_info(GST_VIDEO_FORMAT_GRAY8, static_cast<guint>(w), static_cast<guint>(h));
}

/// What comes out behind the elements when the frame goes in.
GstBuffer* play(const std::string& elements, const char* tag, GstBuffer* frame, int w, int h) {
  GstHarness* harness = gst_harness_new_parse(elements.c_str());
  gst_harness_set_src_caps_str(harness, caps_text(GST_VIDEO_FORMAT_GRAY8, w, h).c_str());
  gst_harness_push_event(harness,
                         gst_event_new_tag(gst_tag_list_new(GST_TAG_IMAGE_ORIENTATION, tag, nullptr)));
  GstBuffer* out = gst_harness_push_and_pull(harness, frame);
  EXPECT_NE(out, nullptr);
  gst_harness_teardown(harness);
  return out;
}

class Orientations : public testing::TestWithParam<Case> {
 protected:
  int stored_width() const { return GetParam().swaps ? height : width; }
  int stored_height() const { return GetParam().swaps ? width : height; }
  /// The picture as a camera that was held that way stores it.
  GstBuffer* stored(GstBuffer* upright) const {
    return play(std::string("videoflip video-direction=") + GetParam().inverse, "rotate-0", upright, width,
                height);
  }
  const Box box_{150, 120, 90, 60};
  const GstVideoInfo info_ = grey_info(width, height);
};

INSTANTIATE_TEST_SUITE_P(Eight, Orientations, testing::ValuesIn(cases), [](const auto& test) {
  std::string name = test.param.tag;
  std::erase(name, '-');
  return name;
});

TEST_P(Orientations, TheCaptionIsUprightAndTheRegionWhereItIs) {
  GstBuffer* frame = stored(upright_picture(info_, box_));
  const Box box = find_white(frame, static_cast<guint>(stored_width()));
  add_classification_meta(frame, flowers());
  gst_buffer_add_video_region_of_interest_meta(frame, "face", box.left, box.top, box.width, box.height);
  add_region_result(frame, 0, {"camera 1", "flowers.pth", 0, {{2, "roses", 0.5}}});
  GstBuffer* out = play("resnetoverlay ! videoflip video-direction=auto", GetParam().tag, frame,
                        stored_width(), stored_height());

  GstBuffer* expected = upright_picture(info_, box_);
  add_classification_meta(expected, flowers());
  gst_buffer_add_video_region_of_interest_meta(expected, "face", box_.left, box_.top, box_.width,
                                               box_.height);
  add_region_result(expected, 0, {"camera 1", "flowers.pth", 0, {{2, "roses", 0.5}}});
  expected = play("resnetoverlay", "rotate-0", expected, width, height);
  EXPECT_TRUE(bytes_of(out) == bytes_of(expected));
  gst_buffer_unref(out);
  gst_buffer_unref(expected);
}

TEST_P(Orientations, TheClassifyingElementsOwnCaptionIsUprightToo) {
  GstBuffer* frame = stored(upright_picture(info_, box_));
  GstBuffer* out = play(
      "resnetclassify precision=fp32 model=" + test_model().string() + " ! videoflip video-direction=auto",
      GetParam().tag, frame, stored_width(), stored_height());
  const auto result = read_classification_meta(out);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->drawn);

  OverlayContent content;
  caption_lines(*result, content.lines);
  GstBuffer* expected = upright_picture(info_, box_);
  Overlay overlay;
  overlay.set_format(info_, false);
  EXPECT_TRUE(overlay.draw(expected, content));
  EXPECT_TRUE(bytes_of(out) == bytes_of(expected));
  gst_buffer_unref(out);
  gst_buffer_unref(expected);
}

// What turns the pixels need not turn what is attached.
TEST(Orientation, TurnedFramesAreBlendedAlsoWhereDownstreamRenders) {
  const GstVideoInfo info = grey_info(width, height);
  Overlay overlay;
  overlay.set_format(info, true);
  const auto attached = [&](const char* tag) {
    GstEvent* event = tag == nullptr
                          ? gst_event_new_stream_start("another")
                          : gst_event_new_tag(gst_tag_list_new(GST_TAG_IMAGE_ORIENTATION, tag, nullptr));
    overlay.follow(event);
    gst_event_unref(event);
    GstBuffer* frame = new_frame(info, 200);
    EXPECT_TRUE(overlay.draw(frame, {{{"tulips", 0.5}}, {}}));
    const bool result = gst_buffer_get_video_overlay_composition_meta(frame) != nullptr;
    gst_buffer_unref(frame);
    return result;
  };
  EXPECT_TRUE(attached("rotate-0"));
  EXPECT_FALSE(attached("rotate-90"));
  EXPECT_TRUE(attached(nullptr)) << "a new stream is upright";
}

TEST(Orientation, ATagBetweenFramesTurnsTheSameCaption) {
  const GstVideoInfo info = grey_info(width, height);
  Overlay overlay;
  overlay.set_format(info, false);
  std::vector<std::string> pictures;
  for (const char* tag : {"rotate-0", "rotate-180"}) {
    GstEvent* event = gst_event_new_tag(gst_tag_list_new(GST_TAG_IMAGE_ORIENTATION, tag, nullptr));
    overlay.follow(event);
    gst_event_unref(event);
    GstBuffer* frame = new_frame(info, 200);
    EXPECT_TRUE(overlay.draw(frame, {{{"tulips", 0.5}}, {}}));
    pictures.push_back(bytes_of(frame));
    gst_buffer_unref(frame);
  }
  std::reverse(pictures[1].begin(), pictures[1].end());
  EXPECT_TRUE(pictures[0] == pictures[1]);
}

}  // namespace
}  // namespace resnet
