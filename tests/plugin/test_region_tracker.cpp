#include <gtest/gtest.h>

#include "plugin/region_tracker.h"

namespace resnet {
namespace {

FrameRegion box(guint x, guint y, guint width = 40, guint height = 40) {
  return {g_quark_from_static_string("flower"), {x, y, width, height}};
}
FrameRegion numbered(guint64 number, guint x = 0) {
  FrameRegion region = box(x, 0);
  region.tracking = number;
  return region;
}

TEST(RegionTracker, ABoxThatMovesIsFollowed) {
  RegionTracker tracker;
  RegionTracker::Track* track = &tracker.find_or_add(box(0, 0));
  for (guint x = 8; x < 200; x += 8) {
    tracker.next_frame();
    EXPECT_EQ(tracker.find(box(x, 0)), track) << x;
  }
  tracker.next_frame();
  EXPECT_EQ(tracker.find(box(0, 0)), nullptr) << "it is elsewhere now";
}

TEST(RegionTracker, TheOneThatOverlapsMostIsTakenAndNoneTwice) {
  RegionTracker tracker;
  tracker.next_frame();
  tracker.find_or_add(box(0, 0));
  tracker.find_or_add(box(0, 14)).result.add({1}, 5, {});
  tracker.next_frame();
  RegionTracker::Track* lower = tracker.find(box(0, 12));
  ASSERT_NE(lower, nullptr);
  EXPECT_FALSE(lower->result.empty());
  RegionTracker::Track* upper = tracker.find(box(0, 12));
  ASSERT_NE(upper, nullptr);
  EXPECT_TRUE(upper->result.empty()) << "the other one";
  EXPECT_EQ(tracker.find(box(0, 12)), nullptr);
}

TEST(RegionTracker, AnotherTypeIsAnotherRegion) {
  RegionTracker tracker;
  tracker.find_or_add(box(0, 0));
  FrameRegion face = box(0, 0);
  face.type = g_quark_from_static_string("face");
  tracker.next_frame();
  EXPECT_EQ(tracker.find(face), nullptr);
}

TEST(RegionTracker, ANumberedObjectMayJump) {
  RegionTracker tracker;
  tracker.find_or_add(numbered(7));
  tracker.next_frame();
  EXPECT_EQ(tracker.find(numbered(8)), nullptr) << "another object at the same place";
  EXPECT_EQ(tracker.find(box(0, 0)), nullptr) << "nor one that nobody numbers";
  EXPECT_NE(tracker.find(numbered(7, 500)), nullptr);
}

TEST(RegionTracker, WhatIsNotSeenForLongIsForgotten) {
  RegionTracker tracker;
  tracker.find_or_add(numbered(7));
  for (int i = 0; i < 150; ++i) tracker.next_frame();
  EXPECT_NE(tracker.find(numbered(7)), nullptr);
  for (int i = 0; i < 151; ++i) tracker.next_frame();
  EXPECT_EQ(tracker.find(numbered(7)), nullptr);
}

TEST(RegionTracker, ALateResultChangesNoPlace) {
  RegionTracker tracker;
  tracker.find_or_add(box(0, 0));
  tracker.next_frame();
  EXPECT_NE(tracker.find(box(10, 0)), nullptr);
  EXPECT_EQ(tracker.find_late(box(0, 0)).region.box.x, 10u);
}

}  // namespace
}  // namespace resnet
