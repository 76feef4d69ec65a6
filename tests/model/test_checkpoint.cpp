#include <cstdlib>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "model/tensor_digest.h"
#include "tests/model/checkpoint_fixtures.h"

namespace resnet::testing {
namespace {

using RoundTrip = CheckpointTest;
using ReadCheckpoint = CheckpointTest;

NamedTensors sample() {
  return {{"conv1.weight", at::randn({4, 3, 7, 7})},
          {"bn1.running_var", at::rand({4})},
          {"bn1.num_batches_tracked", at::full({}, 17, at::kLong)},
          {"half", at::randn({3}).to(at::kHalf)},
          {"bfloat", at::randn({5}).to(at::kBFloat16)},
          {"double", at::randn({2, 2}, at::kDouble)},
          {"transposed", at::randn({3, 5}).t()},
          {"empty", at::zeros({0, 3})},
          {"mask", at::ones({3}, at::kBool)}};
}

void expect_same(const NamedTensors& actual, const NamedTensors& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].first, expected[i].first);
    EXPECT_EQ(actual[i].second.scalar_type(), expected[i].second.scalar_type()) << expected[i].first;
    EXPECT_TRUE(actual[i].second.is_contiguous());
    EXPECT_TRUE(at::equal(actual[i].second, expected[i].second)) << expected[i].first;
  }
}

TEST_F(RoundTrip, KeepsTensorsOrderAndInfo) {
  const nlohmann::json info = {{"classes", {"roses", "郁金香"}}, {"threshold", 0.25}};
  const std::map<std::string, CheckpointFormat> files{{"a.pth", CheckpointFormat::torch_zip},
                                                      {"a.safetensors", CheckpointFormat::safetensors}};
  for (const auto& [name, format] : files) {
    write_checkpoint(folder_ / name, sample(), info);
    const Checkpoint read = read_checkpoint(folder_ / name);
    EXPECT_EQ(read.format, format);
    EXPECT_EQ(read.info, info);
    EXPECT_TRUE(read.notes.empty());
    EXPECT_EQ(read.tensors.size(), sample().size());
    EXPECT_NE(read.find("half"), nullptr);
    EXPECT_EQ(read.find("absent"), nullptr);
  }
}

TEST_F(RoundTrip, KeepsEveryValue) {
  const NamedTensors tensors = sample();
  for (const char* name : {"a.pth", "a.safetensors"}) {
    write_checkpoint(folder_ / name, tensors, nullptr);
    const Checkpoint read = read_checkpoint(folder_ / name);
    EXPECT_TRUE(read.info.is_null());
    expect_same(read.tensors, tensors);
    EXPECT_EQ(tensor_digest(read.tensors), tensor_digest(tensors));
  }
}

TEST_F(RoundTrip, AlignsRecordsTo64Bytes) {
  write_pth(folder_ / "a.pth", {{"w", at::full({16}, 3.0f)}}, nullptr);
  const at::Tensor values = at::full({16}, 3.0f);
  const std::string record(static_cast<const char*>(values.const_data_ptr()), 64);
  const auto position = read_text(folder_ / "a.pth").find(record);
  ASSERT_NE(position, std::string::npos);
  EXPECT_EQ(position % 64, 0u);
}

TEST(Names, AreThoseThatPyTorchsUsersKnow) {
  EXPECT_EQ(to_string(CheckpointFormat::torch_zip), "zip (torch.save)");
  EXPECT_EQ(to_string(CheckpointFormat::torch_legacy), "legacy stream (torch.save)");
  EXPECT_EQ(to_string(CheckpointFormat::torch_tar), "legacy tar (torch.save)");
  EXPECT_EQ(to_string(CheckpointFormat::safetensors), "safetensors");
  const std::map<at::ScalarType, std::string> names{{at::kFloat, "float32"},
                                                    {at::kDouble, "float64"},
                                                    {at::kHalf, "float16"},
                                                    {at::kBFloat16, "bfloat16"},
                                                    {at::kByte, "uint8"},
                                                    {at::kChar, "int8"},
                                                    {at::kShort, "int16"},
                                                    {at::kInt, "int32"},
                                                    {at::kLong, "int64"},
                                                    {at::kBool, "bool"},
                                                    {at::kComplexFloat, "complex64"},
                                                    {at::kComplexDouble, "complex128"}};
  for (const auto& [type, name] : names) EXPECT_EQ(dtype_name(type), name);
}

