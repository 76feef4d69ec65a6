#include "training/process_group.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <netdb.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <torch/cuda.h>
#include <unistd.h>

#include "model/error.h"

// ProcessGroupGloo's header needs Gloo's, which LibTorch's wheel does not hold. It has Gloo's objects behind
// shared pointers alone, so that Debian's headers do, though they are of another version: nothing of Gloo's
// is called or laid out here, and nothing linked but LibTorch.
#ifdef RESNET_HAVE_GLOO
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#ifdef RESNET_HAVE_NCCL
#define USE_C10D_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace resnet {

#ifdef RESNET_HAVE_GLOO
struct ProcessGroup::Backends {
  c10::intrusive_ptr<c10d::Backend> cpu, cuda;  ///< cuda: null without

  c10d::Backend& of(const at::Tensor& tensor) const { return tensor.is_cuda() && cuda ? *cuda : *cpu; }
};
#else
struct ProcessGroup::Backends {};
#endif

namespace {

constexpr std::chrono::minutes patience{10};

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

std::optional<std::size_t> number(const char* name) {
  const std::optional<std::string> text = variable(name);
  if (!text) return std::nullopt;
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value > 1'000'000) {
    throw Error(ErrorCode::format, std::string("the launcher's ") + name + " is '" + *text +
                                       "', expected a whole number from 0 to 1000000");
  }
  return value;
}

/// What two variables say. Nothing: there is no such launcher.
std::optional<Share> share_in(const char* index_name, const char* count_name) {
  const std::optional<std::size_t> index = number(index_name), count = number(count_name);
  if (!index && !count) return std::nullopt;
  if (!index || !count || *index >= *count) {
    throw Error(ErrorCode::format, std::string("the launcher's ") + index_name + " is " +
                                       variable(index_name).value_or("missing") + " and its " + count_name +
                                       " " + variable(count_name).value_or("missing") +
                                       ", expected a number below that of the processes");
  }
  return Share{*index, *count};
}

std::optional<Share> share_of_all() {
  const std::optional<Share> share = share_in("RANK", "WORLD_SIZE");
  return share ? share : share_in("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
}

#ifdef RESNET_HAVE_GLOO
Share share_of_machine() {
  std::optional<Share> share = share_in("LOCAL_RANK", "LOCAL_WORLD_SIZE");
  if (!share) share = share_in("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE");
  return share.value_or(Share{});
}

/// The first sentence of a message of LibTorch's or Gloo's, without the place in their source.
std::string reason(const std::exception& error) {
  std::string text = error.what();
  text.resize(std::min(text.size(), text.find('\n')));
  if (text.starts_with("[/")) text = text.substr(std::min(text.find("] "), text.size() - 2) + 2);
  return text.substr(0, text.find(". "));
}

/// This machine's address on the network that leads to `host`.
std::string address_towards(const std::string& host, const std::string& port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_DGRAM;
  const int problem = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (problem != 0) {
    throw Error(ErrorCode::device, "MASTER_ADDR '" + host + "': " + gai_strerror(problem));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  // Connecting a datagram socket sends nothing; it only chooses the route.
  const int descriptor = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  auto* address = reinterpret_cast<sockaddr*>(&own);
  std::string text(NI_MAXHOST, '\0');
  const bool routed = descriptor >= 0 && connect(descriptor, found->ai_addr, found->ai_addrlen) == 0 &&
                      getsockname(descriptor, address, &length) == 0 &&
                      getnameinfo(address, length, text.data(), static_cast<socklen_t>(text.size()), nullptr,
                                  0, NI_NUMERICHOST) == 0;
  const std::string why = std::strerror(errno);
  if (descriptor >= 0) close(descriptor);
  if (!routed) throw Error(ErrorCode::device, "MASTER_ADDR '" + host + "' cannot be reached: " + why);
  return text.substr(0, text.find('\0'));
}

c10::intrusive_ptr<c10d::Store> open_store(Share share, const std::string& host, std::uint16_t port) {
  c10d::TCPStoreOptions options;
  options.port = port;
  // torchrun's agent has a store already.
  options.isServer = share.index == 0 && variable("TORCHELASTIC_USE_AGENT_STORE") != "True";
  // Which outlives a restart, with the addresses of processes that are gone.
  const std::string attempt = "resnet/" + variable("TORCHELASTIC_RESTART_COUNT").value_or("0");
  options.waitWorkers = false;
  options.timeout = patience;
  return c10::make_intrusive<c10d::PrefixStore>(attempt, c10::make_intrusive<c10d::TCPStore>(host, options));
}

/// @param address of this machine, where no interface is named
c10::intrusive_ptr<c10d::Backend> open_gloo(const c10::intrusive_ptr<c10d::Store>& store, Share share,
                                            const std::string& address) {
  auto options = c10::make_intrusive<c10d::ProcessGroupGloo::Options>(patience);
  const std::optional<std::string> interface = variable("GLOO_SOCKET_IFNAME");
  options->devices.push_back(interface ? c10d::ProcessGroupGloo::createDeviceForInterface(*interface)
                                       : c10d::ProcessGroupGloo::createDeviceForHostname(address));
  // Sums of gradients may take two while batch norms wait for theirs.
  options->threads = 4;
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(share.index),
                                                     static_cast<int>(share.count), options);
}
#endif

}  // namespace

