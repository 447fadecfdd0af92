#include <gmock/gmock.h>

#include "coordinator/page/report_html.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/report_table.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char* const full_report = R"json({"schema_version": 1,
  "model": {"name": "tiny </script><b>", "architecture": "LlamaForCausalLM", "layers": 2}, "format": "custom",
  "params": {"blocks": {"before": 106200000, "after": 74340000}, "total": {"before": 134500000, "after": 102600000}},
  "bytes": {"before": 269000000, "after": 205200000}, "flops_per_token": {"before": 2.7e8, "after": 2.0e8},
  "evaluation": {"perplexity": {"wiki": {"before": 20.75, "after": 29.88}}, "tasks": {"piqa": {"acc": {"before": 0.68, "after": 0.61}}}},
  "signatures": {"perplexity_increase": {"value": 0.44, "limit": 0.2, "ok": false}},
  "stages": {"calibrate": {"seconds": 60.0, "peak_bytes": 1, "tokens": 5}, "encode": {"seconds": 63.0}},
  "warnings": ["layer 3 needed more ridge"]})json";

TEST(ReportTable, shows_before_after_and_change) {
  const std::string text = report_table(full_report, "report.json");
  for (const char* part : {"106.2 M", "74.3 M", "−30.0 %", "perplexity, wiki", "20.75", "29.88", "× 1.440",
                           "piqa, accuracy", "perplexity_increase", "past limit", "warning: layer 3"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(ReportTable, every_rendering_has_the_same_cells) {
  const Json report = parse_json(full_report, "report.json");
  const std::string terminal = report_table(full_report, "r"), card = model_card(full_report, "r"),
                    page = report_html(full_report, "r");
  const Json served = parse_json(report_tables_json(report), "tables");
  const std::vector<ReportTable> tables = report_tables(report);
  ASSERT_EQ(tables.size(), 2U);
  ASSERT_EQ(served["tables"].size(), tables.size());
  for (std::size_t i = 0; i < tables.size(); ++i) {
    EXPECT_EQ(served["tables"][i]["id"], tables[i].id);
    for (std::size_t row = 0; row < tables[i].rows.size(); ++row) {
      ASSERT_EQ(tables[i].rows[row].size(), tables[i].head.size());
      for (std::size_t column = 0; column < tables[i].head.size(); ++column) {
        const TableCell& cell = tables[i].rows[row][column];
        EXPECT_EQ(served["tables"][i]["rows"][row][column]["text"], cell.text);
        for (const std::string* rendering : {&terminal, &card, &page}) {
          EXPECT_THAT(*rendering, HasSubstr(cell.text));
        }
      }
    }
  }
  EXPECT_EQ(served["warnings"][0], "layer 3 needed more ridge");
  EXPECT_EQ(tables[1].rows[0].back().text, "past limit");
  EXPECT_EQ(tables[1].rows[0].back().style, "passed");
}

TEST(ModelCard, names_the_licence_and_what_was_copied) {
  const std::string card = model_card(
      R"json({"model": {"name": "m", "license": "other", "license_name": "llama \"3\"", "license_link": "LICENSE"},
              "copied_files": ["LICENSE", "tokenizer.json"]})json",
      "r");
  EXPECT_THAT(
      card,
      HasSubstr("license: \"other\"\nlicense_name: \"llama \\\"3\\\"\"\nlicense_link: \"LICENSE\"\n---"));
  EXPECT_THAT(card, HasSubstr("that of the original model, llama \"3\". Copied from it as they are: "
                              "`LICENSE`, `tokenizer.json`."));
  EXPECT_THAT(model_card(R"({"format": "uniform"})", "r"),
              HasSubstr("The licence is that of the original model."));
}

TEST(ReportTable, shows_one_column_where_one_model_was_measured) {
  const std::string text =
      report_table(R"({"evaluation": {"perplexity": {"wiki": {"before": 20.75}}}})", "report.json");
  EXPECT_THAT(text, HasSubstr("20.75"));
  EXPECT_THAT(text, Not(HasSubstr("after")));
}

TEST(ReportTable, survives_partial_and_odd_reports) {
  for (const char* report : {"{}", "[]", R"({"params": 3, "evaluation": [], "stages": null, "warnings": {}})",
                             R"({"evaluation": {"perplexity": {"a": {"before": null, "after": "x"}}}})"}) {
    EXPECT_NO_THROW(report_table(report, "r")) << report;
    EXPECT_NO_THROW(report_html(report, "r")) << report;
    EXPECT_NO_THROW(model_card(report, "r")) << report;
  }
  expect_error([] { report_table("{", "r"); }, ErrorCode::malformed_file, "r");
}

TEST(ReportHtml, is_self_contained_and_escapes_what_it_shows) {
  const std::string page = report_html(full_report, "report.json");
  EXPECT_THAT(page, HasSubstr("<td>106.2 M</td>"));
  EXPECT_THAT(page, HasSubstr("const Charts"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, Not(HasSubstr("</script><b>")));
  EXPECT_THAT(page, HasSubstr("tiny &lt;/script&gt;&lt;b&gt;"));
  for (const char* outside : {"src=", "<link", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
}

TEST(ModelCard, says_how_to_load_the_folder) {
  const std::string card = model_card(full_report, "report.json");
  EXPECT_THAT(card, HasSubstr("trust_remote_code=True"));
  EXPECT_THAT(card, HasSubstr("| perplexity, wiki | 20.75 | 29.88 | × 1.440 |"));
  EXPECT_THAT(model_card(R"({"format": "uniform"})", "r"), Not(HasSubstr("trust_remote_code")));
}

struct NumberRow {
  const char* name;
  double value;
  const char* text;
};
TEST(ShortNumbers, keep_three_digits) {
  for (const NumberRow& row :
       {NumberRow{"unit", 12, "12"}, NumberRow{"kilo", 1234, "1.23 k"}, NumberRow{"mega", 106.2e6, "106.2 M"},
        NumberRow{"rounds_up", 999.96e3, "1.00 M"}}) {
    EXPECT_EQ(short_count(row.value), row.text) << row.name;
  }
  for (const NumberRow& row : {NumberRow{"seconds", 4.25, "4.2 s"}, NumberRow{"minutes", 185.2, "3 min 05 s"},
                               NumberRow{"hours", 7800, "2 h 10 min"}}) {
    EXPECT_EQ(short_duration(row.value), row.text) << row.name;
  }
}

}  // namespace
}  // namespace cce
