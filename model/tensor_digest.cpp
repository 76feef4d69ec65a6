#include "model/tensor_digest.h"

#include <algorithm>
#include <array>
#include <memory>

#include <openssl/evp.h>

#include "model/error.h"
#include "model/torch_formats.h"

namespace resnet {
namespace {

class Sha256 {
 public:
  Sha256() { check(context_ ? EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) : 0); }

  void add(const void* data, std::size_t size) { check(EVP_DigestUpdate(context_.get(), data, size)); }

  /// "sha256:…". Once.
  std::string text() {
    constexpr char digits[] = "0123456789abcdef";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    check(EVP_DigestFinal_ex(context_.get(), digest.data(), &size));
    std::string text = "sha256:";
    for (std::size_t i = 0; i < size; ++i) {
      text += digits[digest[i] / 16];
      text += digits[digest[i] % 16];
    }
    return text;
  }

 private:
  static void check(int done) {
    if (done != 1) throw Error(ErrorCode::read, "OpenSSL cannot compute SHA-256 here");
  }

  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

NamedTensors sorted(const NamedTensors& tensors) {
  NamedTensors sorted;
  for (const auto& entry : tensors) {
    if (!entry.first.ends_with("num_batches_tracked")) sorted.push_back(entry);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return sorted;
}

void add(Sha256& digest, const NamedTensors::value_type& entry) {
  const at::Tensor tensor = writable(entry.second);
  std::string header = entry.first + '\0' + c10::toString(tensor.scalar_type()) + '\0';
  for (const std::int64_t size : tensor.sizes()) header += std::to_string(size) + ',';
  header += '\0';
  digest.add(header.data(), header.size());
  digest.add(tensor.const_data_ptr(), tensor.nbytes());
}

}  // namespace

std::string tensor_digest(const NamedTensors& tensors) {
  Sha256 digest;
  for (const auto& entry : sorted(tensors)) add(digest, entry);
  return digest.text();
}

RunningDigest::RunningDigest(const NamedTensors& tensors)
    : tensors_(sorted(tensors)), digest_(std::async(std::launch::async, [this] { return run(); })) {}

std::string RunningDigest::run() {
  const auto tell = [this](std::size_t read) {
    read_ = read;
    read_.notify_all();
  };
  try {
    Sha256 digest;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      add(digest, tensors_[i]);
      tensors_[i].second.reset();
      tell(i + 1);
    }
    return digest.text();
  } catch (...) {
    tell(tensors_.size());
    throw;
  }
}

void RunningDigest::wait_for(const std::string& name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const auto& entry, const std::string& text) { return entry.first < text; });
  if (found == tensors_.end() || found->first != name) return;
  const auto index = static_cast<std::size_t>(found - tensors_.begin());
  for (std::size_t read = read_; read <= index; read = read_) read_.wait(read);
}

}  // namespace resnet
