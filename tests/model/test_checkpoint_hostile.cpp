// Files that lie: each is refused with a sentence, quickly, and nothing in it is executed.
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>

#include "model/quote.h"
#include "tests/model/checkpoint_fixtures.h"

namespace resnet::testing {
namespace {

using Hostile = CheckpointTest;
using HostileSafetensors = CheckpointTest;

const std::string good_pickle = tensor_pickle(1, 0, {1}, {1});
const std::string four(4, '\0');

// The members of a tar archive with one tensor of one float.
const std::string no_objects("\x80\x02K\0.", 5), no_views = "\x80\x02].";
const std::string tar_storage = "\x80\x02(K\7U\3cpuctorch\nFloatStorage\nt." + number(1, 8) + four;
const std::string tar_storages = "\x80\x02K\1." + tar_storage + no_views;
const std::string tar_tensor =
    "\x80\x02(K\x15K\7ctorch\nFloatTensor\nt." + number(1, 8) + number(1, 8) + number(1, 8) + number(0, 8);
const std::string tar_tensors = "\x80\x02K\1." + tar_tensor;
const std::string tar_pickle =
    "\x80\x02}U\1wU\2"
    "21Qs.";

TEST_F(Hostile, MissingFolderEmptyAndForeign) {
  expect_refused(folder_ / "none.pth", ErrorCode::not_found, "does not exist");
  expect_refused(folder_, ErrorCode::read, "folder");
  expect_refused("/dev/null", ErrorCode::read, "not a regular file");
  expect_refused(file("empty.pth", ""), ErrorCode::format, "is empty");
  expect_refused(file("text.pth", "hello, this is a text and nothing else"), ErrorCode::format,
                 "no checkpoint");
  expect_refused(file("lfs.pth", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
                 ErrorCode::format, "git lfs pull");
}

TEST_F(Hostile, ATooLargeFileIsNotRead) {
  std::filesystem::resize_file(file("large.pth", "PK\3\4"), (std::uintmax_t{8} << 30) + 1);
  expect_refused(folder_ / "large.pth", ErrorCode::format, "8589934593 bytes, more than the 8589934592");
}

TEST_F(Hostile, EveryTruncationIsRefused) {
  write_pth(folder_ / "a.pth", {{"w", at::ones({40})}}, {{"a", 1}});
  write_safetensors(folder_ / "a.safetensors", {{"w", at::ones({40})}}, {{"a", 1}});
  file("a.legacy",
       make_legacy(good_pickle, "\x80\x02](X\1" + std::string(3, '\0') + "0e." + number(1, 8) + four));
  file("a.tar", make_tar({{"storages", tar_storages}, {"tensors", tar_tensors}, {"pickle", tar_pickle}}));
  for (const std::string name : {"a.pth", "a.safetensors", "a.legacy", "a.tar"}) {
    const std::string whole = read_text(folder_ / name);
    EXPECT_NO_THROW(read_checkpoint(folder_ / name)) << name;
    // Of the two empty blocks at a tar archive's end, one says it; and most of it is padding.
    const bool tar = name == "a.tar";
    for (std::size_t size = 0; size < whole.size() - (tar ? 512 : 0); size += tar ? 31 : 1) {
      EXPECT_THROW(read_checkpoint(file("cut-" + name, whole.substr(0, size))), Error)
          << name << " cut to " << size;
    }
    expect_refused(file("more-" + name, whole + "x"), ErrorCode::format, "");
  }
}

TEST_F(Hostile, EveryFlippedByteIsRefusedOrHarmless) {
  write_pth(folder_ / "a.pth", {{"w", at::ones({4})}}, {{"a", 1}});
  const std::string whole = read_text(folder_ / "a.pth");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x21);
    try {
      read_checkpoint(file("flip.pth", damaged));
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "") << "byte " << i;
    }
  }
}

