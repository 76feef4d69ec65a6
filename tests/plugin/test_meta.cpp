#include "plugin/gstresnetmeta.h"
#include "tests/plugin/fixture.h"

extern "C" const gchar* best_label_from_c(GstBuffer* buffer, gdouble* probability);

namespace resnet {
namespace {

/// A buffer that goes away with the scope.
struct Frame {
  GstBuffer* buffer = gst_buffer_new();
  ~Frame() { gst_buffer_unref(buffer); }
};

// First: nothing has registered the meta yet.
TEST(Meta, IsAbsentAndSilentAsLongAsNobodyRegisteredIt) {
  Frame frame;
  g_log_set_always_fatal(static_cast<GLogLevelFlags>(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING));
  EXPECT_EQ(gst_buffer_get_resnet_classification(frame.buffer), nullptr);
  EXPECT_EQ(gst_buffer_get_resnet_classification(nullptr), nullptr);
  EXPECT_FALSE(read_classification_meta(frame.buffer));
  mark_classification_drawn(frame.buffer);
  register_classification_meta();
  register_classification_meta();
  EXPECT_EQ(gst_buffer_get_resnet_classification(frame.buffer), nullptr);
}

TEST(Meta, ComesBackAsItWasWritten) {
  Frame frame;
  add_classification_meta(frame.buffer, flowers());
  EXPECT_EQ(read_classification_meta(frame.buffer), flowers());
}

TEST(Meta, HasTheDocumentedFieldsAndTypes) {
  Frame frame;
  add_classification_meta(frame.buffer, flowers());
  const GstStructure* s = gst_buffer_get_resnet_classification(frame.buffer);
  ASSERT_NE(s, nullptr);
  EXPECT_STREQ(gst_structure_get_name(s), "GstResnetClassificationMeta");
  EXPECT_EQ(gst_structure_n_fields(s), 9);
  EXPECT_TRUE(gst_structure_has_field_typed(s, "version", G_TYPE_UINT));
  EXPECT_TRUE(gst_structure_has_field_typed(s, "model", G_TYPE_STRING));
  EXPECT_TRUE(gst_structure_has_field_typed(s, "digest", G_TYPE_STRING));
  EXPECT_TRUE(gst_structure_has_field_typed(s, "age", G_TYPE_UINT64));
  EXPECT_TRUE(gst_structure_has_field_typed(s, "stream", G_TYPE_STRING));
  EXPECT_TRUE(gst_structure_has_field_typed(s, "drawn", G_TYPE_BOOLEAN));
  for (const char* field : {"label-ids", "labels", "probabilities"}) {
    EXPECT_TRUE(gst_structure_has_field_typed(s, field, GST_TYPE_ARRAY)) << field;
  }
  guint version = 0;
  EXPECT_TRUE(gst_structure_get_uint(s, "version", &version));
  EXPECT_EQ(version, 1u);
  gint id = 0;
  const gchar* label = nullptr;
  gdouble probability = 0;
  EXPECT_TRUE(gst_resnet_classification_get_class(s, 1, &id, &label, &probability));
  EXPECT_EQ(id, 1);
  EXPECT_STREQ(label, "蒲公英");
  EXPECT_EQ(probability, 0.25);
}

TEST(Meta, FeaturesComeBackAsTheyWereWritten) {
  Frame frame;
  const float values[] = {0.5f, 0, 3.25f};
  Classification embedding = flowers();
  embedding.scores.clear();
  embedding.has_classes = false;
  embedding.features = {gst_buffer_new_memdup(values, sizeof values), gst_buffer_unref};
  add_classification_meta(frame.buffer, embedding);
  EXPECT_EQ(read_classification_meta(frame.buffer), embedding);
  const GstStructure* s = gst_buffer_get_resnet_classification(frame.buffer);
  GstBuffer* features = gst_resnet_classification_get_features(s);
  ASSERT_NE(features, nullptr);
  EXPECT_EQ(read_features(features), (std::vector<float>{0.5f, 0, 3.25f}));
  EXPECT_FALSE(gst_structure_has_field(s, "labels")) << "classes were not asked for";
  add_classification_meta(frame.buffer, flowers());
  EXPECT_EQ(gst_resnet_classification_get_features(gst_buffer_get_resnet_classification(frame.buffer)),
            nullptr);
}

// As unixfdsink sends it to other processes.
TEST(Meta, ItsTextSaysAllOfIt) {
  Frame frame;
  const float values[] = {0.5f, 0, 3.25f};
  Classification all = flowers();
  all.features = {gst_buffer_new_memdup(values, sizeof values), gst_buffer_unref};
  add_classification_meta(frame.buffer, all);
  gchar* text =
      gst_structure_serialize(gst_buffer_get_resnet_classification(frame.buffer), GST_SERIALIZE_FLAG_NONE);
  ASSERT_NE(text, nullptr);
  GstStructure* back = gst_structure_from_string(text, nullptr);
  ASSERT_NE(back, nullptr) << text;
  EXPECT_EQ(read_features(gst_resnet_classification_get_features(back)),
            (std::vector<float>{0.5f, 0, 3.25f}));
  const gchar* label = nullptr;
  EXPECT_TRUE(gst_resnet_classification_get_class(back, 1, nullptr, &label, nullptr));
  EXPECT_STREQ(label, "蒲公英");
  gst_structure_free(back);
  g_free(text);
}

TEST(Meta, AnIndexPastTheEndIsNoClass) {
  Frame frame;
  add_classification_meta(frame.buffer, flowers());
  const GstStructure* s = gst_buffer_get_resnet_classification(frame.buffer);
  EXPECT_EQ(gst_resnet_classification_get_size(s), 2u);
  EXPECT_TRUE(gst_resnet_classification_get_class(s, 1, nullptr, nullptr, nullptr));
  EXPECT_FALSE(gst_resnet_classification_get_class(s, 2, nullptr, nullptr, nullptr));
  EXPECT_FALSE(gst_resnet_classification_get_class(s, G_MAXUINT, nullptr, nullptr, nullptr));
}

TEST(Meta, NoneOfTheseIsNotTheSameAsNotClassified) {
  Frame frame;
  Classification none = flowers();
  none.scores.clear();
  add_classification_meta(frame.buffer, none);
  ASSERT_NE(gst_buffer_get_resnet_classification(frame.buffer), nullptr);
  EXPECT_EQ(gst_resnet_classification_get_size(gst_buffer_get_resnet_classification(frame.buffer)), 0u);
  EXPECT_EQ(read_classification_meta(frame.buffer), none);
}

TEST(Meta, EachElementsResultStays) {
  Frame frame;
  Classification animals = flowers();
  animals.stream = "animals";
  animals.drawn = true;
  animals.scores = {{0, "cat", 1}};
  add_classification_meta(frame.buffer, flowers());
  add_classification_meta(frame.buffer, animals);
  EXPECT_EQ(read_classification_metas(frame.buffer), (std::vector<Classification>{flowers(), animals}));
  EXPECT_EQ(read_classification_meta(frame.buffer), flowers()) << "the first";
  std::vector<std::size_t> drawn;
  read_drawn(frame.buffer, drawn);
  EXPECT_EQ(drawn, std::vector<std::size_t>{1});
  mark_classification_drawn(frame.buffer);
  read_drawn(frame.buffer, drawn);
  EXPECT_EQ(drawn, (std::vector<std::size_t>{2, 1}));
}

TEST(Meta, ASecondResultOfAnElementTakesThePlaceOfTheFirst) {
  Frame frame;
  add_classification_meta(frame.buffer, flowers());
  Classification other = flowers();
  other.scores = {{0, "daisy", 1}};
  add_classification_meta(frame.buffer, other);
  EXPECT_EQ(read_classification_meta(frame.buffer), other);
  EXPECT_EQ(gst_buffer_get_n_meta(frame.buffer, gst_meta_get_info(GST_RESNET_CLASSIFICATION_META_NAME)->api),
            1u);
}

TEST(Meta, TravelsWithACopyAndDrawnIsTheCopysOwn) {
  Frame frame;
  add_classification_meta(frame.buffer, flowers());
  GstBuffer* copy = gst_buffer_copy(frame.buffer);
  mark_classification_drawn(copy);
  EXPECT_TRUE(read_classification_meta(copy)->drawn);
  EXPECT_FALSE(read_classification_meta(frame.buffer)->drawn);
  gst_buffer_unref(copy);
}

TEST(Meta, TextThatIsNotUtf8IsMadeSo) {
  Frame frame;
  Classification result = flowers();
  result.model = "caf\xe9.pth";
  result.scores[0].label = "\xff tulips";
  add_classification_meta(frame.buffer, result);
  const auto read = read_classification_meta(frame.buffer);
  EXPECT_EQ(read->model, "caf\xef\xbf\xbd.pth");
  EXPECT_EQ(read->scores[0].label, "\xef\xbf\xbd tulips");
}

TEST(Meta, IsReadInPlainC) {
  Frame frame;
  gdouble probability = 0;
  EXPECT_EQ(best_label_from_c(frame.buffer, &probability), nullptr);
  add_classification_meta(frame.buffer, flowers());
  EXPECT_STREQ(best_label_from_c(frame.buffer, &probability), "tulips");
  EXPECT_EQ(probability, 0.75);
}

// A reader must survive a meta by that name whose fields are another's.
TEST(Meta, ForeignFieldsAreNoClasses) {
  Frame frame;
  GstCustomMeta* meta = gst_buffer_add_custom_meta(frame.buffer, GST_RESNET_CLASSIFICATION_META_NAME);
  gst_structure_set(gst_custom_meta_get_structure(meta), "label-ids", G_TYPE_INT, 3, "labels", G_TYPE_STRING,
                    "x", "model", G_TYPE_INT, 1, nullptr);
  EXPECT_EQ(read_classification_meta(frame.buffer), Classification{});
}

}  // namespace
}  // namespace resnet
