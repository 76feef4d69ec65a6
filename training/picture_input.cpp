#include "training/picture_input.h"

#include <memory>

#include "model/preprocess.h"
#include "training/augment.h"
#include "training/mix.h"
#include "training/picture.h"

namespace resnet {
namespace {

constexpr int batches_ahead = 4;

std::size_t pixel_bytes(int size) {
  return static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3;
}

}  // namespace

Loader load_crops(PictureStore& store, const Recipe& recipe, Batches batches, int epoch, int size,
                  int workers) {
  Augmentation augmentation;
  augmentation.size = size;
  augmentation.min_scale = recipe.min_scale;
  augmentation.policy = augmentation_policy(recipe.policy);
  augmentation.jitter = recipe.jitter;
  augmentation.erase = recipe.erase;
  const LoaderOptions options{workers, batches_ahead, pixel_bytes(size)};
  return Loader(std::move(batches), options, [&store, &recipe, augmentation, epoch]() -> SampleWriter {
    return [&store, &recipe, augmentation, epoch](std::size_t turn, std::uint8_t* out) {
      Random random(recipe.seed, static_cast<std::uint64_t>(epoch), turn);
      augment(*store.get(turn % store.samples().size()), augmentation, random, out);
    };
  });
}

Loader load_files(PictureStore& store, const std::vector<std::size_t>& order, int workers) {
  return Loader(batches_of(order, 16), {workers, batches_ahead, 0}, [&store]() -> SampleWriter {
    return [&store](std::size_t index, std::uint8_t*) { store.get(index); };
  });
}

Loader load_views(PictureStore& store, const Preprocessing& preprocessing, Batches batches, int workers) {
  const LoaderOptions options{workers, batches_ahead, pixel_bytes(preprocessing.crop_size)};
  return Loader(std::move(batches), options, [&store, &preprocessing]() -> SampleWriter {
    auto preprocessor = std::make_shared<Preprocessor>(preprocessing, TensorType::u8, TensorLayout::hwc);
    return [&store, preprocessor](std::size_t index, std::uint8_t* out) {
      preprocessor->run(as_image(*store.get(index)), out);
    };
  });
}

void mix(LabelledPixels& batch, const Recipe& recipe, Random& random) {
  const BatchMix drawn = draw_mix(batch.size, recipe.mixup, recipe.cutmix, random);
  if (drawn.kind == BatchMix::Kind::none) return;
  SecondLabels second = mix_batch(drawn, batch.size, batch.labels, batch.bytes);
  batch.second_labels = std::move(second.labels);
  batch.second_weight = second.weight;
}

void drop_first(LabelledPixels& batch) {
  batch.bytes.erase(batch.bytes.begin(),
                    batch.bytes.begin() + static_cast<std::ptrdiff_t>(pixel_bytes(batch.size)));
  batch.labels.erase(batch.labels.begin());
  if (!batch.second_labels.empty()) batch.second_labels.erase(batch.second_labels.begin());
}

LabelledPixels labelled(Batch& batch, const PictureStore& store, int size) {
  LabelledPixels result;
  result.bytes = std::move(batch.bytes);
  result.size = size;
  for (const std::size_t turn : batch.indices)
    result.labels.push_back(store.samples()[turn % store.samples().size()].label);
  return result;
}

}  // namespace resnet
