#ifndef RESNET_PLUGIN_RESULT_TRACKER_H
#define RESNET_PLUGIN_RESULT_TRACKER_H

#include <cstddef>
#include <optional>
#include <vector>

#include <gst/gst.h>

namespace resnet {

/// What is known of a stream's class over time: the last result, smoothed. For one thread.
class ResultTracker {
 public:
  struct Smoothing {
    double weight = 0;      ///< of the past, 0…<1
    double hysteresis = 0;  ///< the first class stays until another is more probable by this
    double threshold = 0;  ///< a class is there from this probability on, until it is below by the hysteresis
  };

  /// Takes a result in. Two in a row that are mostly at odds with the past (total variation above 0.8 of what
  /// it can be) are a change of scene: the past is forgotten then.
  /// @param probabilities empty: a result without classes  @param pts of the frame it belongs to
  void add(const std::vector<float>& probabilities, GstClockTime pts, const Smoothing& smoothing);
  /// Forgets everything.
  void reset();

  bool empty() const { return !has_result_; }
  /// By class index; empty before the first result with classes.
  const std::vector<float>& probabilities() const { return probabilities_; }
  /// The class that is first, and stays so within the hysteresis.
  std::size_t leader() const { return leader_; }
  /// Whether a class is probable enough, and stays so within the hysteresis.
  bool is_there(std::size_t index) const { return there_[index]; }
  /// ns from the last result's frame to this one; 0 where that is not known.
  GstClockTime age_at(GstClockTime pts) const;

 private:
  std::vector<float> probabilities_;
  std::vector<bool> there_;  // by class index
  std::size_t leader_ = 0;
  bool has_result_ = false;
  GstClockTime pts_ = GST_CLOCK_TIME_NONE;
  bool at_odds_ = false;  // the result before was
};

}  // namespace resnet

#endif
