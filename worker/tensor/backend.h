#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "worker/tensor/matrix.h"

namespace cce {

enum class Transpose : bool { no, yes };

/// Shapes of causal grouped-query attention over `sequences` independent sequences stored one after another.
/// Query row i of a sequence stands at position key_length − query_length + i and sees keys up to its
/// position (and, with a window, only the latest `window` of them).
struct AttentionShape {
  std::int64_t sequences = 0;
  std::int64_t query_length = 0;
  std::int64_t key_length = 0;
  std::int64_t kv_groups = 0;
  std::int64_t queries_per_group = 0;
  std::int64_t qk_dim = 0;
  std::int64_t vo_dim = 0;
  double scale = 1.0;  ///< 1/√(dense head_dim): pruning pairs does not change it
  std::optional<std::int64_t> window;

  std::int64_t query_heads() const { return kv_groups * queries_per_group; }
};

/// Rotation angles of one layer: cos and sin, each f32, length × (kv_groups · qk_dim / 2); column
/// group · qk_dim / 2 + j turns the pair (j, j + qk_dim / 2) of every head of that group.
struct RopeTable {
  ConstMatrix cos, sin;
};

/// One step of AdamW (Loshchilov, Hutter 2019) as PyTorch takes it, t = `step` counted from 1, g = scaled
/// gradient:
///   m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,
///   w ← (1 − η λ) w − η m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε).
struct AdamWStep {
  std::int64_t step = 1;
  double learning_rate = 0.0;  ///< η
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;    ///< λ
  double gradient_scale = 1.0;  ///< g = this times the gradient: the factor of clipping
};

/// The few operations that the method needs, on one device. Row-major views; activations are tokens ×
/// features. "any" means f32 or bf16. Accumulation is always in f32 (f64 for f64). Every op throws Error
/// shape_mismatch or unsupported (dtype) before it touches memory. One thread drives a backend at a time; the
/// backend itself uses the threads it was made with. The same build, threads and inputs give the same bits.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view device() const = 0;
  /// Whether matrices of this backend lie in memory that the host may read and write, and matrices of the
  /// host may be given to every op. Where not, data crosses by upload and download alone (host_access.h).
  virtual bool host_memory() const = 0;
  /// Whether bf16 products are instructions of this device rather than an emulation slower than f32.
  virtual bool has_fast_bf16() const = 0;
  /// The dtype of sums that a rank keeps of all its layers (design 3): f64, or f32 on a device whose memory
  /// they would fill. What is added to them is summed in f32 by itself first, so that either rounds little.
  virtual DType kept_sum_dtype() const { return DType::f64; }

  // ---- memory
  /// 64-byte aligned, uninitialised. Errors: does_not_fit.
  virtual Buffer allocate(std::size_t bytes) = 0;
  OwnedMatrix matrix(DType dtype, std::int64_t rows, std::int64_t cols);  ///< uninitialised
  OwnedMatrix zeros(DType dtype, std::int64_t rows, std::int64_t cols);
  virtual void upload(ConstMatrix host, Matrix device) = 0;  ///< same dtype and shape
  virtual void download(ConstMatrix device, Matrix host) = 0;
  /// Host memory that start_upload copies from without the host's help; 64-byte aligned. Errors:
  /// does_not_fit.
  virtual Buffer allocate_host(std::size_t bytes) = 0;
  /// Starts the copy of a dense matrix in such memory. It begins after the work queued so far and runs beside
  /// what is queued later; until finish_uploads() neither side may be touched.
  virtual void start_upload(ConstMatrix host, Matrix device) { upload(host, device); }
  virtual void finish_uploads() {}  ///< waits until every started upload has arrived
  virtual void fill_zero(Matrix target) = 0;
  virtual void convert(ConstMatrix source, Matrix target) = 0;  ///< copies, changing dtype if need be
  virtual void synchronize() = 0;                               ///< waits for queued work
  /// The most memory of its own that this backend held at once; 0 where its memory is the host's.
  virtual std::size_t peak_bytes() const { return 0; }
  /// What it may hold at most; absent where its memory is the host's.
  virtual std::optional<std::size_t> limit_bytes() const { return std::nullopt; }

  // ---- products
  /// C ← α op(A) op(B) + β C. (f32, f32) → f32; (bf16, bf16) → f32 or bf16 (β = 0 for bf16); (f64, f64) →
  /// f64.
  virtual void multiply(ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                        double alpha = 1.0, double beta = 0.0) = 0;
  /// G ← G + Fᵀ F, both triangles. F any, tokens × n; G f32 (or F, G both f64), n × n.
  virtual void gram(ConstMatrix features, Matrix gram) = 0;

