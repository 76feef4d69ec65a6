#include "model/cpu/plan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "model/cpu/head.h"

namespace resnet::cpu {

namespace {

// Of the largest activations of a group: what they are made of and what is made of them still fit into a
// third-level cache.
constexpr std::size_t group_bytes = std::size_t{4} << 20;
constexpr std::size_t page = 4096;

std::size_t whole_pages(std::size_t bytes) { return (bytes + page - 1) / page * page; }

/// `count` pictures of what is one.
Activations times(Activations one, int count) {
  one.pictures = count;
  return one;
}

/// Stages that as many pictures go through together, and where their buffers are.
struct Level {
  int pictures = 0;
  std::size_t first = 0, end = 0;
  std::array<std::size_t, buffer_count> at{};
};

class Planner {
 public:
  Planner(const Operations& operations, const Pixels& pixels, int threads)
      : operations_(operations), pixels_(pixels), threads_(threads) {}

  Plan make();

 private:
  struct Shapes {
    Activations input, output;
  };

  void find_levels();
  std::size_t reserve(std::size_t bytes);
  void reserve_buffers(Level& level);
  void add_level(std::size_t index, int first, int count, std::size_t output_at);
  void add_pictures();
  void add_stem(int first, int count, std::size_t output_at);
  void add_average(int first, const Activations& last, std::size_t last_at);
  Work& add_operation(const Operation& operation, const Activations& input, std::size_t input_at,
                      std::size_t output_at);
  void add(const Work& work, int units, std::size_t scratch_bytes);

