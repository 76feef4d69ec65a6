#ifndef RESNET_TRAINING_PICTURE_INPUT_H
#define RESNET_TRAINING_PICTURE_INPUT_H

#include <cstddef>
#include <vector>

#include "model/preprocessing.h"
#include "training/learner.h"
#include "training/loader.h"
#include "training/picture_store.h"
#include "training/random.h"
#include "training/recipe.h"

namespace resnet {

/// Random crops of an epoch, in batches that are made ahead of their use.
/// @param store, recipe must outlive the loader
/// @param batches of an order as shuffled_order() gives it
/// @param size side of the crops
Loader load_crops(PictureStore& store, const Recipe& recipe, Batches batches, int epoch, int size,
                  int workers);

/// Reads pictures and makes nothing of them: what can be is kept by the store, what cannot be read is a
/// failure of its batch.
Loader load_files(PictureStore& store, const std::vector<std::size_t>& order, int workers);

/// Pictures as serving sees them.
Loader load_views(PictureStore& store, const Preprocessing& preprocessing, Batches batches, int workers);

/// Mixes a training batch as the recipe's mixup and cutmix say.
void mix(LabelledPixels& batch, const Recipe& recipe, Random& random);

/// Leaves out the first picture of a mixed batch.
void drop_first(LabelledPixels& batch);

/// Takes the batch's pixels.
LabelledPixels labelled(Batch& batch, const PictureStore& store, int size);

}  // namespace resnet

#endif