TEST_F(Hostile, PicklesAreNotExecuted) {
  const auto touched = folder_ / "touched";
  const std::string pickle = system_pickle(touched);
  expect_refused(file("z.pth", make_zip({{"a/data.pkl", pickle}})), ErrorCode::format, "'posix.system'");
  expect_refused(file("l.pth", make_legacy(pickle, "")), ErrorCode::format, "'posix.system'");
  expect_refused(file("l2.pth", pickle), ErrorCode::format, "'posix.system'");
  expect_refused(
      file("t.pth",
           make_tar({{"storages", no_objects + no_views}, {"tensors", no_objects}, {"pickle", pickle}})),
      ErrorCode::format, "'posix.system'");
  expect_refused(file("t2.pth", make_tar({{"storages", pickle}, {"tensors", no_objects}, {"pickle", "."}})),
                 ErrorCode::format, "'posix.system'");
  expect_refused(file("s.pth", make_zip({{"a/data.pkl", "\x80\x04\x8c\x05posix\x8c\x06system\x93."}})),
                 ErrorCode::format, "'posix.system'");
  EXPECT_FALSE(std::filesystem::exists(touched));
}

TEST_F(Hostile, ZipLies) {
  const ZipItem pickle{"a/data.pkl", good_pickle}, data{"a/data/0", four};
  EXPECT_NO_THROW(read_checkpoint(file("ok.pth", make_zip({pickle, data}))));
  ZipItem wrong = data;
  wrong.bad_crc = true;
  expect_refused(file("crc.pth", make_zip({pickle, wrong})), ErrorCode::format, "CRC");
  expect_refused(file("twice.pth", make_zip({pickle, pickle, data})), ErrorCode::format, "twice");
  expect_refused(file("case.pth", make_zip({pickle, data, {"a/DATA/0", four}})), ErrorCode::format, "twice");
  expect_refused(file("lacks.pth", make_zip({pickle})), ErrorCode::format, "lacks the record");
  expect_refused(file("short.pth", make_zip({pickle, {"a/data/0", "\1\2"}})), ErrorCode::format, "2 bytes");
  expect_refused(file("long.pth", make_zip({pickle, {"a/data/0", four + four}})), ErrorCode::format,
                 "8 bytes");
  ZipItem of_doubles = pickle;
  of_doubles.data.replace(of_doubles.data.find("FloatStorage"), 5, "Double");
  expect_refused(file("dtype.pth", make_zip({of_doubles, data})), ErrorCode::format,
                 "'data/0' of 4 bytes, but its tensors need 8");
  wrong.bad_crc = false;
  wrong.method = 8;
  expect_refused(file("deflate.pth", make_zip({pickle, wrong})), ErrorCode::format, "compressed");
  wrong = data;
  wrong.flags = 1;
  expect_refused(file("crypt.pth", make_zip({pickle, wrong})), ErrorCode::format, "encrypted");
  wrong.flags = 0x20;
  expect_refused(file("flags.pth", make_zip({pickle, wrong})), ErrorCode::format, "flags");
  expect_refused(file("tops.pth", make_zip({pickle, data, {"b/version", "3"}})), ErrorCode::format,
                 "several top folders");
  expect_refused(file("flat.pth", make_zip({pickle, data, {"version", "3"}})), ErrorCode::format,
                 "in no folder");
  std::string commented = make_zip({pickle, data});
  commented.replace(commented.size() - 2, 2, std::string("\1\0x", 3));
  expect_refused(file("comment.pth", commented), ErrorCode::format, "at its end");
  for (const std::string name : {"a/../data", "/a/b", "a\\b", "a/b\0c"}) {
    expect_refused(
        file("name.pth", make_zip({pickle, data, {name == "a/b" ? std::string("a/b\0c", 5) : name, ""}})),
        ErrorCode::format, "unsafe name");
  }
  expect_refused(file("prefix.pth", "PK\3\4 something" + make_zip({pickle, data})), ErrorCode::format,
                 "zip directory that is not where it says");
  expect_refused(file("nested.pth", make_zip({{"a/data.pkl", make_zip({pickle, data})}, data})),
                 ErrorCode::format, "opcode 0x50");
  expect_refused(file("order.pth", make_zip({pickle, data, {"a/byteorder", "middle"}})), ErrorCode::format,
                 "'middle'");
  expect_refused(file("plain.pth", make_zip({{"a/readme", "x"}})), ErrorCode::format, "data.pkl");
  expect_refused(file("script.pt", make_zip({pickle, data, {"a/constants.pkl", "x"}})),
                 ErrorCode::unsupported, "TorchScript");
  expect_refused(file("tail.pth", make_zip({{"a/data.pkl", good_pickle + "x"}, data})), ErrorCode::format,
                 "behind the pickle");
}

