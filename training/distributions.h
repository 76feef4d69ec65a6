#ifndef RESNET_TRAINING_DISTRIBUTIONS_H
#define RESNET_TRAINING_DISTRIBUTIONS_H

#include "training/random.h"

namespace resnet {

/// Standard normal (the polar method, Marsaglia and Bray 1964).
double random_normal(Random& random);

/// The logarithm of a Gamma(shape, 1) variate (Marsaglia and Tsang 2000), which small shapes cannot
/// underflow.
double random_log_gamma(double shape, Random& random);

/// Beta(a, b), both above 0: in [0, 1].
double random_beta(double a, double b, Random& random);

}  // namespace resnet

#endif
