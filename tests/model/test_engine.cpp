// The batching of the engine, over an executor whose runs the test holds back.
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "model/batching_engine.h"

namespace resnet {
namespace {

constexpr int size = 4;

/// Says class 1 to white pictures and class 0 to black ones, when the gate is open.
class GatedExecutor final : public Executor {
 public:
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = true;
    int permits = 0;  // runs that go on though it is closed
    bool fails = false;
    bool diverges = false;
    bool occupies_all_cores = false;
    bool makes_no_pictures = false;
    bool helps = false;
    Meanwhile meanwhile;       // the engine's, where the network's threads help
    std::vector<int> batches;  // the sizes of those that ran
    int entered = 0;

    void set(bool is_open) {
      const std::lock_guard lock(mutex);
      open = is_open;
      changed.notify_all();
    }
    void let_one_through() {
      const std::lock_guard lock(mutex);
      ++permits;
      changed.notify_all();
    }
    void wait_until_entered(int count) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return entered >= count; });
    }
    std::vector<int> ran() {
      const std::lock_guard lock(mutex);
      return batches;
    }
  };

  explicit GatedExecutor(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  at::Tensor make_input(int n, int side) const override { return at::empty({n, 3, side, side}, at::kFloat); }
  bool occupies_all_cores() const override { return gate_->occupies_all_cores; }
  bool set_meanwhile(const Meanwhile& meanwhile) override {
    if (gate_->helps) gate_->meanwhile = meanwhile;
    return gate_->helps;
  }
  NetworkOutput make_and_run(const at::Tensor& input, const MakePicture& make_picture) override {
    return gate_->makes_no_pictures ? run(input) : Executor::make_and_run(input, make_picture);
  }
  NetworkOutput run(const at::Tensor& input) override {
    const auto n = input.size(0);
    {
      std::unique_lock lock(gate_->mutex);
      ++gate_->entered;
      gate_->changed.notify_all();
      gate_->changed.wait(lock, [&] { return gate_->open || gate_->permits > 0; });
      if (!gate_->open) --gate_->permits;
      gate_->batches.push_back(static_cast<int>(n));
      if (gate_->fails) throw Error(ErrorCode::device, "out of memory");
    }
    const at::Tensor mean = input.mean(at::IntArrayRef{1, 2, 3});
    at::Tensor logits = at::zeros({n, 2}, at::kFloat);
    logits.select(1, 1).copy_(mean * (gate_->diverges ? std::numeric_limits<float>::quiet_NaN() : 10));
    return {logits, mean.unsqueeze(1)};
  }
  std::string description() const override { return "test"; }
  Precision precision() const override { return Precision::fp32; }

 private:
  std::shared_ptr<Gate> gate_;
};

using State = EngineRequest::State;
using Request = std::shared_ptr<EngineRequest>;

class Listener final : public EngineListener {
 public:
  void results_ready() noexcept override { ++told; }
  std::atomic<int> told{0};
};