TEST_F(Hostile, Zip64AndDataDescriptorsLie) {
  const ZipItem pickle{"a/data.pkl", good_pickle, false, 0, 0x808}, data{"a/data/0", four, false, 0, 0x808};
  const std::string good = make_zip({pickle, data}, true);
  EXPECT_EQ(read_checkpoint(file("ok.pth", good)).tensors.size(), 1u);
  const auto refuse = [&](std::size_t position, const std::string& bytes, const std::string& part) {
    std::string changed = good;
    changed.replace(position, bytes.size(), bytes);
    expect_refused(file("64.pth", changed), ErrorCode::format, part);
  };
  const std::size_t end = good.size() - 22, locator = end - 20, end64 = locator - 56;
  refuse(end + 10, number(3, 2), "contradict each other");
  refuse(locator + 8, number(end64 - 1, 8), "zip64 directory that is not where it says");
  refuse(locator + 16, number(2, 4), "several disks");
  refuse(end64 + 4, number(45, 8), "damaged zip64");
  refuse(end64 + 24, number(std::uint64_t{1} << 40, 8) + number(std::uint64_t{1} << 40, 8),
         "1099511627776 zip entries, more than 100000");
  refuse(end64 + 40, number(~0ull, 8), "not where it says");
  const std::size_t descriptor = good.find("PK\7\10");
  refuse(descriptor, "XX", "damaged data descriptor");
  refuse(descriptor + 4, number(7, 4), "contradicts itself about size or CRC of its entry 'a/data.pkl'");
  refuse(descriptor + 8, number(7, 4), "contradicts itself");
}

TEST_F(Hostile, DataInFrontOfTheFirstEntry) {
  const std::string inner = make_zip({{"a/data.pkl", good_pickle}, {"a/data/0", four}});
  // A prefix that the offsets know about, as a self-extracting archive has it.
  std::string archive = "PK\3\4" + four + inner;
  for (auto entry = archive.find("PK\1\2"); entry != std::string::npos;
       entry = archive.find("PK\1\2", entry + 1))
    archive[entry + 42] = static_cast<char>(archive[entry + 42] + 8);
  archive.replace(archive.size() - 6, 4, number(inner.find("PK\1\2") + 8, 4));
  expect_refused(file("prefix.pth", archive), ErrorCode::format, "in front of its first zip entry");
}

TEST_F(Hostile, OverlappingZipEntries) {
  std::string archive = make_zip({{"a/data.pkl", good_pickle}, {"a/data/0", four}});
  // The second entry of the directory pointed at the first local header.
  const auto second = archive.rfind("PK\1\2");
  archive.replace(second + 42, 4, four);
  expect_refused(file("overlap.pth", archive), ErrorCode::format, "overlap");
}

TEST_F(Hostile, ViewsThatAskForTooMuch) {
  const auto refuse = [&](std::int64_t offset, const std::vector<std::int64_t>& sizes,
                          const std::vector<std::int64_t>& strides, const std::string& part) {
    expect_refused(file("v.pth", make_zip({{"a/data.pkl", tensor_pickle(1, offset, sizes, strides)},
                                           {"a/data/0", four}})),
                   ErrorCode::format, part);
  };
  refuse(0, {std::int64_t{1} << 40}, {0}, "'weight'");
  refuse(0, {std::int64_t{1} << 32, std::int64_t{1} << 32}, {0, 0}, "overflows");
  refuse(0, {2}, {std::int64_t{1} << 62}, "behind the end");
  refuse(0, {3}, {std::int64_t{1} << 62}, "overflows");
  refuse(0, {2}, {1}, "behind the end");
  refuse(1, {1}, {1}, "behind the end");
  refuse(-1, {1}, {1}, "negative");
  refuse(0, {-1}, {1}, "negative");
  refuse(0, {1}, {-1}, "negative");
  refuse(0, {1}, {}, "sizes");
  refuse(0, std::vector<std::int64_t>(17, 1), std::vector<std::int64_t>(17, 1), "dimensions");
  expect_refused(
      file("n.pth", make_zip({{"a/data.pkl", tensor_pickle(-1, 0, {1}, {1})}, {"a/data/0", four}})),
      ErrorCode::format, "negative");
  expect_refused(
      file("m.pth", make_zip({{"a/data.pkl", tensor_pickle(INT64_MAX, 0, {1}, {1})}, {"a/data/0", four}})),
      ErrorCode::format, "far more");
}

