// What every element's properties say of themselves.
#include <string>
#include <vector>

#include "tests/plugin/fixture.h"

namespace resnet {
namespace {

class ElementProperties : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    element_ = GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make(GetParam(), nullptr)));
    guint count = 0;
    GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element_), &count);
    for (guint i = 0; i < count; ++i) {
      if (specs[i]->owner_type == G_OBJECT_TYPE(element_)) specs_.push_back(specs[i]);
    }
    g_free(static_cast<gpointer>(specs));
    EXPECT_FALSE(specs_.empty());
  }
  void TearDown() override { gst_object_unref(element_); }

  /// What the element says, as text.
  std::string value_of(GParamSpec* spec) {
    GValue value = G_VALUE_INIT;
    g_object_get_property(G_OBJECT(element_), spec->name, &value);
    return text_of(value);
  }
  static std::string text_of(GValue& value) {
    gchar* text = gst_value_serialize(&value);
    const std::string result = text != nullptr ? text : "";
    g_free(text);
    g_value_unset(&value);
    return result;
  }

  GstElement* element_ = nullptr;
  std::vector<GParamSpec*> specs_;
};

INSTANTIATE_TEST_SUITE_P(Of, ElementProperties,
                         testing::Values("resnetclassify", "resnetjson", "resnetoverlay"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(ElementProperties, ANewElementHasTheDefaultsThatItTells) {
  for (GParamSpec* spec : specs_) {
    if ((spec->flags & G_PARAM_WRITABLE) == 0) continue;
    GValue value = G_VALUE_INIT;
    g_value_init(&value, spec->value_type);
    g_param_value_set_default(spec, &value);
    EXPECT_EQ(value_of(spec), text_of(value)) << spec->name;
  }
}

TEST_P(ElementProperties, APropertySaysWhatWasSet) {
  for (GParamSpec* spec : specs_) {
    if ((spec->flags & G_PARAM_WRITABLE) == 0) continue;
    const std::string before = value_of(spec);
    std::string said;
    // One of these is another value than before, of whatever type.
    for (const char* wanted : {"true", "false", "1", "2", "0.5", "name"}) {
      gst_util_set_object_arg(G_OBJECT(element_), spec->name, wanted);
      said = value_of(spec);
      if (said != before) break;
    }
    EXPECT_NE(said, before) << spec->name;
  }
}

}  // namespace
}  // namespace resnet
