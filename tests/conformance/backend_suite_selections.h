#pragma once
#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

struct SelectionRow {
  const char* name;
  std::vector<std::int32_t> rows, cols;  ///< empty: all
};
inline const SelectionRow selection_rows[] = {{"rows", {6, 0, 3}, {}},
                                              {"cols", {}, {4, 2, 36, 0}},
                                              {"block", {5, 1}, {36, 7, 8}},
                                              {"all", {}, {}},
                                              {"permutation", {6, 5, 4, 3, 2, 1, 0}, {}}};

inline std::int64_t selected(const std::vector<std::int32_t>& list, std::int64_t i) {
  return list.empty() ? i : list[static_cast<std::size_t>(i)];
}
inline std::int64_t selected_count(const std::vector<std::int32_t>& list, std::int64_t all) {
  return list.empty() ? all : std::ssize(list);
}

TEST_P(BackendSuite, gather_and_scatter_move_exactly_what_the_lists_name) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const SelectionRow& row : selection_rows) {
      SCOPED_TRACE(row.name);
      Dense whole = wave_matrix(7, 37, 1);
      Guarded source = put(dtype, whole);
      const std::int64_t rows = selected_count(row.rows, 7), cols = selected_count(row.cols, 37);
      Guarded part = make(dtype, rows, cols);
      ops::gather(backend(), source, row.rows, row.cols, part);
      const Dense taken = part.get();
      Dense scattered(7, 37);
      Guarded target = put(dtype, scattered);
      ops::scatter(backend(), part, row.rows, row.cols, target);
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < cols; ++j) {
          const double value = whole(selected(row.rows, i), selected(row.cols, j));
          EXPECT_EQ(taken(i, j), value);
          scattered(selected(row.rows, i), selected(row.cols, j)) = value;
        }
      }
      EXPECT_EQ(target.get().values, scattered.values);
    }
  }
}

TEST_P(BackendSuite, selections_refuse_what_they_cannot_do) {
  Guarded whole = make(DType::f32, 4, 5), part = make(DType::f32, 2, 5), half = make(DType::bf16, 2, 5);
  const std::vector<std::int32_t> outside = {0, 4}, negative = {-1, 0}, good = {0, 1};
  expect_error(ErrorCode::out_of_range, [&] { ops::gather(backend(), whole, outside, {}, part); });
  expect_error(ErrorCode::out_of_range, [&] { ops::scatter(backend(), part, negative, {}, whole); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::gather(backend(), whole, {}, {}, part); });
  expect_error(ErrorCode::unsupported, [&] { ops::gather(backend(), whole, good, {}, half); });
}

TEST_P(BackendSuite, transpose_is_exact) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {3, 70}, {65, 33}}) {
      Dense values = wave_matrix(rows, cols, 2);
      Guarded source = put(dtype, values), target = make(dtype, cols, rows);
      ops::transpose(backend(), source, target);
      EXPECT_EQ(target.get().values, reference::transpose(values).values) << rows << " x " << cols;
    }
  }
  Guarded a = make(DType::f32, 2, 3), b = make(DType::f32, 2, 3);
  expect_error(ErrorCode::shape_mismatch, [&] { ops::transpose(backend(), a, b); });
}

TEST_P(BackendSuite, rows_scale_and_sum_in_f64) {
  Dense values = wave_matrix(6, 41, 3), factors = wave_matrix(1, 6, 4);
  Guarded x = put(DType::f64, values), scale = put(DType::f64, factors), scaled = make(DType::f64, 6, 41),
          norms = make(DType::f64, 1, 6), narrow = make(DType::f32, 1, 6);
  ops::scale_rows(backend(), x, scale, scaled);
  ops::row_squared_norms(backend(), x, norms);
  const Dense products = scaled.get(), sums = norms.get();
  for (std::int64_t i = 0; i < 6; ++i) {
    double sum = 0.0;
    for (std::int64_t j = 0; j < 41; ++j) {
      EXPECT_EQ(products(i, j), factors(0, i) * values(i, j));
      sum += values(i, j) * values(i, j);
    }
    EXPECT_NEAR(sums(0, i), sum, 1e-14 * sum);
  }
  expect_error(ErrorCode::unsupported, [&] { ops::row_squared_norms(backend(), x, narrow); });
  expect_error(ErrorCode::unsupported, [&] { ops::scale_rows(backend(), x, narrow, scaled); });
}

}  // namespace cce::backend_suite