TEST_F(Hostile, PickleBombs) {
  const auto refuse = [&](const std::string& pickle, const std::string& part) {
    expect_refused(file("b.pth", make_zip({{"a/data.pkl", "\x80\x02" + pickle}})), ErrorCode::format, part);
    expect_refused(file("l.pth", make_legacy("\x80\x02" + pickle, "")), ErrorCode::format, part);
  };
  refuse(std::string(200000, ']') + std::string(199999, 'a') + ".", "nested");
  std::string marked;
  for (int i = 0; i < 200000; ++i) marked += "](";
  refuse(marked, "nested");
  refuse("]r" + number(0x7fffffff, 4) + ".", "memo");
  refuse("X" + number(0xffffffff, 4) + "a.", "64 MiB");
  refuse("\x8d" + number(~0ull, 8) + "a.", "64 MiB");
  refuse(std::string(2100000, 'N') + ".", "stack of more than 1,000,000");
  refuse(std::string(10'000'000, ']') + std::string(9'999'999, 'a') + ".", "stack of more than 1,000,000");
  refuse(std::string(10'000'000, '(') + ".", "1,000 marks");
  refuse("N" + std::string(10'000'000, '\x85') + ".", "nested deeper than 200 levels");  // (((…,),),)
  std::string idle;
  for (int i = 0; i < 1000001; ++i) idle += "N0";
  refuse(idle + "N.", "2,000,000 opcodes");
  refuse("N", "truncated");
  refuse("NN.", "more or less than one");
  refuse(".", "more or less than one");
  refuse("0.", "takes more values");
  refuse("h\5.", "never stored");
  refuse("Iabc\n.", "opcode 0x49");
  refuse("N).R.", "");
  refuse("]ctorch\nFloatStorage\n)R.", "storage out of nothing");
  refuse("c" + std::string(100000, 'x') + "\n", "names something");
  refuse("c" + std::string(10'000'000, 'x'), "names something");  // and no end of it
  refuse("S'" + std::string(10'000'000, 'x'), "opcode 0x53");
  refuse(
      "(U\7storagectorch.storage\nUntypedStorage\nU\1"
      "0U\3cpuK\1tQ.",
      "type of its own");
}

std::string repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

// A few megabytes that would be copied, or searched, until memory or patience end.
TEST_F(Hostile, LargeContainersUsedAgainAndAgain) {
  const auto refuse = [&](const std::string& pickle, const std::string& part) {
    expect_refused(file("r.pth", make_zip({{"a/data.pkl", "\x80\x02" + pickle}})), ErrorCode::format, part);
  };
  const std::string copies = repeat("h\2h\1\x85R0", 20);
  refuse("]q\1(" + std::string(500000, 'N') +
             "e0ctorch\nSize\nq\2"
             "0" +
             copies + "N.",
         "more than 4,000,000");
  refuse("]q\1(" + repeat("NN\x86", 150000) +
             "e0ccollections\nOrderedDict\nq\2"
             "0" +
             copies + "N.",
         "more than 4,000,000");
  const std::string large = "}q\1(" + std::string(400000, 'N') + "u0";
  refuse(large + "}(" + repeat("U\5modelh\1", 200000) + "u.", "has the key 'model' twice");
  refuse(large + "}(" + repeat("Nh\1", 200000) + "u.", "no tensors");
  refuse("}q\1U\5modelh\1s.", "no tensors");
}

