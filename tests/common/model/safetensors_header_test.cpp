#include "common/model/safetensors_header.h"

#include <gtest/gtest.h>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

std::string file_of(const std::string& header, std::size_t data_bytes) {
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  }
  return bytes + header + std::string(data_bytes, 'x');
}

SafetensorsHeader parse(const std::string& file) {
  return parse_safetensors_header(std::as_bytes(std::span(file)), "m.safetensors");
}

TEST(SafetensorsHeaderTest, what_is_written_reads_back) {
  std::vector<TensorEntry> tensors;
  tensors.push_back({.name = "b\"quoted", .dtype = "F32", .shape = {2, 3}});
  tensors.push_back({.name = "a", .dtype = "BF16", .shape = {5}});
  tensors.push_back({.name = "scalar", .dtype = "F64", .shape = {}});
  tensors.push_back({.name = "empty", .dtype = "I64", .shape = {0, 7}});
  const std::string header = write_safetensors_header(tensors);
  EXPECT_EQ(header.size() % 8, 0U);
  EXPECT_EQ(tensors.back().end, 24 + 10 + 8);
  const SafetensorsHeader read_back = parse(header + std::string(42, 'x'));
  ASSERT_EQ(read_back.tensors.size(), 4U);
  for (const TensorEntry& tensor : tensors) {
    const TensorEntry* found = read_back.find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape);
    EXPECT_EQ(found->dtype, tensor.dtype);
    EXPECT_EQ(found->begin, tensor.begin);
    EXPECT_EQ(found->end, tensor.end);
  }
  EXPECT_EQ(read_back.data_offset, static_cast<std::int64_t>(header.size()));
  EXPECT_EQ(read_back.metadata.at("format"), "pt");
  EXPECT_EQ(read_back.find("missing"), nullptr);
}

TEST(SafetensorsHeaderTest, writing_refuses_twins_and_unknown_dtypes) {
  std::vector<TensorEntry> twins(2, {.name = "a", .dtype = "F32", .shape = {1}});
  expect_error([&] { write_safetensors_header(twins); }, ErrorCode::invalid_argument, "twice");
  std::vector<TensorEntry> unknown = {{.name = "a", .dtype = "Q4", .shape = {1}}};
  expect_error([&] { write_safetensors_header(unknown); }, ErrorCode::invalid_argument, "Q4");
}

