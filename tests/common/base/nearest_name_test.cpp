#include "common/base/nearest_name.h"

#include <gtest/gtest.h>

namespace cce {
namespace {

struct DistanceRow {
  const char* left;
  const char* right;
  int distance;
};

TEST(NearestNameTest, edit_distance_counts_swaps_as_one) {
  const DistanceRow rows[] = {{"", "", 0},         {"", "abc", 3},         {"kitten", "sitting", 3},
                              {"form", "from", 1}, {"layers", "layer", 1}, {"abc", "abc", 0}};
  for (const DistanceRow& row : rows) {
    EXPECT_EQ(edit_distance(row.left, row.right), row.distance) << row.left << " " << row.right;
    EXPECT_EQ(edit_distance(row.right, row.left), row.distance) << row.left << " " << row.right;
  }
}

struct NearestRow {
  const char* name;
  const char* nearest;  // null: none
};

TEST(NearestNameTest, names_within_a_third_are_offered) {
  const std::vector<std::string> known = {"calibration", "target", "structures", "seed", "vo"};
  const NearestRow rows[] = {{"calibratoin", "calibration"},
                             {"structure", "structures"},
                             {"sed", "seed"},
                             {"vq", "vo"},
                             {"something", nullptr},
                             {"", nullptr}};
  for (const NearestRow& row : rows) {
    const std::optional<std::string> found = nearest_name(row.name, known);
    EXPECT_EQ(found, row.nearest ? std::optional<std::string>(row.nearest) : std::nullopt) << row.name;
  }
  EXPECT_EQ(nearest_name(std::string(100000, 'a'), known), std::nullopt);
}

}  // namespace
}  // namespace cce
