// What resnetclassify says of a frame: classes of a multi-label model, features.
#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>

#include "model/executor.h"
#include "model/model_file.h"
#include "model/preprocess.h"
#include "plugin/frame_image.h"
#include "plugin/gstresnetmeta.h"
#include "plugin/region_results.h"
#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

class ClassifyResults : public ResnetClassify {
 protected:
  Classification classify(GstBuffer* in) {
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    EXPECT_NE(out, nullptr);
    if (out == nullptr) return {};
    const std::optional<Classification> result = read_classification_meta(out);
    gst_buffer_unref(out);
    EXPECT_TRUE(result);
    return result.value_or(Classification{});
  }
  /// What the reference says to a frame.
  NetworkOutput expected(GstBuffer* frame) {
    GstVideoFrame mapped;
    EXPECT_TRUE(gst_video_frame_map(&mapped, &info_, frame, GST_MAP_READ));
    const auto executor = make_reference_executor(test_network());
    const at::Tensor input = executor->make_input(1, 32);
    Preprocessor(Preprocessing::for_image_size(32), TensorType::fp32, TensorLayout::chw)
        .run(frame_image(mapped), input.data_ptr());
    gst_video_frame_unmap(&mapped);
    return executor->run(input);
  }
  static std::vector<float> floats(const Classification& result) {
    return read_features(result.features.get());
  }
  /// The tests' network as a file that says what is to be said of it.
  std::string model_with(const ModelInfo& wanted, const ResNet& network = test_network()) {
    ModelInfo info = wanted;
    info.preprocessing = Preprocessing::for_image_size(32);
    const std::filesystem::path path = folder_ / "m.safetensors";
    save_model(path, network, info);
    return path.string();
  }

  TemporaryFolder folder_;
};

TEST_F(ClassifyResults, AMultiLabelModelNamesEachClassThatIsThere) {
  ModelInfo info;
  info.classes = test_classes;
  info.activation = Activation::sigmoid;
  open({{"model", model_with(info)}});
  std::size_t most = 0, fewest = test_classes.size();
  for (int i = 0; i < 20; ++i) {
    GstBuffer* in = frame(i);
    const at::Tensor logits = expected(in).logits;
    const Classification result = classify(in);
    std::size_t there = 0;
    for (int id = 0; id < static_cast<int>(test_classes.size()); ++id) {
      const double probability = 1 / (1 + std::exp(-logits[0][id].item<double>()));
      const auto found = std::find_if(result.scores.begin(), result.scores.end(),
                                      [id](const ClassScore& score) { return score.id == id; });
      if (std::abs(probability - 0.5) < 1e-4) continue;
      EXPECT_EQ(found != result.scores.end(), probability >= 0.5) << id;
      if (found == result.scores.end()) continue;
      EXPECT_NEAR(found->probability, probability, 1e-4);
      ++there;
    }
    most = std::max(most, there);
    fewest = std::min(fewest, there);
  }
  EXPECT_GT(most, 1u) << "the frames must have several classes";
}

TEST_F(ClassifyResults, TheElementMayKnowBetterThanTheFileWhatTheModelIs) {
  open({{"activation", "sigmoid"}, {"top-k", "5"}, {"threshold", "0"}});
  double sum = 0;
  for (const ClassScore& score : classify(frame(0)).scores) sum += score.probability;
  EXPECT_GT(std::abs(sum - 1), 1e-3);
  TearDown();
  ModelInfo info;
  info.activation = Activation::sigmoid;
  open({{"model", model_with(info)}, {"activation", "softmax"}, {"top-k", "5"}});
  sum = 0;
  for (const ClassScore& score : classify(frame(0)).scores) sum += score.probability;
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST_F(ClassifyResults, TheModelFilesTemperatureMakesTheProbabilities) {
  ModelInfo info;
  info.classes = test_classes;
  info.temperature = 0.25;
  open({{"model", model_with(info)}, {"top-k", "5"}});
  GstBuffer* in = frame(0);
  const at::Tensor logits = expected(in).logits[0].to(at::kDouble);
  const Classification result = classify(in);
  ASSERT_EQ(result.scores.size(), test_classes.size());
  const at::Tensor probabilities = (logits * 4).softmax(0);
  EXPECT_GT((probabilities - logits.softmax(0)).abs().max().item<double>(), 0.01);
  for (const ClassScore& score : result.scores) {
    EXPECT_NEAR(score.probability, probabilities[score.id].item<double>(), 1e-4);
  }
}

TEST_F(ClassifyResults, TheModelFilesThresholdIsTheDefault) {
  ModelInfo info;
  info.classes = test_classes;
  open({{"model", model_with(info)}});
  const double first = classify(frame(0)).scores.front().probability;
  for (const bool above : {false, true}) {
    TearDown();
    info.threshold = first + (above ? 0.01 : -0.01);
    open({{"model", model_with(info)}});
    const Classification result = classify(frame(0));
    EXPECT_TRUE(result.has_classes);
    EXPECT_EQ(result.scores.empty(), above) << "none of these";
  }
  g_object_set(element(), "threshold", 0.0, nullptr);
  EXPECT_EQ(classify(frame(0)).scores.size(), 1u) << "the element may know better";
}

TEST_F(ClassifyResults, FeaturesAreWhatTheHeadSees) {
  open({{"output", "classes+features"}});
  GstBuffer* in = frame(0);
  const at::Tensor features = expected(in).features;
  const Classification result = classify(in);
  EXPECT_EQ(result.scores.size(), 1u);
  ASSERT_TRUE(result.features);
  const std::vector<float> found = floats(result);
  ASSERT_EQ(found.size(), static_cast<std::size_t>(test_architecture.features()));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], features[0][static_cast<std::int64_t>(i)].item<float>(), 1e-4);
  }
}