TEST_F(Hostile, WhatTerminalsObeyIsNotPrinted) {
  EXPECT_EQ(quote("a\x1b[2J\xc2\x9b"
                  "31m \xe2\x80\xae"
                  "b\xc3\xa9\xff"),
            "'a?[2J?31m ?b\xc3\xa9?'");
  EXPECT_FALSE(is_plain_utf8("\xc2\x90"));
  EXPECT_FALSE(is_plain_utf8("a\xe2\x81\xa6"));
  EXPECT_TRUE(is_plain_utf8("\xc2\xa0\xe2\x80\xa6"));
}

TEST_F(Hostile, DevicesInTheFileAreIgnored) {
  for (const std::string device : {"cuda:7", "meta", "no such thing"}) {
    std::string pickle = good_pickle;
    pickle.replace(pickle.find("cpu") - 4, 7, number(device.size(), 4) + device);
    const Checkpoint read =
        read_checkpoint(file("device.pth", make_zip({{"a/data.pkl", pickle}, {"a/data/0", four}})));
    EXPECT_TRUE(read.find("weight")->is_cpu());
  }
}

TEST_F(Hostile, DataBesideTheWeightsIsDroppedUnexecuted) {
  const std::string dict = good_pickle.substr(2, good_pickle.size() - 3);
  const std::vector<std::string> values{
      "cargparse\nNamespace\n)\x81}U\2lrK\1sb",
      "ccollections\nCounter\n}U\1aK\2s\x85R",
      "ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R",
      "c__builtin__\nset\n]K\1a\x85R",
      "ctorch\nSize\nK\1\x85\x85R",
      "ctorch\nfloat32\n",
      "ctorch\ndevice\nU\4cuda\x85R",
      "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\2f8\x89\x88\x87RU\1x\x86R",
      std::string("\x8b\1\0\0\0\5", 6)};
  for (const std::string& value : values) {
    const std::string pickle = "\x80\x02}(U\4args" + value + "U\5model" + dict + "u.";
    const auto path = file("inert.pth", make_zip({{"a/data.pkl", pickle}, {"a/data/0", four}}));
    ASSERT_NO_THROW(read_checkpoint(path)) << value;
    EXPECT_EQ(read_checkpoint(path).tensors.size(), 1u) << value;
  }
}

TEST_F(Hostile, NoStateDict) {
  const auto refuse = [&](const std::string& pickle, const std::string& part) {
    expect_refused(file("n.pth", make_zip({{"a/data.pkl", "\x80\x02" + pickle}})), ErrorCode::format, part);
  };
  refuse("].", "a list");
  refuse("}NNs}b.", "no tensors");
  refuse("}.", "no tensors");
  refuse("}U\1aK\1s.", "no tensors");
  refuse("ctorchvision.models.resnet\nResNet\n)\x81.", "'torchvision.models.resnet.ResNet'");
}

TEST_F(Hostile, LegacyStorages) {
  const std::string keys = "\x80\x02](X\1" + std::string(3, '\0') + "0e.";
  expect_refused(file("l.pth", make_legacy(good_pickle, keys + number(2, 8) + four + four)),
                 ErrorCode::format, "2 elements");
  expect_refused(file("l.pth", make_legacy(good_pickle, keys + number(1, 8) + four + "x")), ErrorCode::format,
                 "behind its last");
  expect_refused(file("l.pth", make_legacy(good_pickle, "\x80\x02]." + number(1, 8) + four)),
                 ErrorCode::format, "list of storages");
  expect_refused(file("l.pth", make_legacy(good_pickle, "\x80\x02](X\1" + std::string(3, '\0') + "1e." +
                                                            number(1, 8) + four)),
                 ErrorCode::format, "a storage that no tensor uses");
  std::string twice = good_pickle;  // the tensor once more, of the same storage and yet of another type
  twice.replace(twice.size() - 2, 2, "U\1w" + good_pickle.substr(good_pickle.find("ctorch._utils")));
  twice.replace(twice.rfind("FloatStorage"), 5, "Int");
  expect_refused(file("l.pth", make_legacy(twice, keys + number(1, 8) + four)), ErrorCode::format,
                 "one storage two types or sizes");
}