  const Operations& operations_;
  const Pixels& pixels_;
  const int threads_;
  std::vector<Shapes> shapes_;  // of each stage, for one picture
  std::vector<Level> levels_;
  Plan plan_;
};

Plan Planner::make() {
  plan_.pictures = pixels_.pictures;
  plan_.height = pixels_.height;
  plan_.width = pixels_.width;
  find_levels();
  for (Level& level : levels_) reserve_buffers(level);
  plan_.features = features_of(shapes_.back().output, pixels_.pictures);
  plan_.features_at = reserve(plan_.features.bytes());
  const Level& last = levels_.back();
  const std::size_t last_at = last.at[operations_.stages.back().output];
  add_pictures();
  for (int first = 0; first < pixels_.pictures; first += last.pictures) {
    const int count = std::min(last.pictures, pixels_.pictures - first);
    add_level(levels_.size() - 1, first, count, last_at);
    add_average(first, times(shapes_.back().output, count), last_at);
  }
  if (operations_.head) {
    plan_.logits_at = plan_.memory_bytes;
    plan_.logits =
        add_operation(*operations_.head, plan_.features, plan_.features_at, plan_.logits_at).call.output;
    reserve(plan_.logits.bytes());
  }
  // Not a multiple of a page, lest the threads' places share those of the caches.
  plan_.scratch_bytes = whole_pages(plan_.scratch_bytes) + line_bytes;
  return std::move(plan_);
}

// Each block with as many pictures as fit, a multiple of what the block before it has.
void Planner::find_levels() {
  std::array<Activations, buffer_count> held;
  held[0] = operations_.stem->output_of(pixels_.part(0, 1));
  std::size_t first = 0, most = 0;  // of the block
  for (std::size_t i = 0; i < operations_.stages.size(); ++i) {
    const Stage& stage = operations_.stages[i];
    const Activations output = stage.operation->output_of(held[stage.input]);
    shapes_.push_back({held[stage.input], output});
    held[stage.output] = output;
    most = std::max({most, shapes_.back().input.bytes(), output.bytes()});
    if (!stage.adds) continue;
    const int before = levels_.empty() ? 1 : levels_.back().pictures;
    const int fit = static_cast<int>(group_bytes / most) / before * before;
    const int pictures = std::min(std::max(fit, before), pixels_.pictures);
    if (levels_.empty() || pictures != before) levels_.push_back({pictures, first, i + 1, {}});
    levels_.back().end = first = i + 1;
    most = 0;
  }
}

std::size_t Planner::reserve(std::size_t bytes) {
  const std::size_t at = plan_.memory_bytes;
  plan_.memory_bytes += whole_pages(bytes + overrun_bytes) + line_bytes;
  return at;
}

void Planner::reserve_buffers(Level& level) {
  std::array<std::size_t, buffer_count> bytes{};
  for (std::size_t i = level.first; i < level.end; ++i) {
    const Stage& stage = operations_.stages[i];
    bytes[stage.input] = std::max(bytes[stage.input], shapes_[i].input.bytes());
    bytes[stage.output] = std::max(bytes[stage.output], shapes_[i].output.bytes());
  }
  for (std::size_t i = 0; i < buffer_count; ++i)
    level.at[i] = reserve(bytes[i] * static_cast<std::size_t>(level.pictures));
}

// `count` pictures, from `first` on, through the levels up to this one, whose last stage writes to
// `output_at`.
void Planner::add_level(std::size_t index, int first, int count, std::size_t output_at) {
  const Level& level = levels_[index];
  const std::size_t input_at = level.at[operations_.stages[level.first].input];
  if (index == 0) {
    add_stem(first, count, input_at);
  } else {
    const int step = levels_[index - 1].pictures;
    for (int done = 0; done < count; done += step)
      add_level(index - 1, first + done, std::min(step, count - done),
                input_at + static_cast<std::size_t>(done) * shapes_[level.first].input.bytes());
  }
  for (std::size_t i = level.first; i < level.end; ++i) {
    const Stage& stage = operations_.stages[i];
    const std::size_t held_at = level.at[stage.output];
    Work& work = add_operation(*stage.operation, times(shapes_[i].input, count), level.at[stage.input],
                               i + 1 == level.end ? output_at : held_at);
    work.adds = stage.adds;
    work.residual_at = held_at;
  }
}

// In parts, so that all threads have some, and end at nearly the same time.
void Planner::add_pictures() {
  Work work;
  work.kind = Work::Kind::make_picture;
  constexpr int most_parts = 4, units_of_thread = 8;
  add(work, pixels_.pictures * std::clamp(units_of_thread * threads_ / pixels_.pictures, 1, most_parts), 0);
}

void Planner::add_stem(int first, int count, std::size_t output_at) {
  const Pixels pixels = pixels_.part(first, count);
  Work work;
  work.kind = Work::Kind::stem;
  work.first = first;
  work.call.output = operations_.stem->output_of(pixels);
  work.output_at = output_at;
  const int units = operations_.stem->units(pixels, threads_);
  add(work, units, operations_.stem->scratch_bytes(pixels, units));
}

void Planner::add_average(int first, const Activations& last, std::size_t last_at) {
  Work work;
  work.kind = Work::Kind::average;
  work.call.input = last;
  work.input_at = last_at;
  work.call.output = plan_.features;
  // A picture is a pixel of the features.
  work.output_at = plan_.features_at + static_cast<std::size_t>(first) * line_bytes;
  add(work, last.pictures, 0);
}

Work& Planner::add_operation(const Operation& operation, const Activations& input, std::size_t input_at,
                             std::size_t output_at) {
  Work work;
  work.operation = &operation;
  work.call.input = input;
  work.call.output = operation.output_of(input);
  operation.split(work.call, threads_);
  work.input_at = input_at;
  work.output_at = output_at;
  add(work, work.call.units(), operation.scratch_bytes(work.call));
  return plan_.work.back();
}

void Planner::add(const Work& work, int units, std::size_t scratch_bytes) {
  plan_.work.push_back(work);
  plan_.units.push_back(units);
  plan_.scratch_bytes = std::max(plan_.scratch_bytes, scratch_bytes);
}

}  // namespace

void Plan::place(std::byte* memory) {
  for (Work& one : work) {
    one.call.input.data = memory + one.input_at;
    one.call.output.data = memory + one.output_at;
    one.call.residual = one.adds ? memory + one.residual_at : nullptr;
  }
  features.data = memory + features_at;
  logits.data = memory + logits_at;
}

Plan make_plan(const Operations& operations, const Pixels& pixels, int threads) {
  return Planner(operations, pixels, threads).make();
}

}  // namespace resnet::cpu