class BatchingEngineTest : public testing::Test {
 protected:
  BatchingEngineTest() { make_engine(1); }
  void make_engine(double temperature) {
    ModelInfo info;
    info.temperature = temperature;
    info.classes = {"black", "white"};
    info.preprocessing.resize_size = info.preprocessing.crop_size = size;
    engine_ = std::make_unique<BatchingEngine>(std::make_unique<GatedExecutor>(gate_), info, 2, "test.pth",
                                               std::vector<std::string>{});
  }
  std::unique_ptr<EngineStream> open(EngineListener& listener, int batch_size) {
    EngineError error;
    std::unique_ptr<EngineStream> stream =
        engine_->open_stream({.labels_file = {}, .batch_size = batch_size}, listener, error);
    EXPECT_TRUE(stream) << error.message;
    return stream;
  }
  static Request submit(EngineStream& stream, bool white = false, bool patient = false) {
    const std::vector<std::uint8_t> pixels(size * size * 3, white ? 255 : 0);
    Request request = std::make_shared<EngineRequest>();
    EXPECT_TRUE(stream.submit(image_of(pixels), request, {.patient = patient}));
    return request;
  }
  /// A picture that is kept until the engine lets go of it.
  static Request submit_kept(EngineStream& stream, const Image& image,
                             const std::shared_ptr<const void>& pixels) {
    Request request = std::make_shared<EngineRequest>();
    EXPECT_TRUE(stream.submit(image, request, {.pixels = pixels}));
    return request;
  }
  /// Nothing: refused.
  static Request try_to_submit(EngineStream& stream) {
    const std::vector<std::uint8_t> pixels(size * size * 3, 0);
    Request request = std::make_shared<EngineRequest>();
    return stream.submit(image_of(pixels), request, {.wait = false}) ? request : nullptr;
  }
  static Image image_of(const std::vector<std::uint8_t>& pixels) {
    Image image;
    image.width = image.height = size;
    image.planes[0] = {pixels.data(), std::ptrdiff_t{3} * size};
    return image;
  }
  static void wait_for(const Request& request) {
    while (request->state != State::done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  std::shared_ptr<GatedExecutor::Gate> gate_ = std::make_shared<GatedExecutor::Gate>();
  std::unique_ptr<BatchingEngine> engine_;
};

// Where other threads would keep the network's waiting.
TEST_F(BatchingEngineTest, PicturesThatAreKeptAreReadWhenTheirBatchRuns) {
  gate_->occupies_all_cores = true;
  make_engine(1);
  Listener listener;
  const auto stream = open(listener, 2);
  gate_->set(false);
  using Pixels = std::vector<std::uint8_t>;
  const auto white = [] { return std::make_shared<Pixels>(size * size * 3, 255); };
  auto first = white(), second = white(), third = white();
  const std::weak_ptr<Pixels> read = first, waits = second, waits_too = third;
  std::vector<Request> requests{submit_kept(*stream, image_of(*first), first)};
  first.reset();
  gate_->wait_until_entered(1);
  EXPECT_TRUE(read.expired()) << "its batch runs";
  requests.push_back(submit_kept(*stream, image_of(*second), second));
  requests.push_back(submit_kept(*stream, image_of(*third), third));
  second.reset();
  third.reset();
  EXPECT_FALSE(waits.expired() || waits_too.expired());
  gate_->set(true);
  for (const Request& request : requests) {
    wait_for(request);
    EXPECT_GT(request->probabilities.at(1), 0.9);
    EXPECT_GT(request->conversion_time, 0U);
  }
  EXPECT_TRUE(waits.expired() && waits_too.expired());
  const Request bad = submit_kept(*stream, Image{}, white());
  wait_for(bad);
  EXPECT_EQ(bad->error.code, ErrorCode::unsupported);
}

TEST_F(BatchingEngineTest, PicturesThatAreKeptAreReadAtOnceWhereCoresAreFree) {
  Listener listener;
  const auto stream = open(listener, 1);
  gate_->set(false);
  std::vector<Request> requests;
  for (int i = 0; i < 2; ++i) {
    const auto pixels = std::make_shared<std::vector<std::uint8_t>>(size * size * 3, 255);
    requests.push_back(submit_kept(*stream, image_of(*pixels), pixels));
    EXPECT_EQ(pixels.use_count(), 1);
  }
  gate_->set(true);
  for (const Request& request : requests) {
    wait_for(request);
    EXPECT_GT(request->probabilities.at(1), 0.9);
  }
}

TEST_F(BatchingEngineTest, AStreamThatGoesKeepsNoPictures) {
  gate_->occupies_all_cores = true;
  make_engine(1);
  Listener listener;
  auto stream = open(listener, 2);
  const auto other = open(listener, 2);
  gate_->set(false);
  const Request running = submit(*other, true);
  gate_->wait_until_entered(1);
  auto pixels = std::make_shared<std::vector<std::uint8_t>>(size * size * 3, 255);
  submit_kept(*stream, image_of(*pixels), pixels);
  const Request beside = submit(*other, true);
  EXPECT_GT(pixels.use_count(), 1);
  stream.reset();
  EXPECT_EQ(pixels.use_count(), 1) << "while another batch runs";
  gate_->set(true);
  wait_for(running);
  wait_for(beside);
  EXPECT_GT(beside->probabilities.at(1), 0.9);
}

TEST_F(BatchingEngineTest, AStreamCanGoWhoseBatchFailsBeforeItsPicturesAreRead) {
  gate_->occupies_all_cores = gate_->makes_no_pictures = gate_->fails = true;
  make_engine(1);
  Listener listener;
  auto stream = open(listener, 1);
  gate_->set(false);
  const auto pixels = std::make_shared<std::vector<std::uint8_t>>(size * size * 3, 255);
  submit_kept(*stream, image_of(*pixels), pixels);
  gate_->wait_until_entered(1);
  std::thread leaving([&] { stream.reset(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it waits for the batch now
  gate_->set(true);
  leaving.join();
  EXPECT_EQ(listener.told, 0);
}

// Waking threads takes the one that does it longer than a step of the network.
TEST_F(BatchingEngineTest, TheNetworksThreadsTellWhileTheNextBatchRuns) {
  gate_->helps = true;
  make_engine(1);
  Listener listener, leaver;
  const auto stream = open(listener, 1);
  auto leaving = open(leaver, 1);
  gate_->set(false);
  std::vector<Request> requests{submit(*leaving)};
  gate_->wait_until_entered(1);
  requests.push_back(submit(*stream));
  gate_->let_one_through();
  gate_->wait_until_entered(2);
  leaving.reset();
  requests.push_back(submit(*stream));
  std::atomic<bool> submitted{false};
  Request last;
  std::thread submitting([&] {
    last = submit(*stream);
    submitted = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it waits for a place now
  gate_->let_one_through();
  gate_->wait_until_entered(3);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(requests[1]->state, State::done);
  EXPECT_EQ(listener.told, 0);
  EXPECT_FALSE(submitted);
  gate_->meanwhile();
  EXPECT_EQ(listener.told, 1);
  submitting.join();
  gate_->set(true);
  wait_for(last);
  while (listener.told < 2) std::this_thread::yield();  // nothing runs any more: the engine's own does it
  EXPECT_EQ(leaver.told, 0);
}

TEST_F(BatchingEngineTest, ProbabilitiesAreOfTheLogitsByTheTemperature) {
  const auto odds = [this](double temperature, std::optional<Activation> activation) {
    make_engine(temperature);
    Listener listener;
    EngineError error;
    const auto stream = engine_->open_stream({.labels_file = {}, .activation = activation}, listener, error);
    const Request request = submit(*stream);
    wait_for(request);
    const double p = request->probabilities[1];
    return std::log(p / (1 - p));
  };
  const double plain = odds(4, Activation::sigmoid);  // which has no temperature
  EXPECT_NEAR(odds(1, {}), plain, 1e-2);
  EXPECT_NEAR(odds(4, {}), plain / 4, 1e-3);
}

TEST_F(BatchingEngineTest, WhatWaitsWhileABatchRunsIsTheNextBatch) {
  Listener listener;
  const auto stream = open(listener, 8);
  gate_->set(false);
  std::vector<Request> requests{submit(*stream)};
  gate_->wait_until_entered(1);
  EXPECT_EQ(requests[0]->state, State::running);
  for (int i = 0; i < 3; ++i) requests.push_back(submit(*stream, true));
  EXPECT_EQ(requests[1]->state, State::waiting);
  gate_->set(true);
  for (const Request& request : requests) wait_for(request);
  EXPECT_EQ(gate_->ran(), (std::vector<int>{1, 3}));
  EXPECT_LT(requests[0]->probabilities.at(1), 0.5);
  EXPECT_GT(requests[3]->probabilities.at(1), 0.5);
  EXPECT_EQ(engine_->statistics().frames, 4u);
  EXPECT_EQ(engine_->statistics().batches, 2u);
}

TEST_F(BatchingEngineTest, EachStreamGetsWhatItAskedFor) {
  Listener a, b;
  EngineError error;
  const auto embedding =
      engine_->open_stream({.labels_file = {}, .classes = false, .features = true}, a, error);
  const auto labels = engine_->open_stream({.labels_file = {}, .activation = Activation::sigmoid}, b, error);
  ASSERT_TRUE(embedding && labels) << error.message;
  EXPECT_EQ(labels->activation(), Activation::sigmoid);
  EXPECT_EQ(embedding->activation(), Activation::softmax);
  const Request features = submit(*embedding, true), both = submit(*labels, true);
  wait_for(features);
  wait_for(both);
  EXPECT_TRUE(features->probabilities.empty());
  ASSERT_EQ(features->features.size(), 1u);
  EXPECT_NEAR(both->probabilities.at(0), 0.5, 1e-6) << "the sigmoid of 0, whatever the other class is";
  EXPECT_NEAR(both->probabilities.at(1), 1 / (1 + std::exp(-10 * features->features[0])), 1e-6);
  EXPECT_TRUE(both->features.empty());
}

TEST_F(BatchingEngineTest, StreamsShareBatches) {
  Listener a, b;
  const auto first = open(a, 4), second = open(b, 4);
  std::vector<Request> requests;
  for (int i = 0; i < 2; ++i) {
    requests.push_back(submit(*first, true, true));
    requests.push_back(submit(*second, false, true));
  }
  for (const Request& request : requests) wait_for(request);
  EXPECT_EQ(gate_->ran(), (std::vector<int>{4})) << "patient pictures wait until the batch is full";
  EXPECT_GT(requests[0]->probabilities.at(1), requests[1]->probabilities.at(1));
  while (a.told < 1 || b.told < 1) std::this_thread::yield();
  EXPECT_EQ(a.told, 1);
  EXPECT_EQ(b.told, 1);
}

TEST_F(BatchingEngineTest, AnImpatientPictureTakesThePatientAlong) {
  Listener listener;
  const auto stream = open(listener, 8);
  const Request patient = submit(*stream, false, true);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(patient->state, State::waiting);
  wait_for(submit(*stream));
  EXPECT_EQ(patient->state, State::done);
  EXPECT_EQ(gate_->ran(), std::vector<int>{2});
}

TEST_F(BatchingEngineTest, GoSendsOnlyOnesOwnBatch) {
  Listener a, b;
  const auto first = open(a, 8), second = open(b, 8);
  const Request request = submit(*first, false, true);
  second->go();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(request->state, State::waiting);
  first->go();
  wait_for(request);
}

TEST_F(BatchingEngineTest, AStreamThatLeavesIsNotTold) {
  Listener stays, leaves;
  const auto first = open(stays, 8);
  auto second = open(leaves, 8);
  gate_->set(false);
  const Request running = submit(*second);
  gate_->wait_until_entered(1);
  const Request mine = submit(*first, false, true), gone = submit(*second, false, true);
  second.reset();
  gate_->set(true);
  wait_for(mine);  // which was patient, but shall not wait with the picture of one who left
  EXPECT_EQ(leaves.told, 0);
}

TEST_F(BatchingEngineTest, ALargerBatchSizeComesWithItsStream) {
  Listener a, b;
  const auto first = open(a, 1);
  wait_for(submit(*first));
  {
    const auto second = open(b, 6);
    for (int i = 0; i < 2; ++i) wait_for(submit(*first));  // each of the two batches is empty once
    std::vector<Request> requests;
    for (int i = 0; i < 6; ++i) requests.push_back(submit(*second, false, true));
    for (const Request& request : requests) wait_for(request);
    EXPECT_EQ(gate_->ran().back(), 6);
  }
  wait_for(submit(*first, false, true));
  EXPECT_EQ(gate_->ran().back(), 1) << "and goes with it: a batch of one is full";
}

TEST_F(BatchingEngineTest, AFailedRunIsTheErrorOfItsPicturesOnly) {
  Listener listener;
  const auto stream = open(listener, 4);
  gate_->fails = true;
  const Request failed = submit(*stream);
  wait_for(failed);
  EXPECT_EQ(failed->error.code, ErrorCode::device);
  EXPECT_EQ(failed->error.message, "out of memory");
  gate_->fails = false;
  const Request next = submit(*stream);
  wait_for(next);
  EXPECT_FALSE(next->error) << next->error.message;
}

TEST_F(BatchingEngineTest, WhatIsNotFiniteIsAnError) {
  Listener listener;
  const auto stream = open(listener, 1);
  gate_->diverges = true;
  const Request request = submit(*stream, true);
  wait_for(request);
  EXPECT_EQ(request->error.code, ErrorCode::device);
  EXPECT_NE(request->error.message.find("not finite"), std::string::npos) << request->error.message;
}

TEST_F(BatchingEngineTest, APictureThatCannotBeConvertedSpoilsNoOther) {
  Listener listener;
  const auto stream = open(listener, 4);
  gate_->set(false);
  const Request first = submit(*stream);
  gate_->wait_until_entered(1);
  const Request bad = std::make_shared<EngineRequest>();
  EXPECT_TRUE(stream->submit(Image{}, bad, {}));
  const Request good = submit(*stream, true);
  gate_->set(true);
  wait_for(bad);
  wait_for(good);
  EXPECT_TRUE(bad->error);
  EXPECT_FALSE(good->error);
  EXPECT_GT(good->probabilities.at(1), 0.5);
}

TEST_F(BatchingEngineTest, AFastStreamDoesNotStarveASlowOne) {
  Listener a, b;
  const auto fast = open(a, 2), slow = open(b, 2);
  std::atomic<bool> stop{false};
  std::atomic<int> fast_count{0};
  std::thread hog([&] {
    while (!stop) {
      submit(*fast);
      ++fast_count;
    }
  });
  int slow_count = 0;
  while (slow_count < 200) {
    submit(*slow);
    ++slow_count;
  }
  stop = true;
  hog.join();
  EXPECT_LT(fast_count, 200 * 50);
}

TEST_F(BatchingEngineTest, WhoIsRefusedHasAPlaceInTheLine) {
  Listener listener;
  const auto a = open(listener, 1), b = open(listener, 1), c = open(listener, 1), d = open(listener, 1);
  gate_->set(false);
  std::vector<Request> taken{submit(*a)};
  gate_->wait_until_entered(1);
  taken.push_back(try_to_submit(*b));
  ASSERT_TRUE(taken.back()) << "one runs, and the next batch is empty";
  EXPECT_FALSE(try_to_submit(*c)) << "it is full";
  EXPECT_FALSE(try_to_submit(*d));
  gate_->let_one_through();
  gate_->wait_until_entered(2);
  EXPECT_FALSE(try_to_submit(*d)) << "c was there before";
  taken.push_back(try_to_submit(*c));
  ASSERT_TRUE(taken.back());
  EXPECT_FALSE(try_to_submit(*d));
  gate_->set(true);
  for (const Request& request : taken) wait_for(request);
}

TEST_F(BatchingEngineTest, TheNetworkDoesNotIdleForWhoWasRefused) {
  Listener listener;
  const auto a = open(listener, 1), b = open(listener, 1), gone = open(listener, 1);
  gate_->set(false);
  const Request first = submit(*a);
  gate_->wait_until_entered(1);
  const Request second = submit(*b);
  EXPECT_FALSE(try_to_submit(*gone)) << "and it does not come again";
  gate_->set(true);
  wait_for(second);
  wait_for(submit(*a));
  Request third;
  while (!(third = try_to_submit(*b))) std::this_thread::yield();
  wait_for(third);
}

TEST_F(BatchingEngineTest, ARefusedPictureIsNotTheLast) {
  Listener listener;
  const auto stream = open(listener, 1);
  const std::vector<std::uint8_t> pixels(size * size * 3, 0);
  gate_->set(false);
  const Request running = submit(*stream);
  gate_->wait_until_entered(1);
  const Request waiting = submit(*stream);
  EXPECT_FALSE(stream->is_like_the_last(image_of(pixels), 0));
  EXPECT_FALSE(try_to_submit(*stream));
  EXPECT_FALSE(stream->is_like_the_last(image_of(pixels), 0)) << "the picture was not classified";
  gate_->set(true);
  wait_for(waiting);
}

TEST_F(BatchingEngineTest, LikeTheLastMeansTheLastThatWasNot) {
  Listener listener;
  const auto stream = open(listener, 1);
  std::vector<std::uint8_t> pixels(size * size * 3, 100);
  const Image image = image_of(pixels);
  EXPECT_FALSE(stream->is_like_the_last(image, 0)) << "there is none";
  EXPECT_TRUE(stream->is_like_the_last(image, 0));
  pixels[0] = 148;  // one of 48 bytes: a step on average
  EXPECT_TRUE(stream->is_like_the_last(image, 1.01));
  EXPECT_FALSE(stream->is_like_the_last(image, 0));
  EXPECT_TRUE(stream->is_like_the_last(image, 0));
}

TEST_F(BatchingEngineTest, LabelsAreTheStreamsOwn) {
  Listener listener;
  EngineError error;
  EXPECT_FALSE(engine_->open_stream({.labels_file = "/nonexistent.json", .batch_size = 1}, listener, error));
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_EQ(open(listener, 1)->classes(), (std::vector<std::string>{"black", "white"}));
}

}  // namespace
}  // namespace resnet
