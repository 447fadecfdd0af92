#include "common/model/format_rules.h"

#include <gtest/gtest.h>

#include "common/model/formats/format.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

TEST(FormatRulesTest, what_formats_carry) {
  EXPECT_EQ(structure_list(structures_of(ExportFormat::uniform)), "ffn, kv_groups, layers");
  EXPECT_EQ(structure_list(structures_of(ExportFormat::custom)), "ffn, vo, qk, kv_groups, blocks, layers");
}

TEST(FormatRulesTest, what_auto_means) {
  EXPECT_EQ(structure_list(automatic_structures(ExportFormat::uniform)), "ffn");
  EXPECT_EQ(structure_list(automatic_structures(ExportFormat::custom)), "ffn, vo, qk");
}

TEST(FormatRulesTest, help_lists_them) {
  EXPECT_EQ(format_choices(), "uniform, custom or gguf");
  EXPECT_EQ(automatic_structures_text(), "ffn; for custom ffn, vo, qk");
}

TEST(FormatRulesTest, named_structures_stand_in_place_of_the_automatic_ones) {
  JobSpec spec;
  spec.export_settings.format = ExportFormat::custom;
  EXPECT_TRUE(uses_structure(spec, Structure::vo));
  EXPECT_FALSE(uses_structure(spec, Structure::blocks));
  spec.structures = {Structure::ffn, Structure::blocks};
  EXPECT_FALSE(uses_structure(spec, Structure::vo));
  EXPECT_TRUE(uses_structure(spec, Structure::blocks));
}

struct WidthsRow {
  const char* name;
  ExportFormat format;
  Structure structure;
  std::int64_t dense, round_to;
  std::vector<std::int64_t> widths;
};

TEST(FormatRulesTest, representable_widths) {
  const WidthsRow rows[] = {
      {"multiples", ExportFormat::uniform, Structure::ffn, 256, 64, {64, 128, 192, 256}},
      {"dense_is_kept", ExportFormat::custom, Structure::ffn, 172, 64, {64, 128, 172}},
      {"narrower_than_a_step", ExportFormat::custom, Structure::ffn, 40, 64, {40}},
      {"vo_steps", ExportFormat::custom, Structure::vo, 32, 64, {8, 16, 24, 32}},
      {"qk_steps", ExportFormat::custom, Structure::qk, 8, 64, {8}},
      {"vo_of_uniform", ExportFormat::uniform, Structure::vo, 32, 64, {32}},
      {"groups", ExportFormat::uniform, Structure::kv_groups, 3, 64, {1, 2, 3}},
      {"wide_steps", ExportFormat::custom, Structure::ffn, 800, 256, {256, 512, 768, 800}},
  };
  for (const WidthsRow& row : rows) {
    EXPECT_EQ(representable_widths(row.format, row.structure, row.dense, row.round_to), row.widths)
        << row.name;
  }
}

TEST(FormatRulesTest, formats_are_known_by_name_and_by_class) {
  for (const ExportFormat format : export_formats()) {
    EXPECT_EQ(format_named(format_name(format), "x"), format);
    if (const ModelClass* own = rules_of(format).own_class) {
      EXPECT_EQ(find_own_class(own->model_type), own);
      EXPECT_EQ(format_of_class(own->class_name), format);
    }
  }
  EXPECT_EQ(format_of_class("LlamaForCausalLM"), ExportFormat::uniform);
  EXPECT_EQ(formats_of_differing_layers(), "custom");
  EXPECT_EQ(JobSpec().export_settings.format, ExportFormat::uniform);
  expect_error([] { format_named("deci", "export.format"); }, ErrorCode::out_of_range,
               "export.format: found deci, expected one of uniform, custom, gguf");
}

TEST(FormatRulesTest, steps_of_what_a_format_cannot_carry_are_refused) {
  expect_error([] { width_step(ExportFormat::uniform, Structure::qk, 64); },
               ErrorCode::impossible_combination, "found qk, expected one of ffn, kv_groups, layers");
}

}  // namespace
}  // namespace cce