int ProcessGroup::gpu() const {
  const std::size_t count = static_cast<std::uint8_t>(torch::cuda::device_count());
  return count == 0 ? 0 : static_cast<int>(local_.index % count);
}

ProcessGroup ProcessGroup::apart() const {
  ProcessGroup one;
  one.local_ = local_;
  return one;
}

#ifdef RESNET_HAVE_GLOO

ProcessGroup ProcessGroup::from_environment(const std::string& device) {
  ProcessGroup group;
  const std::optional<Share> share = share_of_all();
  if (!share || share->count == 1) return group;
  group.share_ = *share;
  group.local_ = share_of_machine();
  const std::string host = variable("MASTER_ADDR").value_or("127.0.0.1");
  const std::size_t port = number("MASTER_PORT").value_or(c10d::TCPStoreOptions::kDefaultPort);
  if (port == 0 || port > 65535) {
    throw Error(ErrorCode::format,
                "the launcher's MASTER_PORT is " + std::to_string(port) + ", expected 1 to 65535");
  }
  const auto backends = std::make_shared<Backends>();
  group.attempt([&] {
    // First, as the store would try a host that does not exist for minutes.
    const std::string address = address_towards(host, std::to_string(port));
    const auto store = open_store(*share, host, static_cast<std::uint16_t>(port));
    backends->cpu = open_gloo(store, *share, address);
#ifdef RESNET_HAVE_NCCL
    if (device != "cpu" && at::hasCUDA()) {
      auto options = c10d::ProcessGroupNCCL::Options::create();
      options->timeout = patience;
      backends->cuda = c10::make_intrusive<c10d::ProcessGroupNCCL>(
          c10::make_intrusive<c10d::PrefixStore>("nccl", store), static_cast<int>(share->index),
          static_cast<int>(share->count), options);
    }
#else
    (void)device;
#endif
  });
  group.backends_ = backends;
  return group;
}

template <typename Work>
void ProcessGroup::attempt(const Work& work) const {
  try {
    work();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(ErrorCode::device, "process " + std::to_string(rank() + 1) + " of " + std::to_string(size()) +
                                       ": another process ended or does not answer (" + reason(error) + ")");
  }
}

std::function<void()> ProcessGroup::start_sum(at::Tensor tensor) const {
  if (alone()) return [] {};
  std::vector<at::Tensor> tensors{std::move(tensor)};
  c10::intrusive_ptr<c10d::Work> work;
  attempt([&] { work = backends_->of(tensors.front()).allreduce(tensors); });
  return [this, work] { attempt([&] { work->wait(); }); };
}

