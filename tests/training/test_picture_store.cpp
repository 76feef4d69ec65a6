#include <gtest/gtest.h>

#include "model/error.h"
#include "tests/temporary_folder.h"
#include "tests/training/coloured_pictures.h"
#include "training/picture_store.h"

namespace resnet {
namespace {

/// Three pictures of 40×36 pixels, 4320 bytes each.
class Store : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      samples_.push_back({folder_ / (std::to_string(i) + ".png"), 0});
      write_picture(samples_.back().path, {10.0 * i, 20, 30}, i);
    }
  }

  PictureStore store(std::ptrdiff_t memory, std::ptrdiff_t disk = 0) const {
    return {samples_, 0, false, std::make_shared<PictureCache>(memory, disk)};
  }

  /// How many of the pictures can still be had when their files are gone, unchanged.
  static int kept(PictureStore& store) {
    std::vector<std::vector<std::uint8_t>> first;
    for (std::size_t i = 0; i < store.samples().size(); ++i) first.push_back(store.get(i)->pixels);
    int count = 0;
    for (std::size_t i = 0; i < store.samples().size(); ++i) {
      std::filesystem::remove(store.samples()[i].path);
      try {
        const auto again = store.get(i);
        EXPECT_EQ(again->width, 40);
        EXPECT_EQ(again->pixels, first[i]);
        ++count;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::not_found);
      }
    }
    return count;
  }

  TemporaryFolder folder_;
  std::vector<Sample> samples_;
};

TEST_F(Store, KeepsWhatThereIsMemoryFor) {
  PictureStore all = store(3 * 4320);
  EXPECT_EQ(kept(all), 3);
}

TEST_F(Store, ReadsAgainWhatThereIsNoRoomFor) {
  PictureStore some = store(2 * 4320 + 4319);
  EXPECT_EQ(kept(some), 2);
}

TEST_F(Store, PutsOnDiskWhatThereIsNoMemoryFor) {
  PictureStore some = store(4320, 4320);
  EXPECT_EQ(kept(some), 2);
}

TEST_F(Store, AFileOnDiskIsSeenByNobody) {
  const TemporaryFolder folder;
  setenv("TMPDIR", folder.path().c_str(), 1);
  PictureStore disk = store(0, 3 * 4320);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_EQ(kept(disk), 3);
  setenv("TMPDIR", (folder / "missing").c_str(), 1);
  EXPECT_THROW(store(0, 1), Error);
  unsetenv("TMPDIR");
}

TEST_F(Store, AFullDiskIsNoError) {
  setenv("TMPDIR", "/dev/shm", 1);
  PictureCache cache(0, 100);
  unsetenv("TMPDIR");
  EXPECT_TRUE(cache.write(std::vector<std::uint8_t>(60)).has_value());
  EXPECT_FALSE(cache.write(std::vector<std::uint8_t>(60)).has_value());
  EXPECT_TRUE(cache.write(std::vector<std::uint8_t>(40)).has_value());
}

}  // namespace
}  // namespace resnet
