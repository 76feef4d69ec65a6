#include "plugin/region_choice.h"

#include <algorithm>
#include <string_view>

#include "plugin/region_tracker.h"

namespace resnet {

namespace {

// Whether a list such as "car, truck" has the name in it.
bool names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    std::string_view entry = list.substr(0, list.find(','));
    list.remove_prefix(std::min(entry.size() + 1, list.size()));
    while (entry.starts_with(' ')) entry.remove_prefix(1);
    while (entry.ends_with(' ')) entry.remove_suffix(1);
    if (entry == name) return true;
  }
  return false;
}

bool is_eligible(const FrameRegion& region, const ClassifySettings::Frame& settings) {
  if (std::min(region.box.width, region.box.height) < settings.min_region_size) return false;
  const gchar* type = g_quark_to_string(region.type);
  return settings.object_class.empty() || (type != nullptr && names(settings.object_class, type));
}

}  // namespace

void RegionChoice::next_frame() {
  ++frame_;
  // Not later than its result is forgotten.
  std::erase_if(objects_,
                [&](const auto& entry) { return entry.second.seen + frames_until_forgotten < frame_; });
}

bool RegionChoice::wants(const FrameRegion& region, const ClassifySettings::Frame& settings) {
  if (!is_eligible(region, settings)) return false;
  if (!region.tracking || settings.reclassify_interval == 1) return true;
  const auto [entry, is_new] = objects_.try_emplace({*region.tracking, region.type}, Object{frame_, frame_});
  Object& object = entry->second;
  object.seen = frame_;
  const bool due =
      settings.reclassify_interval > 0 && frame_ - object.classified >= settings.reclassify_interval;
  if (due) object.classified = frame_;
  return is_new || due;
}

void RegionChoice::missed(const FrameRegion& region) {
  if (region.tracking) objects_.erase({*region.tracking, region.type});
}

}  // namespace resnet
