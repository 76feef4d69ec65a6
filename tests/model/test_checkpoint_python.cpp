// Files of the real PyTorch and safetensors, read here; files written here, read there.
#include <ATen/ATen.h>

#include "tests/model/checkpoint_fixtures.h"

namespace resnet::testing {
namespace {

class Python : public CheckpointTest {
 protected:
  void SetUp() override {
    if (!has_python()) GTEST_SKIP() << "RESNET_PYTHON names no Python with torch and safetensors";
  }
};

TEST_F(Python, ReadsWhatTorchSaves) {
  run_python(R"(
import sys, argparse, collections, torch, numpy as np
folder = sys.argv[1]
base = torch.arange(24, dtype=torch.float32)
sd = collections.OrderedDict(
    float=base.reshape(2, 3, 4), half=base.half(), bfloat=base.bfloat16(), double=base.double(),
    transposed=base.reshape(4, 6).t(), sliced=base[3:9:2], shared=base[5:], expanded=torch.tensor([7.0]).expand(3, 2),
    parameter=torch.nn.Parameter(base[:4]), count=torch.tensor(5), mask=torch.tensor([True, False]),
    empty=torch.zeros(0, 3), byte=torch.arange(5, dtype=torch.uint8), channels_last=torch.arange(48.).reshape(2, 2, 3, 4).contiguous(memory_format=torch.channels_last))
sd._metadata = collections.OrderedDict([('', {'version': 1})])
wrapped = {'epoch': 3, 'best_acc1': torch.tensor(0.5), 'model': dict(sd),
    'optimizer': {'state': {0: {'step': torch.tensor(1.0)}}, 'param_groups': [{'lr': 0.1, 'betas': (0.9, 0.999)}]},
    'args': argparse.Namespace(lr=0.1, names=['a'], size=torch.Size([1, 2]), dtype=torch.float32, device=torch.device('cpu')),
    'scalar': np.float64(0.25), 'counter': collections.Counter('abca'), 'default': collections.defaultdict(list, {'a': [1]}),
    'set': {1, 2}, 'frozen': frozenset([1]), 'text': 'x' * 300, 'bytes': b'abc', 'big': 2 ** 80, 'negative': -5}
for protocol in (2, 4, 5):
    for zipped in (True, False):
        for name, value in (('bare', sd), ('wrapped', wrapped)):
            torch.save(value, f'{folder}/{name}-{protocol}-{zipped}.pth', pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
torch.serialization.set_crc32_options(False)
torch.save(sd, f'{folder}/bare-nocrc-True.pth')
)",
             {folder_.string()});
  const at::Tensor base = at::arange(24, at::kFloat);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    SCOPED_TRACE(entry.path().filename().string());
    ++files;
    Checkpoint read;
    ASSERT_NO_THROW(
        try { read = read_checkpoint(entry.path()); } catch (const Error& error) {
          std::puts(error.what());
          throw;
        });
    const bool zipped = entry.path().filename().string().find("True") != std::string::npos;
    EXPECT_EQ(read.format, zipped ? CheckpointFormat::torch_zip : CheckpointFormat::torch_legacy);
    ASSERT_EQ(read.tensors.size(), 14u);
    const std::vector<std::pair<std::string, at::Tensor>> expected{
        {"float", base.reshape({2, 3, 4})},
        {"half", base.to(at::kHalf)},
        {"bfloat", base.to(at::kBFloat16)},
        {"double", base.to(at::kDouble)},
        {"transposed", base.reshape({4, 6}).t()},
        {"sliced", base.slice(0, 3, 9, 2)},
        {"shared", base.slice(0, 5)},
        {"expanded", at::full({3, 2}, 7.f)},
        {"parameter", base.slice(0, 0, 4)},
        {"count", at::full({}, 5, at::kLong)},
        {"mask", at::arange(1, -1, -1).to(at::kBool)},
        {"empty", at::zeros({0, 3})},
        {"byte", at::arange(5, at::kByte)},
        {"channels_last", at::arange(48, at::kFloat).reshape({2, 2, 3, 4})}};
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(read.tensors[i].first, expected[i].first);
      EXPECT_EQ(read.tensors[i].second.scalar_type(), expected[i].second.scalar_type());
      EXPECT_TRUE(at::equal(read.tensors[i].second, expected[i].second)) << expected[i].first;
    }
  }
  EXPECT_EQ(files, 13);
}

// As Variables of PyTorch before 0.4 were pickled, in torchvision's files of 2017 for example.
TEST_F(Python, ReadsParametersOfTheFirstReleases) {
  run_python(R"(
import sys, torch
class Old:
    def __init__(self, *reduced): self.reduced = reduced
    def __reduce_ex__(self, protocol): return self.reduced
data, parameter = torch.arange(3.0), torch.nn.Parameter
torch.save({'called': Old(parameter, (data,), (True, False, None)), 'set': Old(parameter, (), (data, None, None, True, False)),
    'both': Old(parameter, (data, True))}, sys.argv[1], _use_new_zipfile_serialization=False)
assert all(v.equal(data) for v in torch.load(sys.argv[1], weights_only=True).values())
torch.save({'w': data, 'bad': Old(parameter, (data,), (data, None))}, sys.argv[2])
)",
             {(folder_ / "old.pth").string(), (folder_ / "bad.pth").string()});
  const Checkpoint read = read_checkpoint(folder_ / "old.pth");
  ASSERT_EQ(read.tensors.size(), 3U);
  for (const auto& [name, tensor] : read.tensors)
    EXPECT_TRUE(tensor.equal(at::arange(3, at::kFloat))) << name;
  expect_refused(folder_ / "bad.pth", ErrorCode::format, "sets the state of a tensor");
}

