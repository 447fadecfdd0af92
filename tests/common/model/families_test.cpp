#include <gtest/gtest.h>

#include "common/model/families/family.h"

namespace cce {
namespace {

struct PartsRow {
  const char* name;
  const char* family;
  std::vector<TensorRole> parts;
  const char* found;  // nullptr: nothing is misplaced
};

TEST(FamiliesTest, optional_parts_that_a_class_can_hold) {
  using Role = TensorRole;
  const std::vector<Role> qkv = {Role::q_bias, Role::k_bias, Role::v_bias};
  const std::vector<Role> qkvo = {Role::q_bias, Role::k_bias, Role::v_bias, Role::o_bias};
  const PartsRow rows[] = {
      {"none", "llama", {}, nullptr},
      {"one_group", "llama", qkvo, nullptr},
      {"half_a_group", "llama", qkv, "q_bias, k_bias, v_bias"},
      {"other_group", "llama", {Role::gate_bias, Role::up_bias, Role::down_bias}, nullptr},
      {"refitted", "llama", {Role::o_bias, Role::down_bias}, "o_bias, down_bias"},
      {"never", "mistral", {Role::o_bias}, "o_bias"},
      {"plain", "mistral", {}, nullptr},
      {"always", "qwen2", qkv, nullptr},
      {"missing", "qwen2", {}, "no optional part"},
      {"one_more", "qwen2", qkvo, "q_bias, k_bias, v_bias, o_bias"},
      {"norms", "qwen3", {Role::q_norm, Role::k_norm}, nullptr},
      {"one_norm", "qwen3", {Role::q_norm}, "q_norm"},
      {"no_norms", "qwen3", {}, "no optional part"},
      {"norms_elsewhere",
       "qwen2",
       {Role::q_bias, Role::k_bias, Role::v_bias, Role::q_norm, Role::k_norm},
       "q_bias, k_bias, v_bias, q_norm, k_norm"},
  };
  for (const PartsRow& row : rows) {
    SCOPED_TRACE(row.name);
    LayerShape shape;
    for (const TensorRole role : row.parts) {
      shape.*layer_part(role).is_there = true;
    }
    const Family* family = find_family(row.family);
    ASSERT_NE(family, nullptr);
    const std::optional<MisplacedParts> misplaced = find_misplaced_parts(*family, shape);
    EXPECT_EQ(misplaced.has_value(), row.found != nullptr);
    if (misplaced && row.found != nullptr) {
      EXPECT_EQ(misplaced->found, row.found);
      EXPECT_NE(misplaced->expected.find(family->class_name), std::string::npos) << misplaced->expected;
    }
  }
}

TEST(FamiliesTest, are_known_by_their_model_type) {
  for (const Family* family : families()) {
    EXPECT_EQ(find_family(family->model_type), family);
  }
  EXPECT_EQ(find_family("gpt2"), nullptr);
  EXPECT_EQ(default_family().model_type, "llama");
}

}  // namespace
}  // namespace cce