TEST_F(Hostile, LegacyHeads) {
  const std::string good = make_legacy(good_pickle, "");
  const auto refuse = [&](const std::string& part, const std::string& other, const std::string& message) {
    std::string changed = good;
    changed.replace(changed.find(part), part.size(), other);
    expect_refused(file("l.pth", changed), ErrorCode::format, message);
  };
  refuse("\x6c\xfc", "\x6c\xfd", "not one of torch.save: it does not begin with PyTorch's magic number");
  refuse("M\xe9\x03.", "M\xea\x03.", "another version of the legacy format than 1001");
  refuse("\x80\x02}.", "\x80\x02].", "its system information is no dict");
}

TEST_F(Hostile, TarLies) {
  using Members = std::vector<std::pair<std::string, std::string>>;
  const Members good{{"storages", tar_storages}, {"tensors", tar_tensors}, {"pickle", tar_pickle}};
  EXPECT_EQ(read_checkpoint(file("ok.tar", make_tar(good))).find("w")->item<float>(), 0);
  const auto refuse_members = [&](const Members& members, const std::string& part) {
    expect_refused(file("t.tar", make_tar(members)), ErrorCode::format, part);
  };
  // A header's field changed, and its sum with it.
  const auto refuse_header = [&](std::size_t position, const std::string& bytes, const std::string& part) {
    std::string archive = make_tar(good);
    unsigned sum = static_cast<unsigned>(std::stoul(archive.substr(148, 6), nullptr, 8));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      sum += static_cast<unsigned char>(bytes[i]);
      sum -= static_cast<unsigned char>(archive[position + i]);
    }
    archive.replace(position, bytes.size(), bytes);
    char text[7];
    std::snprintf(text, sizeof(text), "%06o", sum);
    archive.replace(148, 6, text);
    expect_refused(file("t.tar", archive), ErrorCode::format, part);
  };
  refuse_header(124, "77777777777", "a member of its tar archive ends behind its end");
  refuse_header(124, "-0000000001", "a member of its tar archive ends behind its end");
  refuse_header(124, "\x80\xff\xff\xff", "a member of its tar archive ends behind its end");
  for (const char* kind : {"1", "2", "5", "L", "S"}) refuse_header(156, kind, "no plain file");
  refuse_header(0, "../../../etc/passwd", "without the member 'storages'");
  std::string damaged = make_tar(good);
  damaged[512 + (tar_storages.size() + 511) / 512 * 512] = 'T';  // of "tensors"
  expect_refused(file("t.tar", damaged), ErrorCode::format, "a damaged tar header");
  refuse_members({good[0], good[0], good[1], good[2]}, "the tar member 'storages' twice");
  refuse_members({good[0], good[1]}, "without the member 'pickle'");

  const auto with = [&](std::size_t member, const std::string& data) {
    Members members = good;
    members[member].second = data;
    return members;
  };
  const std::string many = "\x80\x02J" + number(100001, 4) + ".",
                    negative = "\x80\x02J" + number(~0ull, 4) + ".";
  for (const std::string& count : {many, negative, no_views}) {
    refuse_members(with(0, count + tar_storage + no_views), "a damaged number of storages");
    refuse_members(with(1, count + tar_tensor), "a damaged number of tensors");
  }
  const auto storage_of = [](std::uint64_t size) {
    std::string storage = tar_storage;
    return storage.replace(storage.size() - 12, 8, number(size, 8));
  };
  const std::string one = "\x80\x02K\1.", two = "\x80\x02K\2.";
  refuse_members(with(0, one + storage_of(2) + no_views), "is truncated");
  refuse_members(with(0, one + storage_of(~0ull) + no_views), "a storage has an impossible size");
  refuse_members(with(0, one + storage_of(1ull << 62) + no_views), "a storage has an impossible size");
  refuse_members(with(0, one + "\x80\x02N." + no_views), "not described by key, device and class");
  refuse_members(with(0, two + tar_storage + tar_storage + no_views), "one storage twice");
  refuse_members(with(0, tar_storages + "x"), "data behind its last storage");
  refuse_members(with(0, one + tar_storage + "\x80\x02N."), "storage views are no list");
  const auto viewed = [&](const std::string& view) {
    return with(0, one + tar_storage + "\x80\x02](" + view + "te.");
  };
  refuse_members(viewed("(K\x08K\x09K\1K\1"), "a storage view is not key, storage, offset and size");
  refuse_members(viewed("(K\x08K\7K\1K\1"), "a view reaches behind the end of its storage");
  refuse_members(viewed("(K\x08K\7J" + number(~0ull, 4) + "K\1"), "a view reaches behind the end");
  refuse_members(viewed("(K\7K\7" + std::string("K\0K\1", 4)), "one storage twice");

  const auto tensor_with = [](std::size_t from_end, const std::string& bytes) {
    std::string tensor = tar_tensor;
    return "\x80\x02K\1." + tensor.replace(tensor.size() - from_end, bytes.size(), bytes);
  };
  refuse_members(with(1, tensor_with(32, number(17, 8))), "more than 16 dimensions");
  refuse_members(with(1, tensor_with(24, number(2, 8))), "behind the end of its storage");
  refuse_members(with(1, tensor_with(24, number(~0ull, 8))), "negative");
  refuse_members(with(1, tensor_with(16, number(~0ull, 8))), "negative");
  refuse_members(with(1, tensor_with(8, number(~0ull, 8))), "offset is negative");
  refuse_members(with(1, tensor_with(8, number(1, 8))), "behind the end of its storage");
  refuse_members(with(1, two + tar_tensor + tar_tensor), "one tensor twice");
  refuse_members(with(1, tar_tensors + "x"), "data behind its last tensor");
  refuse_members(with(1, one + "\x80\x02N."), "not described by key, storage and class");
  refuse_members(with(2, tar_pickle + "x"), "data behind its pickle");
  refuse_members(with(2,
                      "\x80\x02}U\1wU\2"
                      "22Qs."),
                 "refers to a tensor that it does not hold");
  refuse_members(with(2,
                      "\x80\x02}U\1wU\2"
                      "2xQs."),
                 "which is no number");
}