at::Tensor ProcessGroup::gather(const at::Tensor& tensor) const {
  if (alone()) return tensor.unsqueeze(0);
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(size())};
  shape.insert(shape.end(), tensor.sizes().begin(), tensor.sizes().end());
  const at::Tensor all = at::empty(shape, tensor.options());
  std::vector<std::vector<at::Tensor>> to{all.unbind(0)};
  std::vector<at::Tensor> from{tensor.contiguous()};
  attempt([&] { backends_->of(tensor).allgather(to, from)->wait(); });
  return all;
}

void ProcessGroup::share_first(at::Tensor tensor) const {
  if (alone()) return;
  std::vector<at::Tensor> tensors{std::move(tensor)};
  attempt([&] { backends_->of(tensors.front()).broadcast(tensors)->wait(); });
}

#else

ProcessGroup ProcessGroup::from_environment(const std::string& /*device*/) {
  const std::optional<Share> share = share_of_all();
  if (share && share->count > 1) {
    throw Error(ErrorCode::unsupported,
                "there are " + std::to_string(share->count) +
                    " processes, and this build works alone; it needs libgloo-dev for more");
  }
  return {};
}

std::function<void()> ProcessGroup::start_sum(at::Tensor /*tensor*/) const {
  return [] {};
}
at::Tensor ProcessGroup::gather(const at::Tensor& tensor) const { return tensor.unsqueeze(0); }
void ProcessGroup::share_first(at::Tensor /*tensor*/) const {}

#endif

void ProcessGroup::sum(at::Tensor tensor) const { start_sum(std::move(tensor))(); }

std::string ProcessGroup::of_first(const std::string& text) const {
  if (alone()) return text;
  at::Tensor length = at::tensor(static_cast<std::int64_t>(text.size()), at::kLong);
  share_first(length);
  at::Tensor bytes = at::empty(length.item<std::int64_t>(), at::kByte);
  if (first()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  if (bytes.numel() > 0) share_first(bytes);
  const auto* data = static_cast<const char*>(bytes.const_data_ptr());
  return {data, data + bytes.numel()};
}

double ProcessGroup::of_first(double value) const {
  at::Tensor shared = at::tensor(value, at::kDouble);
  share_first(shared);
  return shared.item<double>();
}

NamedTensors ProcessGroup::of_first(const NamedTensors& tensors) const {
  if (alone()) return tensors;
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [name, tensor] : tensors)
    list.push_back({name, tensor.sizes().vec(), static_cast<int>(tensor.scalar_type())});
  list = nlohmann::json::parse(of_first(list.dump()));
  NamedTensors result;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const at::Tensor tensor = first() ? tensors[i].second.cpu().contiguous()
                                      : at::empty(list[i][1].get<std::vector<std::int64_t>>(),
                                                  static_cast<at::ScalarType>(list[i][2].get<int>()));
    share_first(tensor);
    result.emplace_back(list[i][0].get<std::string>(), tensor);
  }
  return result;
}

std::vector<std::string> ProcessGroup::gather(const std::string& text) const {
  if (alone()) return {text};
  const at::Tensor lengths = gather(at::tensor(static_cast<std::int64_t>(text.size()), at::kLong));
  const at::Tensor bytes =
      at::zeros(std::max<std::int64_t>(1, lengths.max().item<std::int64_t>()), at::kByte);
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  const at::Tensor all = gather(bytes);
  std::vector<std::string> texts;
  for (std::int64_t i = 0; i < all.size(0); ++i) {
    const auto* data = static_cast<const char*>(all[i].const_data_ptr());
    texts.emplace_back(data, data + lengths[i].item<std::int64_t>());
  }
  return texts;
}

bool ProcessGroup::any(bool value) const {
  if (alone()) return value;
  at::Tensor count = at::tensor(static_cast<std::int64_t>(value), at::kLong);
  sum(count);
  return count.item<std::int64_t>() > 0;
}

}  // namespace resnet