TEST_F(RoundTrip, FailedWriteLeavesTheOldFileAndNoOther) {
  const auto path = file("a.pth", "old");
  const at::Tensor unknown = at::empty({1}, at::kComplexHalf);
  EXPECT_THROW(write_pth(path, {{"w", unknown}}, nullptr), Error);
  EXPECT_THROW(write_safetensors(path, {{"w", unknown}}, nullptr), Error);
  EXPECT_THROW(write_pth(path, {{"w", at::ones({1})}, {"w", at::ones({1})}}, nullptr), Error);
  EXPECT_THROW(write_safetensors(path, {{"w", at::Tensor()}}, nullptr), Error);
  EXPECT_THROW(write_pth(folder_, {}, nullptr), Error);
  EXPECT_THROW(write_pth(folder_ / "nowhere" / "a.pth", {}, nullptr), Error);
  EXPECT_THROW(write_pth("/dev/null", {{"w", at::ones({1})}}, nullptr), Error);
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(RoundTrip, WhatWouldNotBeReadAgainIsNotWritten) {
  const at::Tensor gigabyte =
      at::zeros({1}, at::kByte).expand({std::int64_t{1} << 30});  // that takes no memory
  NamedTensors tensors;
  for (int i = 0; i < 8; ++i) tensors.emplace_back(std::to_string(i), gigabyte);
  for (const char* name : {"a.pth", "a.safetensors"}) {
    try {
      write_checkpoint(folder_ / name, tensors, nullptr);
      ADD_FAILURE() << name << " was written";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::write);
      EXPECT_EQ(error.what(),
                "cannot write '" + (folder_ / name).string() +
                    "': its tensors have more than 8321499136 bytes, and such a file would not be "
                    "read again");
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(RoundTrip, FollowsALinkAndKeepsPermissions) {
  const auto path = file("real.pth", "old");
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  std::filesystem::create_symlink("real.pth", folder_ / "link.pth");
  write_pth(folder_ / "link.pth", {{"w", at::ones({1})}}, nullptr);
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "link.pth"));
  EXPECT_EQ(read_checkpoint(path).tensors.size(), 1u);
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0640));
}

TEST_F(RoundTrip, DigestSeesNamesTypesShapesAndValues) {
  const at::Tensor ones = at::ones({4});
  const std::string digest = tensor_digest({{"a", ones}, {"b", ones}});
  EXPECT_EQ(digest.substr(0, 7), "sha256:");
  EXPECT_EQ(digest.size(), 71u);
  EXPECT_EQ(tensor_digest({{"b", ones}, {"a", ones}, {"n.num_batches_tracked", ones}}), digest);
  EXPECT_NE(tensor_digest({{"a", ones}, {"c", ones}}), digest);
  EXPECT_NE(tensor_digest({{"a", ones}, {"b", ones.reshape({2, 2})}}), digest);
  EXPECT_NE(tensor_digest({{"a", ones}, {"b", ones.to(at::kInt)}}), digest);
  EXPECT_NE(tensor_digest({{"a", ones}, {"b", ones * 2}}), digest);
}

TEST(RealFiles, EqualTheReference) {
  const char* shared = std::getenv("RESNET_SHARED");
  const auto folder = std::filesystem::path(shared != nullptr ? shared : "") / "checkpoints";
  if (!std::filesystem::exists(folder / "reference_tensors.json"))
    GTEST_SKIP() << "RESNET_SHARED names no folder with checkpoints";
  const auto reference = nlohmann::json::parse(read_text(folder / "reference_tensors.json"));
  const std::map<at::ScalarType, std::string> types{
      {at::kFloat, "float32"}, {at::kLong, "int64"}, {at::kDouble, "float64"}};
  int files = 0;
  for (const auto& [name, entry] : reference.items()) {
    if (!std::filesystem::exists(folder / name)) continue;
    ++files;
    const Checkpoint read = read_checkpoint(folder / name);
    const bool prefixed = name == "resnet20-12fca82f.th";
    EXPECT_EQ(read.tensors.size(), entry["tensors"].size()) << name;
    for (const auto& [tensor_name, expected] : entry["tensors"].items()) {
      std::string key = tensor_name;
      for (const std::string prefix : {"state_dict.", "state_dict/", "module."}) {
        if (prefixed && key.starts_with(prefix)) key.erase(0, prefix.size());
      }
      const at::Tensor* tensor = read.find(key);
      ASSERT_NE(tensor, nullptr) << name << ": " << tensor_name;
      EXPECT_EQ(types.at(tensor->scalar_type()), expected["dtype"].get<std::string>());
      EXPECT_EQ(tensor->sizes().vec(), expected["shape"].get<std::vector<std::int64_t>>());
      EXPECT_EQ(sha256(*tensor), expected["sha256"].get<std::string>()) << name << ": " << tensor_name;
    }
    if (prefixed) {
      EXPECT_EQ(read.notes, (std::vector<std::string>{"state dict found under 'state_dict'",
                                                      "prefix 'module.' removed"}));
    }
  }
  EXPECT_EQ(files, 5);
}