  // ---- rows and elements
  /// target ← target + α source; target f32 or f64, source any or of target's dtype.
  virtual void add(ConstMatrix source, Matrix target, double alpha = 1.0) = 0;
  /// x ← x + 1 biasᵀ; bias f32 1 × n, x any.
  virtual void add_bias(ConstMatrix bias, Matrix x) = 0;
  /// target_ij ← scale_i source_ij; scale f32, 1 × rows; source, target any. Or all three f64.
  virtual void scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) = 0;
  /// out_i ← Σ_j x_ij²; x any, out f32 1 × rows. Or both f64.
  virtual void row_squared_norms(ConstMatrix x, Matrix out) = 0;
  /// out_j ← out_j + Σ_i weight_i x_ij (weight empty: 1); x any, weight f32 1 × rows, out f32 1 × cols.
  virtual void column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) = 0;

  // ---- selections and turns: f32 or f64, source and target of one dtype, without common elements
  /// target_ij ← source[rows_i, cols_j]; an empty list means all in order. Errors: out_of_range.
  virtual void gather(ConstMatrix source, std::span<const std::int32_t> rows,
                      std::span<const std::int32_t> cols, Matrix target) = 0;
  /// target[rows_i, cols_j] ← source_ij; an empty list means all in order; no index twice. Errors:
  /// out_of_range.
  virtual void scatter(ConstMatrix source, std::span<const std::int32_t> rows,
                       std::span<const std::int32_t> cols, Matrix target) = 0;
  /// target ← sourceᵀ.
  virtual void transpose(ConstMatrix source, Matrix target) = 0;

  // ---- the blocks of a decoder
  /// out_t ← table[ids_t]; table any, out f32. Errors: out_of_range for an id outside the table.
  virtual void embed(std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) = 0;
  /// out ← gain ⊙ x / √(mean x² + ε); x f32, gain f32 1 × d, out any.
  virtual void rms_norm(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) = 0;
  /// d_x ← d_x + ∂/∂x of the above applied to d_out; all f32.
  virtual void rms_norm_backward(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                                 Matrix d_x) = 0;
  /// Rotates every pair of every head in place: x (any), tokens × (kv_groups · heads_per_group · qk_dim), the
  /// token at row t of a sequence of `length` rows standing at position first_position + t mod length.
  /// inverse turns back (the backward pass).
  virtual void rope(Matrix x, const RopeTable& table, std::int64_t kv_groups, std::int64_t heads_per_group,
                    std::int64_t length, std::int64_t first_position, bool inverse) = 0;
  /// out_h ← softmax(scale q_h k_gᵀ + causal mask) v_g. q, k, v, out of one dtype (any): q tokens × H qk_dim,
  /// k tokens × G qk_dim, v tokens × G vo_dim, out tokens × H vo_dim; log_sum_exp (may be empty) f32
  /// tokens × H, of the scaled scores. Tiled: never a whole score matrix.
  virtual void attention_forward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v,
                                 Matrix out, Matrix log_sum_exp) = 0;
  /// Gradients from d_out; query_length == key_length. d_q, d_k, d_v are overwritten; all of q's dtype or
  /// f32.
  virtual void attention_backward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v,
                                  ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out, Matrix d_q,
                                  Matrix d_k, Matrix d_v) = 0;
  /// variance_h ← variance_h + Σ over queries at positions ≥ first_query of (Σ_j p_j² / n − 1/n²), n the keys
  /// that the query sees: the variance of its attention row (design 3.6). variance f64 1 × H.
  virtual void attention_variance(const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                                  ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance) = 0;
  /// out ← silu(gate) ⊙ up; all any.
  virtual void swiglu(ConstMatrix gate, ConstMatrix up, Matrix out) = 0;
  virtual void swiglu_backward(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                               Matrix d_up) = 0;

  // ---- the output layer, fused with its loss, in chunks (no tokens × vocabulary matrix)
  /// loss_t ← −log softmax(hidden_t headᵀ)[label_t]; 0 where label_t < 0. hidden, head any (same); losses f32
  /// 1 × tokens.
  virtual void output_losses(ConstMatrix hidden, ConstMatrix head, std::span<const std::int32_t> labels,
                             Matrix losses) = 0;
  /// The same with d_hidden_t ← Σ_v (p_v − [v = label_t]) head_v (0 where label_t < 0); d_hidden f32. Where
  /// `uniforms` is not empty, label_t (≥ 0 on entry) is first drawn from p by inverse transform of uniforms_t
  /// ∈ [0, 1).
  virtual void output_gradient(ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                               std::span<const float> uniforms, Matrix losses, Matrix d_hidden) = 0;

  /// divergence_t ← KL(p ‖ q) = Σ_v p_v (log p_v − log q_v) in nats, p = softmax(teacher_t teacher_headᵀ), q
  /// = softmax(hidden_t headᵀ); d_hidden_t ← scale ∂/∂hidden_t = scale Σ_v (q_v − p_v) head_v. Both
  /// normalised streams tokens × d, both heads vocabulary × d, all four of one dtype (any); the heads may be
  /// the same matrix. divergence f32 1 × tokens; d_hidden f32.
  virtual void output_divergence(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                                 ConstMatrix teacher_head, double scale, Matrix divergence,
                                 Matrix d_hidden) = 0;

  // ---- training
  /// sum ← sum + Σ_ij a_ij b_ij; a and b any, of one shape; sum f64 1 × 1. With a = b, the square of a norm.
  virtual void add_inner_product(ConstMatrix a, ConstMatrix b, Matrix sum) = 0;
  double inner_product(ConstMatrix a, ConstMatrix b);  ///< the same, brought to the host
  /// d_gain_j ← d_gain_j + Σ_t d_out_tj x_tj / √(mean x_t² + ε): of rms_norm by its gain. All f32; d_gain 1 ×
  /// d.
  virtual void rms_norm_gain_gradient(ConstMatrix d_out, ConstMatrix x, double epsilon, Matrix d_gain) = 0;
  /// loss_t ← ‖x_t − y_t‖² / ‖y_t‖² and gradient_t ← scale ∂ loss_t / ∂x_t = 2 scale (x_t − y_t) / ‖y_t‖², y
  /// = target; both 0 where y_t = 0. x f32, target any, losses f32 1 × rows, gradient any (may be empty, and
  /// may be the target's own memory where the dtypes agree).
  virtual void relative_error(ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                              Matrix gradient) = 0;
  /// One optimiser step, element by element, in place: gradient (only read), weights, m and v f32 of one
  /// shape; copy (any, may be empty) ← the new weights rounded. Errors: out_of_range unless step ≥ 1, 0 ≤ β <
  /// 1, ε > 0.
  virtual void adamw(const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
                     Matrix copy) = 0;

  // ---- solvers, f64
  /// A = L Lᵀ in place (lower; the strict upper triangle is zeroed). Returns the first row whose pivot is not
  /// positive, A then being garbage; nothing on success.
  [[nodiscard]] virtual std::optional<std::int64_t> cholesky(Matrix a) = 0;
  /// B ← (L Lᵀ)⁻¹ B.
  virtual void cholesky_solve(ConstMatrix factor, Matrix right_side) = 0;
  /// A⁻¹ (both triangles) from L, in place.
  virtual void cholesky_inverse(Matrix factor) = 0;
  /// B ← L⁻¹ B, or L⁻ᵀ B with Transpose::yes.
  virtual void triangular_solve(ConstMatrix lower, Transpose transpose, Matrix right_side) = 0;
  /// A = V diag(values) Vᵀ, values descending (1 × n), eigenvectors as columns of V in place of A.
  /// Errors: not_converged.
  virtual void eigen_symmetric(Matrix a, Matrix values) = 0;
  /// Eigenvalues alone, descending; A is destroyed.
  virtual void eigenvalues_symmetric(Matrix a, Matrix values) = 0;
  /// A (m × n) = U diag(values) Vᵀ thin: U m × k, values 1 × k descending, V_transposed k × n, k = min(m, n);
  /// A is destroyed. Errors: not_converged.
  virtual void singular_values(Matrix a, Matrix u, Matrix values, Matrix v_transposed) = 0;
  /// A = Q R thin (m ≥ n): Q in place of A, R n × n upper.
  virtual void qr(Matrix a, Matrix r) = 0;
};

/// The CPU backend: oneDNN for f32 and bf16 products, OpenBLAS/LAPACKE for f64, `threads` ≥ 1 OpenMP threads.
std::unique_ptr<Backend> make_cpu_backend(int threads);

}  // namespace cce