TEST_F(Hostile, ViewsOfLegacyStorages) {
  const auto view = [](std::int64_t offset, std::int64_t size) {
    const auto integer = [](std::int64_t value) {
      return "\x8a\x08" + number(static_cast<std::uint64_t>(value), 8);
    };
    std::string pickle = tensor_pickle(4, 0, {1}, {1});
    return pickle.insert(pickle.find("tQ"), "(U\1v" + integer(offset) + integer(size) + "t");
  };
  const at::Tensor values = at::arange(4, at::kFloat);
  const std::string keys = "\x80\x02](X\1" + std::string(3, '\0') + "0e.";
  const std::string data =
      keys + number(4, 8) + std::string(static_cast<const char*>(values.const_data_ptr()), 16);
  const Checkpoint read = read_checkpoint(file("l.pth", make_legacy(view(2, 2), data)));
  EXPECT_EQ(read.find("weight")->item<float>(), 2);
  expect_refused(file("l.pth", make_legacy(view(2, 3), data)), ErrorCode::format,
                 "view reaches behind the end");
  expect_refused(file("l.pth", make_legacy(view(-1, 1), data)), ErrorCode::format,
                 "view reaches behind the end");
  expect_refused(
      file("z.pth", make_zip({{"a/data.pkl", view(0, 1)}, {"a/data/0", four + four + four + four}})),
      ErrorCode::format, "a storage that is a view");
}

TEST_F(Hostile, TensorsDescribedInTheWayOfAnotherFormat) {
  expect_refused(file("z.pth", make_zip({{"a/data.pkl", "\x80\x02}U\1wK\5Qs."}})), ErrorCode::format,
                 "older format");
  expect_refused(
      file("t.pth",
           make_tar({{"storages", no_objects + no_views}, {"tensors", no_objects}, {"pickle", good_pickle}})),
      ErrorCode::format, "later format");
}

TEST_F(Hostile, ATooLongDescriptionIsNotRead) {
  const std::string text((std::size_t{16} << 20) + 1, ' ');
  expect_refused(
      file("d.pth",
           make_zip({{"a/data.pkl", good_pickle}, {"a/data/0", four}, {"a/extra/model.json", text}})),
      ErrorCode::format, "16 MiB");
}