TEST_F(ReadCheckpoint, ReadsTar) {
  const auto integer = [](std::uint64_t value) { return "\x8a\x08" + number(value, 8); };
  const float values[] = {0, 1, 2, 3, 4, 5};
  const std::string bytes(reinterpret_cast<const char*>(values), sizeof(values));
  const std::string storages = "\x80\x02K\x01." + ("\x80\x02(" + integer(7)) + "X\3" + std::string(3, '\0') +
                               "cpuctorch\nFloatStorage\nt." + number(6, 8) + bytes +
                               "\x80\x02]("
                               "(" +
                               integer(8) + integer(7) + "K\2K\4te.";
  const std::string tensors =
      "\x80\x02K\2."
      "\x80\x02(" +
      integer(21) + integer(7) + "ctorch\nFloatTensor\nt." + number(2, 8) + number(3, 8) + number(2, 8) +
      number(1, 8) + number(3, 8) + number(0, 8) + "\x80\x02(" + integer(22) + integer(8) +
      "ctorch\nFloatTensor\nt." + number(1, 8) + number(4, 8) + number(1, 8) + number(0, 8);
  const std::string pickle =
      "\x80\x02}(U\1aU\2"
      "21QU\1bU\2"
      "22Qu.";
  const auto path =
      file("old.pth", make_tar({{"storages", storages}, {"tensors", tensors}, {"pickle", pickle}}));
  const Checkpoint read = read_checkpoint(path);
  EXPECT_EQ(read.format, CheckpointFormat::torch_tar);
  ASSERT_EQ(read.tensors.size(), 2u);
  EXPECT_TRUE(at::equal(*read.find("a"), at::tensor({0.f, 3.f, 1.f, 4.f, 2.f, 5.f}).reshape({3, 2})));
  EXPECT_TRUE(at::equal(*read.find("b"), at::tensor({2.f, 3.f, 4.f, 5.f})));
}

TEST_F(ReadCheckpoint, SwapsBigEndianRecords) {
  const auto path = file("big.pth", make_zip({{"a/data.pkl", tensor_pickle(2, 0, {2}, {1})},
                                              {"a/byteorder", "big"},
                                              {"a/data/0", std::string("\x3f\x80\0\0\x40\0\0\0", 8)}}));
  EXPECT_TRUE(at::equal(*read_checkpoint(path).find("weight"), at::tensor({1.f, 2.f})));
}

TEST_F(ReadCheckpoint, ReadsOffsetsStridesAndExpandedViews) {
  const std::string data = std::string("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40", 12);
  const auto read = [&](std::int64_t offset, const std::vector<std::int64_t>& sizes,
                        const std::vector<std::int64_t>& strides) {
    return *read_checkpoint(file("v.pth", make_zip({{"a/data.pkl", tensor_pickle(3, offset, sizes, strides)},
                                                    {"a/data/0", data}})))
                .find("weight");
  };
  EXPECT_TRUE(at::equal(read(1, {2}, {1}), at::tensor({2.f, 3.f})));
  EXPECT_TRUE(at::equal(read(0, {2}, {2}), at::tensor({1.f, 3.f})));
  EXPECT_TRUE(at::equal(read(2, {2, 2}, {0, 0}), at::full({2, 2}, 3.f)));
  EXPECT_TRUE(at::equal(read(2, {}, {}), at::full({}, 3.f)));
}

TEST_F(ReadCheckpoint, RemovesPrefixes) {
  using Names = std::set<std::string>;
  const auto read = [&](const Names& names) {
    NamedTensors tensors;
    for (const std::string& name : names) tensors.emplace_back(name, at::ones({1}));
    write_safetensors(folder_ / "p.safetensors", tensors, nullptr);
    const Checkpoint checkpoint = read_checkpoint(folder_ / "p.safetensors");
    Names found(checkpoint.notes.begin(), checkpoint.notes.end());
    for (const auto& [name, tensor] : checkpoint.tensors) found.insert(name);
    return found;
  };
  const std::string inside = "layer1.0.conv1.weight";
  EXPECT_EQ(read({"module._orig_mod." + inside, "module._orig_mod.fc.bias", "n_averaged"}),
            (Names{inside, "fc.bias", "n_averaged", "prefix 'module._orig_mod.' removed"}));
  // A LightningModule with a loss of its own; a backbone and its head.
  EXPECT_EQ(read({"model." + inside, "model.fc.bias", "loss.weight"}),
            (Names{inside, "fc.bias", "loss.weight", "prefix 'model.' removed"}));
  EXPECT_EQ(read({"backbone." + inside, "fc.bias"}),
            (Names{inside, "fc.bias", "prefix 'backbone.' removed"}));
  // Which is the network, or the head, nobody can tell.
  for (const Names& names :
       {Names{"a." + inside, "b." + inside}, Names{"a." + inside, "a.fc.bias", "fc.bias"},
        Names{"module.a", "module.b"}, Names{inside, "ema." + inside}})
    EXPECT_EQ(read(names), names);
}

}  // namespace
}  // namespace resnet::testing
