#include "worker/model/output_gradients.h"
#include "worker/tensor/ops.h"

#include <vector>

namespace cce {

OutputGradients::OutputGradients(Backend& backend, double rms_epsilon, DType compute_dtype)
    : backend_(backend), rms_epsilon_(rms_epsilon), compute_dtype_(compute_dtype) {}

Matrix OutputGradients::view(OwnedMatrix& memory, DType dtype, std::int64_t rows, std::int64_t cols) {
  const std::size_t bytes = static_cast<std::size_t>(rows * cols) * size_in_bytes(dtype);
  if (memory.bytes() < bytes) {
    memory = OwnedMatrix();
    memory = backend_.matrix(dtype, rows, cols);
  }
  return {memory.as<std::byte>(), dtype, rows, cols, cols};
}

double OutputGradients::sum_of_losses(Matrix losses) {
  std::vector<float> host(static_cast<std::size_t>(losses.cols));
  backend_.download(losses, {host.data(), DType::f32, 1, losses.cols, losses.cols});
  double sum = 0.0;
  for (const float loss : host) sum += static_cast<double>(loss);
  return sum;
}

void OutputGradients::through_norm(ConstMatrix d_hidden, ConstMatrix stream, ConstMatrix gain,
                                   Matrix d_stream, Matrix d_final_norm) {
  if (!d_final_norm.empty())
    ops::rms_norm_gain_gradient(backend_, d_hidden, stream, rms_epsilon_, d_final_norm);
  ops::rms_norm_backward(backend_, d_hidden, stream, gain, rms_epsilon_, d_stream);
}

double OutputGradients::divergence(ConstMatrix stream, const EndWeights& student, ConstMatrix teacher_stream,
                                   const EndWeights& teacher, double scale, Matrix d_stream,
                                   Matrix d_final_norm) {
  const Matrix hidden = view(hidden_, compute_dtype_, stream.rows, stream.cols);
  const Matrix teacher_hidden =
      view(teacher_hidden_, compute_dtype_, teacher_stream.rows, teacher_stream.cols);
  const Matrix d_hidden = view(d_hidden_, DType::f32, stream.rows, stream.cols);
  const Matrix losses = view(losses_, DType::f32, 1, stream.rows);
  ops::rms_norm(backend_, stream, student.final_norm.view(), rms_epsilon_, hidden);
  ops::rms_norm(backend_, teacher_stream, teacher.final_norm.view(), rms_epsilon_, teacher_hidden);
  ops::output_divergence(backend_, hidden, student.head(), teacher_hidden, teacher.head(), scale, losses,
                         d_hidden);
  through_norm(d_hidden, stream, student.final_norm.view(), d_stream, d_final_norm);
  return sum_of_losses(losses);
}

double OutputGradients::task(ConstMatrix stream, const EndWeights& student,
                             std::span<const std::int32_t> labels, double scale, Matrix d_stream,
                             Matrix d_final_norm) {
  const Matrix hidden = view(hidden_, compute_dtype_, stream.rows, stream.cols);
  const Matrix d_hidden = view(d_hidden_, DType::f32, stream.rows, stream.cols);
  const Matrix losses = view(losses_, DType::f32, 1, stream.rows);
  const Matrix scales = view(scales_, DType::f32, 1, stream.rows);
  ops::rms_norm(backend_, stream, student.final_norm.view(), rms_epsilon_, hidden);
  std::vector<std::int32_t> own_labels(labels.begin(), labels.end());
  ops::output_gradient(backend_, hidden, student.head(), own_labels, {}, losses, d_hidden);
  const std::vector<float> factors(static_cast<std::size_t>(stream.rows), static_cast<float>(scale));
  backend_.upload({factors.data(), DType::f32, 1, stream.rows, stream.rows}, scales);
  ops::scale_rows(backend_, d_hidden, scales, d_hidden);
  through_norm(d_hidden, stream, student.final_norm.view(), d_stream, d_final_norm);
  return sum_of_losses(losses);
}

}  // namespace cce
