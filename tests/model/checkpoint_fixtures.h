#ifndef RESNET_TESTS_MODEL_CHECKPOINT_FIXTURES_H
#define RESNET_TESTS_MODEL_CHECKPOINT_FIXTURES_H

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "model/checkpoint.h"
#include "model/error.h"
#include "tests/temporary_folder.h"

namespace resnet::testing {

/// A folder of its own for every test, removed with it.
class CheckpointTest : public ::testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, std::string_view bytes) const;

  const TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

/// The little-endian bytes of a number.
std::string number(std::uint64_t value, int bytes);

struct ZipItem {
  std::string name;
  std::string data;
  bool bad_crc = false;
  int method = 0;
  std::uint16_t flags = 0;  ///< 8: sizes and CRC behind the data, as torch.save writes them
};
/// A zip archive of those items, however wrong they are. With zip64 it ends as torch.save's do: the plain end
/// record says nothing and the zip64 one all.
std::string make_zip(const std::vector<ZipItem>& items, bool zip64 = false);

/// A pickle of {"weight": tensor} over the storage "0", with these raw numbers.
std::string tensor_pickle(std::int64_t elements, std::int64_t offset, const std::vector<std::int64_t>& sizes,
                          const std::vector<std::int64_t>& strides);

/// A legacy stream around a pickle; `tail` is what follows: list of storages and their bytes.
std::string make_legacy(const std::string& pickle, const std::string& tail);

/// A tar archive of those members.
std::string make_tar(const std::vector<std::pair<std::string, std::string>>& members);

/// posix.system("touch FILE") as a pickle.
std::string system_pickle(const std::filesystem::path& touched);

std::string safetensors(const std::string& header, const std::string& data);

/// Expects that reading fails with `code` and a message that has the file's name and `part` in it.
void expect_refused(const std::filesystem::path& path, ErrorCode code, const std::string& part);

/// Of the bytes of a tensor in the order of its elements, in hexadecimal digits.
std::string sha256(const at::Tensor& tensor);

/// Whether RESNET_PYTHON names an interpreter.
bool has_python();
/// Runs a Python program with arguments; one that does not end with 0 fails the test.
void run_python(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace resnet::testing

#endif