struct HeaderRow {
  const char* name;
  std::string file;
  ErrorCode code;
  const char* message;
};

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::vector<HeaderRow> damaged_headers() {
  const auto damaged = ErrorCode::malformed_file;
  const std::string good = entry("F32", "[2]", "[0,8]");
  return {
      {"empty_file", "", damaged, "found 0 bytes"},
      {"short_length", "1234567", damaged, "found 7 bytes"},
      {"header_beyond_file", std::string("\xff\0\0\0\0\0\0\0{}", 10), damaged, "a header of 255 bytes"},
      {"huge_length", std::string(8, '\xff') + "{}", damaged, "18446744073709551615"},
      {"empty_header", file_of("", 0), damaged, "start with '{'"},
      {"not_json", file_of("{\"a\"", 0), damaged, "not JSON"},
      {"list", file_of("[]", 0), damaged, "start with '{'"},
      {"twice", file_of("{\"a\":" + good + ",\"a\":" + good + "}", 8), damaged, "twice"},
      {"no_dtype", file_of(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8), ErrorCode::wrong_type,
       "a.dtype"},
      {"unknown_dtype", file_of("{\"a\":" + entry("F31", "[2]", "[0,8]") + "}", 8), damaged, "F31"},
      {"extra_key", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8),
       ErrorCode::unknown_key, "a.x"},
      {"negative_shape", file_of("{\"a\":" + entry("F32", "[-2]", "[0,8]") + "}", 8), ErrorCode::out_of_range,
       "a.shape[0]"},
      {"fraction_shape", file_of("{\"a\":" + entry("F32", "[2.0]", "[0,8]") + "}", 8), ErrorCode::wrong_type,
       "2.0"},
      {"overflow", file_of("{\"a\":" + entry("F32", "[4611686018427387904,4]", "[0,8]") + "}", 8), damaged,
       "can be counted"},
      {"overflow_to_zero", file_of("{\"a\":" + entry("F32", "[4294967296,4294967296]", "[0,0]") + "}", 0),
       damaged, "can be counted"},
      {"size", file_of("{\"a\":" + entry("F32", "[3]", "[0,8]") + "}", 8), damaged, "12 bytes"},
      {"offset_beyond", file_of("{\"a\":" + entry("F32", "[2]", "[0,8]") + "}", 7), damaged,
       "at most the 7 bytes"},
      {"offsets_backwards", file_of("{\"a\":" + entry("F32", "[2]", "[8,0]") + "}", 8), damaged,
       "begin <= end"},
      {"three_offsets", file_of("{\"a\":" + entry("F32", "[2]", "[0,8,8]") + "}", 8), damaged, "two offsets"},
      {"gap", file_of("{\"a\":" + good + ",\"b\":" + entry("U8", "[1]", "[9,10]") + "}", 10), damaged,
       "b: found"},
      {"overlap", file_of("{\"a\":" + good + ",\"b\":" + entry("U8", "[2]", "[7,9]") + "}", 9), damaged,
       "gap or overlap"},
      {"rest", file_of("{\"a\":" + good + "}", 9), damaged, "9 bytes of data"},
      {"metadata", file_of(R"({"__metadata__":{"n":1}})", 0), ErrorCode::wrong_type, "__metadata__.n"},
      {"deep", file_of("{\"a\":" + std::string(50000, '['), 0), damaged, "deeper"},
  };
}

TEST(SafetensorsHeaderTest, damaged_headers_are_refused) {
  for (const HeaderRow& row : damaged_headers()) {
    SCOPED_TRACE(row.name);
    expect_error([&] { parse(row.file); }, row.code, row.message);
  }
}

TEST(SafetensorsHeaderTest, every_truncation_is_refused) {
  const std::string whole = file_of("{\"a\":" + entry("F32", "[2]", "[0,8]") + "}", 8);
  EXPECT_NO_THROW(parse(whole));
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THROW(parse(whole.substr(0, bytes)), Error) << bytes;
  }
}

TEST(SafetensorsHeaderTest, many_tensors_stay_cheap) {
  std::vector<TensorEntry> tensors;
  for (int i = 0; i < 20000; ++i) {
    tensors.push_back({.name = "model.layers." + std::to_string(i), .dtype = "U8", .shape = {1}});
  }
  const std::string header = write_safetensors_header(tensors);
  EXPECT_EQ(parse(header + std::string(20000, 'x')).tensors.size(), 20000U);
}

TEST(SafetensorsHeaderTest, shard_index_reads_back) {
  ShardIndex index;
  index.file_of_tensor = {{"a", "model-00001-of-00002.safetensors"},
                          {"b", "model-00002-of-00002.safetensors"},
                          {"c", "model-00001-of-00002.safetensors"}};
  const ShardIndex read_back = parse_shard_index(to_json(index, 123), "index.json");
  EXPECT_EQ(read_back.file_of_tensor, index.file_of_tensor);
  EXPECT_EQ(read_back.files().size(), 2U);
}

TEST(SafetensorsHeaderTest, shard_names_stay_in_the_folder) {
  for (const char* name :
       {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.bin", "", ".safetensors"}) {
    const std::string text = std::string(R"({"weight_map": {"a": ")") + name + "\"}}";
    expect_error([&] { parse_shard_index(text, "index.json"); }, ErrorCode::malformed_file, "weight_map.a");
  }
  EXPECT_THROW(parse_shard_index(R"({"weight_map": {}})", "index.json"), Error);
  EXPECT_THROW(parse_shard_index(R"({})", "index.json"), Error);
}

}  // namespace
}  // namespace cce