TEST_F(Hostile, MessagesCarryNoControlCharacters) {
  const auto path = file("m.pth", make_zip({{"a/data.pkl",
                                             "\x80\x02"
                                             "cev\x1b[31mil\nx\n."}}));
  try {
    read_checkpoint(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\x1b'), std::string::npos);
  }
}

TEST_F(HostileSafetensors, Lies) {
  const auto refuse = [&](const std::string& header, const std::string& data, const std::string& part) {
    expect_refused(file("s.safetensors", safetensors(header, data)), ErrorCode::format, part);
  };
  const auto entry = [](const std::string& name, const std::string& shape, const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets +
           "]}";
  };
  EXPECT_NO_THROW(
      read_checkpoint(file("ok.safetensors", safetensors("{" + entry("a", "1", "0,4") + "}  ", four))));
  refuse("{" + entry("a", "1", "4,8") + "}", four + four, "hole");
  refuse("{" + entry("a", "1", "0,4") + "," + entry("b", "1", "8,12") + "}", four + four + four, "hole");
  refuse("{" + entry("a", "2", "0,8") + "," + entry("b", "1", "4,8") + "}", four + four, "overlapping");
  refuse("{" + entry("a", "1", "0,4") + "}", four + "x", "behind its last tensor");
  refuse("{" + entry("a", "2", "0,8") + "}", four, "truncated");
  refuse("{" + entry("a", "2", "0,4") + "}", four, "do not fit");
  refuse("{" + entry("a", "1", "4,0") + "}", four, "do not fit");
  refuse("{" + entry("a", "4294967296,4294967296", "0,4") + "}", four, "overflows");
  refuse("{" + entry("a", "0,4611686018427387904,4611686018427387904", "0,0") + "," + entry("b", "1", "0,4") +
             "}",
         four, "overflows");
  refuse("{" + entry("", "1", "0,4") + "}", four, "unusable name");
  refuse("{" + entry("a", "-1", "0,4") + "}", four, "non-negative");
  refuse("{" + entry("a", "1.0", "0,4") + "}", four, "non-negative");
  refuse("{" + entry("a", "1", "0,4") + "," + entry("a", "1", "0,4") + "}", four, "twice");
  refuse("{" + entry("a", "1", "0,4") + ",\"__metadata__\":{\"x\":1}}", four, "no string");
  refuse("{" + entry("a", "1", "0,4") + ",\"__metadata__\":{\"resnet\":\"{\"}}", four, "no JSON");
  refuse("{" + entry("a", "1", "0,4") + "}" + std::string(1, '\0') + "x", four, "NUL");
  refuse("{" + entry("a", "1", "0,4"), four, "no JSON");
  refuse("{" + entry("\xff", "1", "0,4") + "}", four, "no JSON");
  refuse("{}", "", "no tensors");
  refuse("[" + std::string(200000, '['), "", "begin with '{'");
  refuse("{\"a\":" + std::string(10'000'000, '['), "", "nested deeper");
  refuse("{" + entry("a", "1", "0,4") + ",\"__metadata__\":{\"x\":NaN}}", four, "no JSON");
  refuse("{" + entry("a", "1", "0,4") + ",\"__metadata__\":{\"resnet\":\"{\\\"temperature\\\":NaN}\"}}", four,
         "no JSON");
  expect_refused(file("t.safetensors",
                      safetensors("{\"a\":{\"dtype\":\"F4\",\"shape\":[],\"data_offsets\":[0,4]}}", four)),
                 ErrorCode::unsupported, "'F4'");
  expect_refused(file("h.safetensors", number(100'000'001, 8) + "{}"), ErrorCode::format, "100 MB");
  expect_refused(file("h.safetensors", number(~0ull, 8) + "{}"), ErrorCode::format, "100 MB");
  expect_refused(file("h.safetensors", number(99, 8) + "{}"), ErrorCode::format, "header ends behind");
}

}  // namespace
}  // namespace resnet::testing
