#include "training/shared_classification.h"

#include <algorithm>
#include <numeric>
#include <thread>

#include <ATen/Context.h>
#include <ATen/ops/zeros.h>
#include <nlohmann/json.hpp>

#include "model/error.h"

namespace resnet {
namespace {

constexpr std::size_t pictures_a_round = 1024;  // of each process

/// What one process found in a round: [pictures, 2, classes] logits and probabilities, and by their places in
/// it why some pictures could not be read.
struct Findings {
  at::Tensor numbers;
  nlohmann::json failures = nlohmann::json::object();
};

Findings classify_round(Classifier& classifier, const std::vector<std::filesystem::path>& pictures,
                        const std::string& title, bool& finished) {
  const auto classes = static_cast<std::int64_t>(classifier.classes().size());
  Findings findings;
  findings.numbers = at::zeros({static_cast<std::int64_t>(pictures_a_round), 2, classes});
  auto* numbers = findings.numbers.mutable_data_ptr<float>();
  const auto on_result = [&](std::size_t index, const Classifier::Result& result) {
    float* to = numbers + index * 2 * static_cast<std::size_t>(classes);
    std::copy(result.probabilities.begin(), result.probabilities.end(),
              std::copy(result.logits.begin(), result.logits.end(), to));
  };
  const auto on_failure = [&](std::size_t index, const std::string& why) {
    findings.failures[std::to_string(index)] = why;
  };
  finished = pictures.empty() || classifier.run(pictures, title, on_result, on_failure);
  return findings;
}

Classifier::Result result_of(const at::Tensor& numbers) {
  const auto row = [&](std::int64_t which) {
    const auto* begin = numbers[which].const_data_ptr<float>();
    return std::vector<float>(begin, begin + numbers.size(1));
  };
  return {row(0), row(1)};
}

void tell(const at::Tensor& numbers, const nlohmann::json& failures, std::size_t first, std::size_t count,
          const Classifier::OnResult& on_result, const OnFailure& on_failure) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto failure = failures.find(std::to_string(i));
    if (failure != failures.end()) {
      on_failure(first + i, failure->get<std::string>());
    } else {
      on_result(first + i, result_of(numbers[static_cast<std::int64_t>(i)]));
    }
  }
}

}  // namespace

void use_local_share(ClassifierOptions& options, const ProcessGroup& group) {
  const Share local = group.local_share();
  if (local.count == 1) return;
  if (options.threads == 0) {
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    options.threads = std::max(1, cores / static_cast<int>(local.count));
  }
  if (options.device == "cuda" || (options.device == "auto" && at::hasCUDA())) {
    options.device = "cuda:" + std::to_string(group.gpu());
  }
}

bool classify_together(Classifier& classifier, const ProcessGroup& group,
                       const std::vector<std::filesystem::path>& pictures, const std::string& title,
                       const Classifier::OnResult& on_result, const OnFailure& on_failure) {
  if (group.alone()) return classifier.run(pictures, title, on_result, on_failure);
  std::vector<std::size_t> order(pictures.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Batches rounds = batches_of(order, pictures_a_round * group.size());
  if (!group.same(std::to_string(order.size()))) {
    throw Error(ErrorCode::mismatch,
                "the processes do not find the same pictures; each needs a copy of them");
  }
  for (const std::vector<std::size_t>& round : rounds) {
    std::vector<std::filesystem::path> own;
    const Batches mine = share_of({round}, group.share(), 1);
    for (const std::size_t index : mine.front()) own.push_back(pictures[index]);
    bool finished = true;
    const Findings findings = classify_round(classifier, own, title, finished);
    if (group.any(!finished)) return false;
    const at::Tensor numbers = group.gather(findings.numbers);
    const std::vector<std::string> failures =
        group.gather(findings.failures.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    std::size_t first = round.front();
    for (std::size_t rank = 0; group.first() && rank < group.size(); ++rank) {
      const std::size_t count = share_of({round}, {rank, group.size()}, 1).front().size();
      tell(numbers[static_cast<std::int64_t>(rank)], nlohmann::json::parse(failures[rank]), first, count,
           on_result, on_failure);
      first += count;
    }
  }
  return true;
}

}  // namespace resnet