TEST_F(Python, TensorsOfOneStorageHaveMemoryOfTheirOwn) {
  // Large enough that they are not copied out of the file.
  const std::string program = R"(
import sys, torch
base = torch.arange(100000, dtype=torch.float32)
torch.save({"whole": base, "again": base, "end": base[1000:], "other": base + 1}, sys.argv[1])
)";
  run_python(program, {(folder_ / "tied.pth").string()});
  Checkpoint read = read_checkpoint(folder_ / "tied.pth");
  ASSERT_EQ(read.tensors.size(), 4U);
  const at::Tensor base = at::arange(100000, at::kFloat);
  const std::vector<at::Tensor> expected{base, base, base.slice(0, 1000), base + 1};
  for (std::size_t changed = 0; changed < 4; ++changed) {
    for (std::size_t i = changed; i < 4; ++i) {
      EXPECT_TRUE(read.tensors[i].second.equal(expected[i])) << read.tensors[i].first << " after " << changed;
    }
    read.tensors[changed].second.fill_(-1);
    read.tensors[changed].second.reset();  // its memory is given back
  }
}

TEST_F(Python, RefusesAWholeModelAndNamesIt) {
  run_python(
      "import sys, torch; torch.save(torch.nn.Linear(1, 1), sys.argv[1]); "
      "torch.jit.script(torch.nn.Linear(1, 1)).save(sys.argv[2])",
      {(folder_ / "model.pth").string(), (folder_ / "script.pt").string()});
  expect_refused(folder_ / "model.pth", ErrorCode::format, "torch.nn.modules.linear.Linear");
  expect_refused(folder_ / "script.pt", ErrorCode::format, "TorchScript");
}

TEST_F(Python, RefusesViewsWhoseValuesAreNotThoseOfTheirStorage) {
  run_python("import sys, torch; torch.save({'w': torch._neg_view(torch.ones(3))}, sys.argv[1])",
             {(folder_ / "negated.pth").string()});
  expect_refused(folder_ / "negated.pth", ErrorCode::format, "which is not supported");
}

TEST_F(Python, TorchReadsWhatIsWritten) {
  const at::Tensor base = at::arange(24, at::kFloat);
  const NamedTensors tensors{{"w", base.reshape({4, 6}).t()},    {"half", base.to(at::kHalf)},
                             {"bfloat", base.to(at::kBFloat16)}, {"count", at::full({}, 5, at::kLong)},
                             {"empty", at::zeros({0, 3})},       {"mask", at::ones({3}, at::kBool)}};
  write_pth(folder_ / "a.pth", tensors, {{"classes", {"a"}}});
  write_safetensors(folder_ / "a.safetensors", tensors, {{"classes", {"a"}}});
  run_python(R"(
import sys, json, torch, safetensors, safetensors.torch as st
base = torch.arange(24, dtype=torch.float32)
expected = dict(w=base.reshape(4, 6).t(), half=base.half(), bfloat=base.bfloat16(), count=torch.tensor(5), empty=torch.zeros(0, 3), mask=torch.ones(3, dtype=torch.bool))
def check(tensors, ordered=True):
    assert set(tensors) == set(expected) and (not ordered or list(tensors) == list(expected)), list(tensors)
    for key, value in expected.items():
        assert tensors[key].dtype == value.dtype and torch.equal(tensors[key], value), key
    assert tensors['w'].is_contiguous()
check(torch.load(sys.argv[1], weights_only=True))
check(torch.load(sys.argv[1], weights_only=True, mmap=True))
check(torch.load(sys.argv[1], weights_only=False))
check(st.load_file(sys.argv[2]), ordered=False)
with safetensors.safe_open(sys.argv[2], 'pt') as f:
    assert f.metadata()['format'] == 'pt' and json.loads(f.metadata()['resnet']) == {'classes': ['a']}
import zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None and json.loads(z.read('archive/extra/model.json')) == {'classes': ['a']}
)",
             {(folder_ / "a.pth").string(), (folder_ / "a.safetensors").string()});
}

TEST_F(Python, ReadsWhatSafetensorsWrites) {
  run_python(R"(
import sys, torch, safetensors.torch as st
base = torch.arange(24, dtype=torch.float32)
st.save_file(dict(w=base.reshape(4, 6), half=base.half(), bfloat=base.bfloat16(), count=torch.tensor(5), mask=torch.ones(3, dtype=torch.bool)), sys.argv[1], metadata={'format': 'pt'})
)",
             {(folder_ / "a.safetensors").string()});
  const Checkpoint read = read_checkpoint(folder_ / "a.safetensors");
  ASSERT_EQ(read.tensors.size(), 5u);
  const at::Tensor base = at::arange(24, at::kFloat);
  EXPECT_TRUE(at::equal(*read.find("w"), base.reshape({4, 6})));
  EXPECT_TRUE(at::equal(*read.find("half"), base.to(at::kHalf)));
  EXPECT_TRUE(at::equal(*read.find("bfloat"), base.to(at::kBFloat16)));
  EXPECT_TRUE(at::equal(*read.find("count"), at::full({}, 5, at::kLong)));
}

}  // namespace
}  // namespace resnet::testing
