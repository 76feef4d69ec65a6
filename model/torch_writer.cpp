// write_pth: a plain pickle in a STORED zip, which every PyTorch since 1.6 loads.
#include "model/byte_writer.h"
#include "model/error.h"
#include "model/pickle_globals.h"
#include "model/quote.h"
#include "model/torch_formats.h"
#include "model/zip_writer.h"

namespace resnet {
namespace {

/// Writes the opcodes that a state dict takes, in pickle protocol 2.
class PickleWriter {
 public:
  PickleWriter() { out_ = "\x80\x02"; }

  void ordered_dict() { out_ += "ccollections\nOrderedDict\n)R"; }
  void global(std::string_view module, std::string_view name) {
    out_ += 'c';
    out_.append(module).append("\n").append(name).append("\n");
  }
  void text(std::string_view value) {
    out_ += 'X';
    append_little_endian(out_, value.size(), 4);
    out_ += value;
  }
  void integer(std::int64_t value) {
    if (value >= 0 && value < 256) {
      out_ += 'K';
      append_little_endian(out_, static_cast<std::uint64_t>(value), 1);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
      out_ += 'J';
      append_little_endian(out_, static_cast<std::uint64_t>(value), 4);
    } else {
      out_ += "\x8a\x08";
      append_little_endian(out_, static_cast<std::uint64_t>(value), 8);
    }
  }
  void tuple(at::IntArrayRef values) {
    out_ += '(';
    for (const std::int64_t value : values) integer(value);
    out_ += 't';
  }
  void opcodes(std::string_view text) { out_ += text; }

  const std::string& result() const { return out_; }

 private:
  std::string out_;
};

void add_tensor(PickleWriter& pickle, const std::string& key, const at::Tensor& tensor,
                std::string_view storage_class) {
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.opcodes("((");
  pickle.text("storage");
  pickle.global("torch", storage_class);
  pickle.text(key);
  pickle.text("cpu");
  pickle.integer(tensor.numel());
  pickle.opcodes("tQ");
  pickle.integer(0);
  pickle.tuple(tensor.sizes());
  pickle.tuple(contiguous_strides(tensor.sizes()).value_or(tensor.strides().vec()));
  pickle.opcodes("\x89");  // requires_grad=False
  pickle.ordered_dict();   // backward hooks
  pickle.opcodes("tR");
}

std::string make_pickle(const std::filesystem::path& path, const NamedTensors& tensors) {
  PickleWriter pickle;
  pickle.ordered_dict();
  pickle.opcodes("(");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    const auto storage_class = storage_class_name(tensor.scalar_type());
    if (!storage_class) {
      throw Error(ErrorCode::write, "cannot write " + quote_path(path) +
                                        ": torch.save has no storage class for the tensor " + quote(name));
    }
    pickle.text(name);
    add_tensor(pickle, std::to_string(i), tensor, *storage_class);
  }
  pickle.opcodes("u.");
  return pickle.result();
}

}  // namespace

void write_pth(const std::filesystem::path& path, const NamedTensors& tensors, const nlohmann::json& info) {
  check_writable(path, tensors);
  const std::string pickle = make_pickle(path, tensors);
  write_file_atomically(path, [&](FileWriter& out) {
    ZipWriter zip(out, quote_path(path));
    zip.add("archive/data.pkl", pickle);
    zip.add("archive/byteorder", "little");
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const at::Tensor tensor = writable(tensors[i].second);
      zip.add("archive/data/" + std::to_string(i), tensor.const_data_ptr(), tensor.nbytes());
    }
    if (!info.is_null()) {
      zip.add("archive/extra/model.json", info.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    }
    zip.add("archive/version", "3\n");
    zip.finish();
  });
}

}  // namespace resnet
