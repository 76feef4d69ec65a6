// Preprocessors that streams share.
#include <gtest/gtest.h>

#include "model/preprocessor_pool.h"
#include "tests/model/frames.h"

namespace resnet {
namespace {

class Pool : public testing::Test {
 protected:
  /// @return whether it was ready for the picture
  bool use(const Image& image) {
    Preprocessor one = pool_.take(image);
    const bool ready = one.is_ready_for(image);
    one.run(image, pixels_.data());
    pool_.give_back(std::move(one));
    return ready;
  }

  PreprocessorPool pool_{Preprocessor(Preprocessing{}, TensorType::u8, TensorLayout::hwc)};
  std::vector<std::uint8_t> pixels_ = std::vector<std::uint8_t>(std::size_t{3} * 224 * 224);
  const Frame small_ = make_frame(PixelFormat::NV12, 320, 240, 1),
              rgb_ = make_frame(PixelFormat::RGB, 320, 240, 1),
              large_ = make_frame(PixelFormat::NV12, 640, 360, 1);
};

TEST_F(Pool, FindsAgainWhatHasThePicturesTables) {
  for (const Frame* frame : {&small_, &large_}) EXPECT_FALSE(use(frame->image));
  for (const Frame* frame : {&small_, &large_, &large_, &small_}) EXPECT_TRUE(use(frame->image));
  EXPECT_EQ(pool_.size(), 2U);
}

TEST_F(Pool, KeepsTwoForEachStream) {
  for (int i = 0; i < 3; ++i) {
    for (const Frame* frame : {&small_, &rgb_, &large_})
      EXPECT_FALSE(use(frame->image)) << "the oldest was taken";
  }
  EXPECT_EQ(pool_.size(), 2U);
  pool_.serve(2);
  EXPECT_FALSE(use(small_.image));
  for (const Frame* frame : {&small_, &rgb_, &large_}) EXPECT_TRUE(use(frame->image));
  EXPECT_EQ(pool_.size(), 3U);
  pool_.serve(1);
  EXPECT_EQ(pool_.size(), 2U);
}

TEST_F(Pool, HasOneForEachThatWorks) {
  std::vector<Preprocessor> taken;
  for (int i = 0; i < 5; ++i) taken.push_back(pool_.take(small_.image));
  for (Preprocessor& one : taken) {
    one.run(small_.image, pixels_.data());
    pool_.give_back(std::move(one));
  }
  taken.clear();
  for (int i = 0; i < 5; ++i) {
    taken.push_back(pool_.take(small_.image));
    EXPECT_TRUE(taken.back().is_ready_for(small_.image));
  }
}

}  // namespace
}  // namespace resnet
