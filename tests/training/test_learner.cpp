#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/error.h"
#include "model/resnet.h"
#include "tests/model/small_network.h"
#include "training/learner.h"
#include "training/random.h"

namespace resnet {
namespace {

constexpr int side = 32;
const ProcessGroup alone;

ResNet seeded_network() {
  at::manual_seed(5);
  return make_network(small_basic(), 3);
}

LabelledPixels random_batch(std::size_t n, std::uint64_t seed) {
  Random random(seed, 0, 0);
  LabelledPixels batch;
  batch.size = side;
  batch.bytes.resize(n * side * side * 3);
  for (std::uint8_t& byte : batch.bytes) byte = static_cast<std::uint8_t>(random.next());
  for (std::size_t i = 0; i < n; ++i) batch.labels.push_back(static_cast<std::int64_t>(i % 3));
  return batch;
}

Recipe small_recipe() {
  Recipe recipe;
  recipe.optimizer = "sgd";
  recipe.lr = 0.05;
  recipe.momentum = 0;
  recipe.nesterov = false;
  recipe.batch_size = 8;
  recipe.image_size = side;
  return recipe;
}

/// The network after some steps with other batches each.
ResNet trained(const Recipe& recipe, int steps = 1, const std::vector<float>& class_weights = {}) {
  Learner learner(recipe, Preprocessing{}, seeded_network(), class_weights, "cpu", 2, alone);
  for (int i = 0; i < steps; ++i) {
    LabelledPixels batch = random_batch(8, static_cast<std::uint64_t>(i));
    learner.train(batch, 8, recipe.lr);
  }
  return learner.network();
}

/// The greatest difference between tensors of that name's beginning.
double difference(const ResNet& a, const ResNet& b, const std::string& prefix = "") {
  double most = 0;
  const NamedTensors first = a->state_dict(), second = b->state_dict();
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (!first[i].first.starts_with(prefix) || !first[i].second.is_floating_point()) continue;
    most = std::max(most, (first[i].second - second[i].second).abs().max().item<double>());
  }
  return most;
}

TEST(Learner, SlicesOneAfterAnotherGiveWhatPartsAtTheSameTimeDo) {
  Recipe parts = small_recipe();
  parts.norm_batch = 4;
  Recipe slices = small_recipe();
  slices.accumulate = 2;
  const ResNet start = seeded_network(), a = trained(parts), b = trained(slices);
  EXPECT_GT(difference(a, start, "layer"), 1e-3);
  for (const auto& item : a->named_parameters()) {
    EXPECT_TRUE(at::allclose(item.value(), b->named_parameters()[item.key()], 1e-4, 1e-6)) << item.key();
  }
}

TEST(Learner, ClippedGradientsMoveTheWeightsBySoMuchAtMost) {
  Recipe recipe = small_recipe();
  recipe.clip_norm = 0.01;
  const ResNet start = seeded_network(), end = trained(recipe);
  double squares = 0;
  for (const auto& item : start->named_parameters())
    squares += (item.value() - end->named_parameters()[item.key()]).square().sum().item<double>();
  EXPECT_NEAR(std::sqrt(squares), recipe.lr * recipe.clip_norm, 1e-6);
  recipe.clip_norm = 1e6;
  EXPECT_EQ(difference(trained(recipe), trained(small_recipe())), 0);
}

TEST(Learner, SharpnessAwareStepsGoByTheGradientsUphill) {
  Recipe recipe = small_recipe();
  recipe.clip_norm = 0.01;  // less than the gradient's, so that a step is in its direction, lr·0.01 long
  recipe.lr = 10;
  const ResNet start = seeded_network(), short_step = trained(recipe), uphill = seeded_network();
  for (const auto& item : uphill->named_parameters()) {
    const at::Tensor step = short_step->named_parameters()[item.key()] - item.value();
    const torch::NoGradGuard no_grad;
    item.value().sub_(step, 0.05 / (recipe.lr * recipe.clip_norm));
  }
  Learner there(small_recipe(), Preprocessing{}, uphill, {}, "cpu", 2, alone);
  LabelledPixels batch = random_batch(8, 0);
  there.train(batch, 8, small_recipe().lr);

  recipe = small_recipe();
  recipe.sam = 0.05;
  const ResNet found = trained(recipe), downhill = trained(small_recipe());
  EXPECT_GT(difference(found, downhill, "layer"), 1e-3);
  for (const auto& item : found->named_parameters()) {
    const std::string& name = item.key();
    const at::Tensor moved = there.network()->named_parameters()[name] - uphill->named_parameters()[name];
    const at::Tensor expected = start->named_parameters()[name] + moved;
    EXPECT_TRUE(at::allclose(item.value(), expected, 1e-3, 1e-4)) << name;
  }
  // What batch norms have seen is of the weights themselves.
  for (const auto& item : found->named_buffers()) {
    EXPECT_TRUE(!item.value().is_floating_point() ||
                at::equal(item.value(), downhill->named_buffers()[item.key()]))
        << item.key();
  }
}

TEST(Learner, TheMovingMeanIsWhatIsSaved) {
  Recipe recipe = small_recipe();
  recipe.ema = 0.9;
  const ResNet start = seeded_network(), without = trained(small_recipe()), with = trained(recipe);
  // After one step 2/11 of the start is left, also of the statistics.
  const NamedTensors first = start->state_dict(), last = without->state_dict(), mean = with->state_dict();
  for (std::size_t i = 0; i < mean.size(); ++i) {
    if (!mean[i].second.is_floating_point()) continue;
    const at::Tensor expected = first[i].second * (2.0 / 11) + last[i].second * (9.0 / 11);
    EXPECT_TRUE(at::allclose(mean[i].second, expected, 1e-4, 1e-6)) << mean[i].first;
  }
}

TEST(Learner, FrozenStagesStayAsTheyAre) {
  Recipe recipe = small_recipe();
  recipe.freeze = 3;
  recipe.norm_batch = 4;
  const ResNet start = seeded_network(), end = trained(recipe, 2);
  for (const char* prefix : {"conv1", "bn1", "layer1", "layer2"})
    EXPECT_EQ(difference(start, end, prefix), 0);
  for (const char* prefix : {"layer3", "layer4", "fc"}) EXPECT_GT(difference(start, end, prefix), 1e-4);
}

TEST(Learner, TheBodyLearnsAtARateOfItsOwn) {
  Recipe recipe = small_recipe();
  recipe.body_lr = 0.1;
  const ResNet start = seeded_network(), whole = trained(small_recipe()), slow = trained(recipe);
  EXPECT_NEAR(difference(start, slow, "conv1"), difference(start, whole, "conv1") / 10, 1e-6);
  EXPECT_EQ(difference(whole, slow, "fc"), 0);
}

TEST(Learner, AClassThatWeighsNothingTeachesNothing) {
  const ResNet start = seeded_network();
  const ResNet end = trained(small_recipe(), 1, {0, 0, 0});
  EXPECT_LE(difference(start, end, "fc"), 0);
  // Twice the weights are twice the gradient.
  const ResNet once = trained(small_recipe()), twice = trained(small_recipe(), 1, {2, 2, 2});
  EXPECT_NEAR(difference(start, twice, "fc"), 2 * difference(start, once, "fc"), 1e-6);
}

TEST(Learner, ASecondLabelTakesItsPartOfTheLoss) {
  const auto loss = [](double weight) {
    Learner learner(small_recipe(), Preprocessing{}, seeded_network(), {}, "cpu", 1, alone);
    LabelledPixels batch = random_batch(8, 1);
    batch.second_labels = batch.labels;
    std::rotate(batch.second_labels.begin(), batch.second_labels.begin() + 1, batch.second_labels.end());
    batch.second_weight = weight;
    return learner.train(batch, 8, 0).loss;
  };
  EXPECT_GT(std::abs(loss(1) - loss(0)), 0.01);
  EXPECT_NEAR(loss(0.25), 0.75 * loss(0) + 0.25 * loss(1), 1e-5);
}

TEST(Learner, ALoadedStateGoesOnBitForBit) {
  Recipe recipe = small_recipe();
  recipe.momentum = 0.9;
  recipe.ema = 0.9;
  recipe.norm_batch = 4;
  for (const std::string optimizer : {"sgd", "adam", "adamw"}) {
    recipe.optimizer = optimizer;
    Learner whole(recipe, Preprocessing{}, seeded_network(), {}, "cpu", 2, alone);
    Learner resumed(recipe, Preprocessing{}, make_network(small_basic(), 3), {}, "cpu", 1, alone);
    for (std::uint64_t i = 0; i < 4; ++i) {
      if (i == 2) resumed.load_state(whole.state(), "the state");
      LabelledPixels batch = random_batch(8, i), same = random_batch(8, i);
      whole.train(batch, 8, 0.01);
      if (i >= 2) resumed.train(same, 8, 0.01);
    }
    EXPECT_EQ(difference(whole.network(), resumed.network()), 0) << optimizer;
  }
}

TEST(Learner, AStateOfAnotherRecipeIsRefused) {
  Recipe recipe = small_recipe();
  Learner plain(recipe, Preprocessing{}, seeded_network(), {}, "cpu", 1, alone);
  Recipe with_mean = recipe;
  with_mean.ema = 0.9;
  Learner other(with_mean, Preprocessing{}, seeded_network(), {}, "cpu", 1, alone);
  try {
    other.load_state(plain.state(), "x.last.safetensors");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("x.last.safetensors has no fitting"), std::string::npos);
  }
}

}  // namespace
}  // namespace resnet
