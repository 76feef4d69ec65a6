#ifndef RESNET_TRAINING_RECIPE_FIELDS_H
#define RESNET_TRAINING_RECIPE_FIELDS_H

#include <string>
#include <type_traits>
#include <vector>

#include "training/recipe.h"

namespace resnet {

/// What a field of a recipe may be.
struct Range {
  double low = 0, high = 1;  ///< of a number, both allowed
};
using Choices = std::vector<std::string>;
struct EitherWay {};

/// Calls visit(name, value, allowed, meaning) for each field of a Recipe, const or not: the one list of what
/// there is. As an option of the command a name's "_" is "-".
template <typename AnyRecipe, typename Visit>
void visit_fields(AnyRecipe& r, const Visit& visit) {
  static_assert(std::is_same_v<std::remove_const_t<AnyRecipe>, Recipe>);
  visit("optimizer", r.optimizer, Choices{"adam", "adamw", "sgd"}, "Who takes the steps");
  visit("lr", r.lr, Range{0, 1000}, "Learning rate");
  visit("momentum", r.momentum, Range{0, 1}, "Of sgd");
  visit("nesterov", r.nesterov, EitherWay{}, "Momentum of sgd by Nesterov");
  visit("weight_decay", r.weight_decay, Range{0, 1}, "Not on biases and batch norms");
  visit("schedule", r.schedule, Choices{"constant", "cosine", "one-cycle"},
        "Of the learning rate. cosine: down to 0; one-cycle: up from lr/25 for 0.3 of the time, then down to "
        "nearly 0, as PyTorch's OneCycleLR without its cycle of the momentum");
  visit("warmup_epochs", r.warmup_epochs, Range{0, 1000},
        "The learning rate rises from 0 for so long; not with one-cycle");
  visit("epochs", r.epochs, Range{1, 100000}, "Passes over the pictures");
  visit("minutes", r.minutes, Range{0, 1e6},
        "As many epochs as fit into this time, all of the run counted; 0: as --epochs says");
  visit("patience", r.patience, Range{0, 100000},
        "Stop when so many epochs in a row brought no better network; 0: never");
  visit("batch_size", r.batch_size, Range{2, 65536}, "Pictures a step");
  visit("accumulate", r.accumulate, Range{1, 4096},
        "A step's pictures are computed in so many slices one after another, which takes less memory");
  visit("norm_batch", r.norm_batch, Range{0, 65536},
        "Batch norm takes so many pictures together, and threads take such parts; 0: all of a slice");
  visit(
      "sync_bn", r.sync_bn, EitherWay{},
      "With more than one process, batch norm takes the pictures of all of them together where norm_batch is "
      "0; otherwise what it takes together is in one process");
  visit("clip_norm", r.clip_norm, Range{0, 1e9}, "Gradients are scaled down to this norm; 0: never");
  visit(
      "sam", r.sam, Range{0, 10},
      "Sharpness-aware minimization: each step goes by the gradients where the loss is greatest within this "
      "distance of the weights, 0.1 for example; it takes twice the time; 0: off");
  visit("ema", r.ema, Range{0, 0.999999},
        "What is validated and saved is the moving mean of the weights, of which each step keeps so much; 0: "
        "the weights themselves");
  visit("precision", r.precision, Choices{"fp32", "bf16", "auto"},
        "bf16: autocast; auto: that, where the processor has it");
  visit("seed", r.seed, Range{0, 9e15}, "The same seed gives the same result");

  visit("label_smoothing", r.label_smoothing, Range{0, 1},
        "So much of each label is spread over all classes");
  visit("balance", r.balance, Choices{"none", "loss", "sampling"},
        "Classes with few pictures: loss counts theirs more, sampling shows them more often");

  visit("image_size", r.image_size, Range{32, 1024}, "Side of the network's input, pixels");
  visit("first_size", r.first_size, Range{0, 1024}, "Training crops grow from this side ...");
  visit("last_size", r.last_size, Range{0, 1024}, "... to this one; 0: both are --image-size");
  visit("shrink", r.shrink, Range{0, 8192},
        "Training pictures are kept with this short side; 0: as they are");
  visit(
      "scaled_jpeg", r.scaled_jpeg, EitherWay{},
      "JPEGs that shrink makes less than half as large are decoded at 1/2, 1/4 or 1/8: faster, not the same "
      "bytes");
  visit("min_scale", r.min_scale, Range{0.001, 1}, "Smallest part of a picture's area that a crop keeps");
  visit("jitter", r.jitter, Range{0, 1}, "Brightness, contrast and saturation vary by so much");
  visit("policy", r.policy, Choices{"none", "trivial", "rand"},
        "Operations on the crops: trivial: one of TrivialAugmentWide's; rand: RandAugment's two of magnitude "
        "9");
  visit("erase", r.erase, Range{0, 1}, "Part of the crops that have a rectangle erased");
  visit("mixup", r.mixup, Range{0, 100},
        "Each batch's pictures are blended in pairs, by a part that is Beta(mixup, mixup); 0: never");
  visit("cutmix", r.cutmix, Range{0, 100},
        "The same by pasting a rectangle; with both, each for half of the batches; 0: never");
  visit("flip_average", r.flip_average, EitherWay{},
        "Validate with the mean of a picture and its mirror image");

  visit("zero_init_residual", r.zero_init_residual, EitherWay{}, "Each block starts as the identity");
  visit("freeze", r.freeze, Range{0, 5},
        "So many of the stages keep their weights: 1 the stem, 2 to 5 and the layers 1 to 4");
  visit("body_lr", r.body_lr, Range{0, 1}, "Learning rate of all but the head, as a part of the head's");
}

}  // namespace resnet

#endif
