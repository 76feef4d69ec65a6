#ifndef RESNET_MODEL_WAITING_LINE_H
#define RESNET_MODEL_WAITING_LINE_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace resnet {

/// Who wants what there is not always enough of, the first in front. Who was refused keeps its place for a
/// second: others in front of it would starve it where they come at once. Not thread-safe.
template <typename Member>
class WaitingLine {
 public:
  /// No memory is taken for so many.
  void reserve(std::size_t members) { places_.reserve(members); }

  /// Behind the others, unless it has a place.
  /// @param waits else it goes away, to come again
  /// @return whether others lost their places, so that the turn of those behind may have come
  bool join(Member& member, bool waits) {
    const auto now = Clock::now();
    const auto lost = std::erase_if(places_, [&](const Place& place) {
      return place.member != &member && !place.waits && now - place.since > std::chrono::seconds(1);
    });
    const std::size_t own = before(member);
    if (own == places_.size()) places_.push_back({.member = &member});
    places_[own].waits = waits;
    places_[own].since = now;
    return lost > 0;
  }

  void leave(const Member& member) {
    std::erase_if(places_, [&](const Place& place) { return place.member == &member; });
  }

  /// How many are in front of a member, or in the line where it is not.
  std::size_t before(const Member& member) const {
    const auto own = std::find_if(places_.begin(), places_.end(),
                                  [&](const Place& place) { return place.member == &member; });
    return static_cast<std::size_t>(own - places_.begin());
  }

  /// One of the first `count` who waits and was not called by this call or a later one, to be told that its
  /// turn has come; or nullptr.  @param call numbered from 1 on
  Member* next(std::uint64_t call, std::size_t count) {
    const auto end = places_.begin() + static_cast<std::ptrdiff_t>(std::min(count, places_.size()));
    const auto place = std::find_if(places_.begin(), end,
                                    [call](const Place& one) { return one.waits && one.last_call < call; });
    if (place == end) return nullptr;
    place->last_call = call;
    return place->member;
  }

 private:
  using Clock = std::chrono::steady_clock;

  struct Place {
    Member* member = nullptr;
    bool waits = false;
    Clock::time_point since{};
    std::uint64_t last_call = 0;
  };

  std::vector<Place> places_;
};

}  // namespace resnet

#endif
