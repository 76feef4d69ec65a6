#ifndef RESNET_TRAINING_AUTOCAST_H
#define RESNET_TRAINING_AUTOCAST_H

#include <ATen/autocast_mode.h>

namespace resnet {

/// Convolutions and matrix products in bfloat16 for as long as it lives, as Python's torch.autocast.
class Autocast {
 public:
  Autocast(at::DeviceType device, bool enabled)
      : device_(device),
        enabled_(at::autocast::is_autocast_enabled(device)),
        dtype_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::set_autocast_enabled(device_, enabled);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (at::autocast::decrement_nesting() == 0) {
      at::autocast::clear_cache();
    }
    at::autocast::set_autocast_enabled(device_, enabled_);
    at::autocast::set_autocast_dtype(device_, dtype_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_;
  at::ScalarType dtype_;
};

}  // namespace resnet

#endif
