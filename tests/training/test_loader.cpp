#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>

#include <gtest/gtest.h>

#include "model/error.h"
#include "training/loader.h"

namespace resnet {
namespace {

std::vector<std::size_t> numbers(std::size_t n) {
  std::vector<std::size_t> result(n);
  std::iota(result.begin(), result.end(), std::size_t{0});
  return result;
}

/// Samples of two bytes that hold their index; odd sleeps put the workers out of step.
SampleWriter index_writer() {
  return [](std::size_t index, std::uint8_t* out) {
    if (index % 7 == 3) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    out[0] = static_cast<std::uint8_t>(index);
    out[1] = static_cast<std::uint8_t>(index + 1);
  };
}

TEST(Loader, BatchesComeInOrderWhateverTheWorkers) {
  for (const int workers : {1, 2, 5}) {
    Loader loader(batches_of(numbers(53), 8), {workers, 3, 2}, index_writer);
    std::size_t expected = 0;
    std::size_t batches = 0;
    while (const auto batch = loader.next()) {
      ++batches;
      for (std::size_t i = 0; i < batch->indices.size(); ++i, ++expected) {
        ASSERT_EQ(batch->indices[i], expected);
        ASSERT_EQ(batch->bytes[2 * i], expected);
        ASSERT_EQ(batch->bytes[2 * i + 1], expected + 1);
      }
    }
    EXPECT_EQ(expected, 53U);
    EXPECT_EQ(batches, 7U);
    EXPECT_FALSE(loader.next());
  }
}

TEST(Loader, FailedSamplesAreLeftOutAndNamed) {
  Loader loader(batches_of(numbers(10), 4), {3, 2, 2}, []() -> SampleWriter {
    return [](std::size_t index, std::uint8_t* out) {
      if (index == 1 || index == 9) {
        throw Error(ErrorCode::format, "bad " + std::to_string(index));
      }
      out[0] = out[1] = static_cast<std::uint8_t>(index);
    };
  });
  const auto first = loader.next();
  EXPECT_EQ(first->indices, (std::vector<std::size_t>{0, 2, 3}));
  EXPECT_EQ(first->bytes, (std::vector<std::uint8_t>{0, 0, 2, 2, 3, 3}));
  ASSERT_EQ(first->failures.size(), 1U);
  EXPECT_EQ(first->failures[0], std::make_pair(std::size_t{1}, std::string("bad 1")));
  EXPECT_EQ(loader.next()->indices.size(), 4U);
  EXPECT_EQ(loader.next()->indices, (std::vector<std::size_t>{8}));
}

TEST(Loader, OtherExceptionsReachTheCaller) {
  Loader loader(batches_of(numbers(100), 4), {2, 2, 1}, []() -> SampleWriter {
    return [](std::size_t index, std::uint8_t*) {
      if (index == 5) {
        throw std::runtime_error("broken");
      }
    };
  });
  EXPECT_THROW(
      {
        while (loader.next()) {
        }
      },
      std::runtime_error);
}

TEST(Loader, WorkersStayWithinThePrefetch) {
  std::atomic<std::size_t> made{0};
  Loader loader(batches_of(numbers(1000), 10), {4, 2, 1},
                [&]() -> SampleWriter { return [&](std::size_t, std::uint8_t*) { ++made; }; });
  loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LE(made.load(), 30U);
}

TEST(Loader, MayBeDroppedHalfway) {
  Loader loader(batches_of(numbers(1000), 10), {4, 3, 2}, index_writer);
  loader.next();
}

TEST(Loader, NothingToLoad) {
  Loader loader({}, {2, 2, 1}, index_writer);
  EXPECT_FALSE(loader.next());
}

TEST(Loader, BatchesMayHaveAnyLength) {
  Loader loader({{}, {4, 2}, {}, {7}, {}}, {2, 2, 2}, index_writer);
  std::vector<std::size_t> sizes;
  while (const auto batch = loader.next()) sizes.push_back(batch->indices.size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 2, 0, 1, 0}));
}

TEST(Batches, SharesAreNeighboursOfTheBatchAndTakeAllOfIt) {
  const Batches batches = batches_of(numbers(23), 8);
  ASSERT_EQ(batches.size(), 3U);
  for (const std::size_t count : {1U, 2U, 3U, 5U}) {
    for (std::size_t b = 0; b < batches.size(); ++b) {
      std::vector<std::size_t> together;
      for (std::size_t i = 0; i < count; ++i) {
        const std::vector<std::size_t> part = share_of(batches, {i, count}, 1).at(b);
        EXPECT_NEAR(static_cast<double>(part.size()),
                    static_cast<double>(batches[b].size()) / static_cast<double>(count), 1);
        together.insert(together.end(), part.begin(), part.end());
      }
      EXPECT_EQ(together, batches[b]);
    }
  }
}

TEST(Batches, NoShareIsSmallerThanTheLeast) {
  const Batches batches = batches_of(numbers(13), 8);  // of 8 and 5
  EXPECT_EQ(share_of(batches, {0, 4}, 2), (Batches{{0, 1}, {8, 9}}));
  EXPECT_EQ(share_of(batches, {1, 4}, 2), (Batches{{2, 3}, {10, 11, 12}}));
  EXPECT_EQ(share_of(batches, {2, 4}, 2), (Batches{{4, 5}, {}}));
  EXPECT_EQ(share_of({{3}}, {0, 2}, 2), (Batches{{3}}));
}

TEST(Batches, APartIsLedByThePictureBeforeItRoundTheBatch) {
  const Batches batches = batches_of(numbers(11), 8);  // of 8 and 3
  EXPECT_EQ(share_of(batches, {0, 2}, 2, 1), (Batches{{7, 0, 1, 2, 3}, {8, 9, 10}}));
  EXPECT_EQ(share_of(batches, {1, 2}, 2, 1), (Batches{{3, 4, 5, 6, 7}, {}}));
  EXPECT_EQ(share_of(batches, {0, 1}, 2, 1), batches);
}

}  // namespace
}  // namespace resnet
