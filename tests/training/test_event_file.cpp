#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "model/error.h"
#include "tests/temporary_folder.h"
#include "training/event_file.h"

namespace resnet {
namespace {

TEST(EventFile, CrcIsThatOfRfc3720) {
  // Its appendix B.4.
  std::string rising;
  for (char i = 0; i < 32; ++i) rising += i;
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c(rising), 0x46dd794eU);
  EXPECT_EQ(crc32c(std::string(rising.rbegin(), rising.rend())), 0x113fdb5cU);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST(EventFile, HoldsTheBytesThatTensorBoardWrites) {
  const TemporaryFolder folder;
  EventFile file(folder / "new/folder");
  file.add_scalar("loss/train", 300, 1.5, 0.25F);
  const std::string text = read_text(file.path());
  // By tensorboard 2.20's RecordWriter: Event(wall_time=1.5, step=300, summary=Summary(value=[Summary.Value(
  // tag="loss/train", simple_value=0.25)])).
  const std::string record = from_hex(
      "2100000000000000017becf609000000000000f83f10ac022a130a110a0a6c6f73732f747261696e"
      "150000803e6c5611a4");
  ASSERT_GT(text.size(), record.size());
  EXPECT_EQ(text.substr(text.size() - record.size()), record);
  EXPECT_NE(text.substr(0, text.size() - record.size()).find("brain.Event:2"), std::string::npos);
}

TEST(EventFile, TensorBoardReadsTheRun) {
  const char* python = std::getenv("RESNET_PYTHON");
  const std::string call = std::string("'") + (python == nullptr ? "" : python) + "' ";
  if (python == nullptr || std::system((call + "-c 'import tensorboard' 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "RESNET_PYTHON names no Python with tensorboard";
  }
  const TemporaryFolder folder;
  EventFile(folder / "run").add_scalar("loss/train", 1, 100.5, 0.5F);
  EventFile(folder / "run").add_scalar("loss/train", 2, 101.5, 0.25F);
  EventFile(folder / "run").add_scalar("accuracy/val", -1, 102.5, 1.0F);
  write_text(folder / "read.py",
             "import sys\n"
             "from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer\n"
             "run = EventMultiplexer().AddRunsFromDirectory(sys.argv[1])\n"
             "run.Reload()\n"
             "for tag in sorted(run.Runs()['run']['scalars']):\n"
             "    for e in run.Scalars('run', tag):\n"
             "        print(tag, e.step, e.wall_time, e.value)\n");
  const std::string out = (folder / "out").string();
  const std::string script =
      "'" + (folder / "read.py").string() + "' '" + folder.path().string() + "' >'" + out + "'";
  ASSERT_EQ(std::system((call + script).c_str()), 0);
  EXPECT_EQ(read_text(out), "accuracy/val -1 102.5 1.0\nloss/train 1 100.5 0.5\nloss/train 2 101.5 0.25\n");
}

TEST(EventFile, TheRunsFolderIsNotMadeAgain) {
  const TemporaryFolder folder;
  EXPECT_THROW(EventFile(folder / "taken away/tensorboard/model"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "taken away"));
}

TEST(EventFile, AResumedRunGetsAFileOfItsOwn) {
  const TemporaryFolder folder;
  const EventFile first(folder.path());
  const EventFile second(folder.path());
  EXPECT_NE(first.path(), second.path());
  EXPECT_TRUE(first.path().filename().string().starts_with("events.out.tfevents."));
}

TEST(EventFile, SaysWhereItCannotWrite) {
  const TemporaryFolder folder;
  write_text(folder / "file", "x");
  EXPECT_THROW(EventFile(folder / "file/x"), Error);
}

}  // namespace
}  // namespace resnet
