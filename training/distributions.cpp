#include "training/distributions.h"

#include <cmath>

namespace resnet {
namespace {

/// In (0, 1]: has a logarithm.
double positive_uniform(Random& random) { return 1 - random.uniform(); }

}  // namespace

double random_normal(Random& random) {
  for (;;) {
    const double x = random.uniform(-1, 1);
    const double y = random.uniform(-1, 1);
    const double square = x * x + y * y;
    if (square > 0 && square < 1) {
      return x * std::sqrt(-2 * std::log(square) / square);
    }
  }
}

double random_log_gamma(double shape, Random& random) {
  if (shape < 1) {
    const double boosted = random_log_gamma(shape + 1, random);
    return boosted + std::log(positive_uniform(random)) / shape;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random_normal(random);
    const double root = 1 + c * x;
    if (root <= 0) {
      continue;
    }
    const double v = root * root * root;
    if (std::log(positive_uniform(random)) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return std::log(d * v);
    }
  }
}

double random_beta(double a, double b, Random& random) {
  const double first = random_log_gamma(a, random);
  const double second = random_log_gamma(b, random);
  return 1 / (1 + std::exp(second - first));
}

}  // namespace resnet
