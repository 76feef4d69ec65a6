#include "tests/model/checkpoint_fixtures.h"

#include <cstdlib>

#include <glib.h>
#include <libdeflate.h>

namespace resnet::testing {

std::filesystem::path CheckpointTest::file(const std::string& name, std::string_view bytes) const {
  const auto path = folder_ / name;
  write_text(path, std::string(bytes));
  return path;
}

std::string number(std::uint64_t value, int bytes) {
  std::string result;
  for (int i = 0; i < bytes; ++i, value >>= 8) result += static_cast<char>(value & 0xff);
  return result;
}

std::string make_zip(const std::vector<ZipItem>& items, bool zip64) {
  std::string archive, directory;
  for (const ZipItem& item : items) {
    const std::uint32_t crc =
        libdeflate_crc32(0, item.data.data(), item.data.size()) ^ (item.bad_crc ? 1u : 0u);
    const std::string start = number(0, 2) + number(item.flags, 2) +
                              number(static_cast<std::uint64_t>(item.method), 2) + number(0, 4);
    const std::string sizes = number(crc, 4) + number(item.data.size(), 4) + number(item.data.size(), 4);
    const std::string name_size = number(item.name.size(), 2) + number(0, 2);
    const bool described = (item.flags & 8) != 0;
    directory += "PK\1\2" + number(0, 2) + start + sizes + name_size + number(0, 10) +
                 number(archive.size(), 4) + item.name;
    archive += "PK\3\4" + start + (described ? number(0, 12) : sizes) + name_size + item.name + item.data;
    if (described) archive += "PK\7\10" + sizes;
  }
  const std::uint64_t end = archive.size() + directory.size();
  const auto numbers = [&](int bytes) { return number(items.size(), bytes) + number(items.size(), bytes); };
  if (!zip64)
    return archive + directory + "PK\5\6" + number(0, 4) + numbers(2) + number(directory.size(), 4) +
           number(archive.size(), 4) + number(0, 2);
  return archive + directory + "PK\6\6" + number(44, 8) + number(0, 12) + numbers(8) +
         number(directory.size(), 8) + number(archive.size(), 8) + "PK\6\7" + number(0, 4) + number(end, 8) +
         number(1, 4) + "PK\5\6" + number(0, 4) + std::string(12, '\xff') + number(0, 2);
}

namespace {

std::string text(const std::string& value) { return "X" + number(value.size(), 4) + value; }
std::string integer(std::int64_t value) { return "\x8a\x08" + number(static_cast<std::uint64_t>(value), 8); }

}  // namespace

std::string tensor_pickle(std::int64_t elements, std::int64_t offset, const std::vector<std::int64_t>& sizes,
                          const std::vector<std::int64_t>& strides) {
  std::string result = "\x80\x02}(" + text("weight") + "ctorch._utils\n_rebuild_tensor_v2\n((" +
                       text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") +
                       integer(elements) + "tQ" + integer(offset) + "(";
  for (const auto size : sizes) result += integer(size);
  result += "t(";
  for (const auto stride : strides) result += integer(stride);
  return result + "t\x89}tRu.";
}

std::string make_legacy(const std::string& pickle, const std::string& tail) {
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  return magic + "\x80\x02M\xe9\x03." + "\x80\x02}." + pickle + tail;
}

std::string make_tar(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string archive;
  for (const auto& [name, data] : members) {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    char size[13];
    std::snprintf(size, sizeof(size), "%011o", static_cast<unsigned>(data.size()));
    header.replace(124, 11, size);
    header[156] = '0';
    header.replace(148, 8, "        ");
    unsigned sum = 0;
    for (const char byte : header) sum += static_cast<unsigned char>(byte);
    std::snprintf(size, sizeof(size), "%06o", sum);
    header.replace(148, 7, std::string(size, 6) + '\0');
    archive += header + data + std::string((512 - data.size() % 512) % 512, '\0');
  }
  return archive + std::string(1024, '\0');
}

std::string system_pickle(const std::filesystem::path& touched) {
  return "\x80\x02"
         "cposix\nsystem\n" +
         text("touch " + touched.string()) + "\x85R.";
}

std::string safetensors(const std::string& header, const std::string& data) {
  return number(header.size(), 8) + header + data;
}

void expect_refused(const std::filesystem::path& path, ErrorCode code, const std::string& part) {
  try {
    read_checkpoint(path);
    ADD_FAILURE() << path << " was accepted";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_NE(message.find(path.filename().string()), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_LT(message.size(), 600u + path.string().size()) << message;
  }
}

std::string sha256(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.contiguous();
  gchar* text = g_compute_checksum_for_data(
      G_CHECKSUM_SHA256, static_cast<const guchar*>(bytes.const_data_ptr()), bytes.nbytes());
  std::string result = text;
  g_free(text);
  return result;
}

bool has_python() { return std::getenv("RESNET_PYTHON") != nullptr; }

void run_python(const std::string& program, const std::vector<std::string>& arguments) {
  std::string command = "\"$RESNET_PYTHON\" -c \"$RESNET_TEST_PROGRAM\"";
  for (const auto& argument : arguments) command += " '" + argument + "'";
  setenv("RESNET_TEST_PROGRAM", program.c_str(), 1);
  EXPECT_EQ(std::system(command.c_str()), 0) << program;
}

}  // namespace resnet::testing
