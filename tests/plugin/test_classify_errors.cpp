// What resnetclassify says on the bus when it cannot work.
#include <fstream>

#include "model/labels.h"
#include "model/model_file.h"
#include "model/resnet.h"
#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

/// Takes an element to READY. @return what it posted of that type, and whether it got there
Message change_to_ready(GstElement* element, GstMessageType type, bool& ready) {
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  ready = gst_element_set_state(element, GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS;
  Message result = pop_message(bus, type);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  return result;
}

class ClassifyErrors : public testing::Test {
 protected:
  void SetUp() override {
    element_ = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("resnetclassify", nullptr)));
  }
  void TearDown() override { gst_object_unref(element_); }

  void set(const char* property, const std::string& value) {
    gst_util_set_object_arg(G_OBJECT(element_), property, value.c_str());
  }
  void expect_error(GQuark domain, int code, const std::string& part) {
    bool ready = true;
    const Message message = change_to_ready(element_, GST_MESSAGE_ERROR, ready);
    EXPECT_FALSE(ready);
    EXPECT_EQ(message.domain, domain) << message.text;
    EXPECT_EQ(message.code, code) << message.text;
    EXPECT_NE(message.text.find(part), std::string::npos) << message.text;
  }
  std::string write(const char* name, const std::string& text) {
    write_text(folder_ / name, text);
    return (folder_ / name).string();
  }

  TemporaryFolder folder_;
  GstElement* element_ = nullptr;
};

TEST_F(ClassifyErrors, NoModelIsSet) {
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "property model");
}

TEST_F(ClassifyErrors, TheModelIsMissing) {
  set("model", "/nonexistent/flowers.pth");
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/flowers.pth");
}

TEST_F(ClassifyErrors, TheModelIsAFolder) {
  set("model", (folder_ / "").string());
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, (folder_ / "").string());
}

TEST_F(ClassifyErrors, TheModelIsNoModel) {
  set("model", write("notes.pth", "these are no weights, but a long enough text to look at"));
  expect_error(GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE, "notes.pth");
}

TEST_F(ClassifyErrors, TheModelIsTruncated) {
  std::string bytes = read_text(test_model());
  set("model", write("half.pth", bytes.substr(0, bytes.size() / 2)));
  expect_error(GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE, "half.pth");
}

TEST_F(ClassifyErrors, TheModelIsNoResNet) {
  const std::filesystem::path path = folder_ / "other.safetensors";
  write_safetensors(path, {{"encoder.weight", test_network()->fc->weight.detach()}}, nullptr);
  set("model", path.string());
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "not a supported ResNet");
}

TEST_F(ClassifyErrors, TheLabelsDoNotFit) {
  set("model", test_model().string());
  set("labels-file", write("two.json", R"({"0": "daisy", "1": "dandelion"})"));
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "two.json");
}

TEST_F(ClassifyErrors, TheModelsOwnClassesDoNotFitAndALabelsFileHelps) {
  const std::filesystem::path model = folder_ / "three.pth";
  ModelInfo info;
  info.classes = {"a", "b", "c"};
  save_model(model, test_network(), info);
  set("model", model.string());
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "'three.pth' names 3 classes");
  write_labels(folder_ / "five.json", test_classes);
  set("labels-file", (folder_ / "five.json").string());
  bool ready = false;
  const Message message = change_to_ready(element_, GST_MESSAGE_ERROR, ready);
  EXPECT_TRUE(ready) << message.text;
}

TEST_F(ClassifyErrors, TheLabelsAreMissingOrNoLabels) {
  set("model", test_model().string());
  set("labels-file", "/nonexistent/labels.json");
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/labels.json");
  set("labels-file", write("bad.json", "[1, 2"));
  expect_error(GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE, "bad.json");
}

TEST_F(ClassifyErrors, TheDeviceOrPrecisionIsNotToBeHad) {
  set("model", test_model().string());
  set("device", "tpu");
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "tpu");
  set("device", "cpu");
  set("precision", "int8");
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "int8");
}

TEST_F(ClassifyErrors, AfterAnErrorAnotherModelWorks) {
  set("model", "/nonexistent/flowers.pth");
  expect_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/flowers.pth");
  set("model", test_model().string());
  bool ready = false;
  const Message message = change_to_ready(element_, GST_MESSAGE_ERROR, ready);
  EXPECT_TRUE(ready) << message.text;
}

TEST_F(ClassifyErrors, AQueueSmallerThanABatchIsRaisedWithAWarning) {
  set("model", test_model().string());
  set("max-in-flight", "2");
  bool ready = false;
  const Message message = change_to_ready(element_, GST_MESSAGE_WARNING, ready);
  EXPECT_TRUE(ready);
  EXPECT_EQ(message.code, GST_RESOURCE_ERROR_SETTINGS);
  EXPECT_NE(message.text.find("max-in-flight=2"), std::string::npos) << message.text;
}

TEST_F(ClassifyErrors, ATimeoutThatWasMeantInOtherUnitsIsAWarning) {
  set("model", test_model().string());
  set("batch-timeout", "40");
  bool ready = false;
  const Message message = change_to_ready(element_, GST_MESSAGE_WARNING, ready);
  EXPECT_TRUE(ready);
  EXPECT_EQ(message.code, GST_RESOURCE_ERROR_SETTINGS);
  EXPECT_NE(message.text.find("40 nanoseconds"), std::string::npos) << message.text;
}

TEST_F(ClassifyErrors, LabelsBesideTheModelThatDifferAreAWarning) {
  const std::string model = write("flowers.pth", read_text(test_model()));
  write("class_indices.json", R"({"0": "a", "1": "b", "2": "c", "3": "d", "4": "e"})");
  set("model", model);
  bool ready = false;
  const Message message = change_to_ready(element_, GST_MESSAGE_WARNING, ready);
  EXPECT_TRUE(ready);
  EXPECT_NE(message.text.find("class_indices.json"), std::string::npos) << message.text;
}

}  // namespace
}  // namespace resnet