TEST_F(ClassifyResults, FeaturesAloneHaveNoClasses) {
  open({{"output", "features"}, {"overlay", "true"}, {"inference-interval", "2"}});
  const Classification first = classify(frame(0)), second = classify(frame(1)), third = classify(frame(2));
  EXPECT_FALSE(first.has_classes);
  EXPECT_FALSE(first.drawn);
  ASSERT_TRUE(first.features && second.features && third.features);
  EXPECT_EQ(second.features, first.features) << "the last result, and no copy of it";
  EXPECT_EQ(second.age, 40 * GST_MSECOND);
  EXPECT_NE(floats(third), floats(first));
}

TEST_F(ClassifyResults, FeaturesOutliveTheElement) {
  open({{"output", "features"}});
  std::vector<Classification> results;
  std::vector<std::vector<float>> values;
  for (int i = 0; i < 40; ++i) {
    results.push_back(classify(frame(i)));
    values.push_back(floats(results.back()));
  }
  TearDown();
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(floats(results[i]), values[i]) << i;
}

TEST_F(ClassifyResults, ANetworkWithoutAHeadGivesFeatures) {
  const ResNet backbone = make_resnet(test_architecture, 0);
  const std::string path = model_with({}, backbone);
  open({{"model", path}, {"output", "features"}});
  const Classification result = classify(frame(0));
  ASSERT_TRUE(result.features);
  EXPECT_EQ(floats(result).size(), static_cast<std::size_t>(test_architecture.features()));
  TearDown();

  GstElement* element = gst_element_factory_make("resnetclassify", nullptr);
  gst_object_ref_sink(element);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  g_object_set(element, "model", path.c_str(), nullptr);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  const std::string text = pop_message(bus).text;
  EXPECT_NE(text.find("has no head"), std::string::npos) << text;
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

TEST_F(ClassifyResults, RegionsGetFeaturesToo) {
  open({{"output", "classes+features"}, {"inference-region", "roi-list"}});
  GstBuffer* in = frame(0);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 4, 4, 40, 40);
  GstBuffer* out = gst_harness_push_and_pull(harness_, in);
  auto* region = reinterpret_cast<GstVideoRegionOfInterestMeta*>(
      gst_buffer_get_meta(out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
  ASSERT_NE(region, nullptr);
  EXPECT_NE(gst_video_region_of_interest_meta_get_param(region, "classification"), nullptr);
  const GstStructure* features = gst_video_region_of_interest_meta_get_param(region, "features");
  ASSERT_NE(features, nullptr);
  GstBuffer* values = nullptr;
  ASSERT_TRUE(gst_structure_get(features, "values", GST_TYPE_BUFFER, &values, nullptr));
  EXPECT_EQ(gst_buffer_get_size(values),
            static_cast<std::size_t>(test_architecture.features()) * sizeof(float));
  gst_buffer_unref(values);
  const RegionClassification read = read_region_results(out).at(0).results.at(0);
  EXPECT_FALSE(read.scores.empty());
  EXPECT_EQ(gst_buffer_get_size(read.features.get()),
            static_cast<std::size_t>(test_architecture.features()) * sizeof(float));
  gst_buffer_unref(out);
}

}  // namespace
}  // namespace resnet
