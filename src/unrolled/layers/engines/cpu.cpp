// The kernel as torch knows it: two operators, which look at what came before a pointer is taken.
#include <torch/library.h>

#include "cpu_lstm.h"

namespace {
// What may come from anywhere is looked at before a pointer is taken: then no index leaves its tensor.
Tensor checked(const Tensor& tensor, at::IntArrayRef shape, const Tensor& like, const char* name) {
  TORCH_CHECK(tensor.sizes() == shape, name, " has shape ", shape, ", got ", tensor.sizes());
  TORCH_CHECK(tensor.scalar_type() == like.scalar_type(), name, " is ", like.scalar_type(), ", got ", tensor.scalar_type());
  TORCH_CHECK(tensor.device().is_cpu(), name, " is on the CPU, not on ", tensor.device());
  return tensor.contiguous();
}

Maybe checked(const Maybe& tensor, at::IntArrayRef shape, const Tensor& like, const char* name) {
  return tensor ? Maybe(checked(*tensor, shape, like, name)) : Maybe();
}

bool is_float(const Tensor& W_h) {
  const auto dtype = W_h.scalar_type();
  TORCH_CHECK(W_h.device().is_cpu(), "W_h is on the CPU, not on ", W_h.device());
  TORCH_CHECK(W_h.dim() == 2 && W_h.size(1) && W_h.size(0) == 4 * W_h.size(1),
              "W_h has shape (4 hidden, hidden), got ", W_h.sizes());
  TORCH_CHECK(dtype == at::kFloat || dtype == at::kDouble, "W_h is float32 or float64, got ", dtype);
  return dtype == at::kFloat;
}

Maybe checked_tokens(const Maybe& tokens) {
  if (!tokens) return tokens;
  TORCH_CHECK(tokens->dim() == 2 && tokens->scalar_type() == at::kLong && tokens->device().is_cpu(),
              "tokens are int64 of shape (steps, batch) on the CPU, got ", tokens->scalar_type(), " of shape ", tokens->sizes());
  return tokens->contiguous();
}

auto checked_forward(const Tensor& x, const Maybe& tokens, const Tensor& H0, const Tensor& C0, const Tensor& W_h, bool keep) {
  const bool single = is_float(W_h);
  const Maybe ids = checked_tokens(tokens);
  TORCH_CHECK(x.dim() == (ids ? 2 : 3), "x has ", ids ? 2 : 3, " axes, got shape ", x.sizes());
  const int64_t h = W_h.size(1), steps = (ids ? *ids : x).size(0), batch = (ids ? *ids : x).size(1);
  TORCH_CHECK(steps && batch, "inputs have at least one step and one example, got ", steps, " and ", batch);
  const Tensor rows = ids ? checked(x, {x.size(0), 4 * h}, W_h, "x") : checked(x, {steps, batch, 4 * h}, W_h, "x");
  return (single ? forward<float> : forward<double>)(
      rows, ids, checked(H0, {batch, h}, W_h, "H0"), checked(C0, {batch, h}, W_h, "C0"), W_h.contiguous(), keep);
}

auto checked_backward(const Maybe& d_outputs, const Maybe& d_H, const Maybe& d_C, const Maybe& tokens, int64_t num_tokens,
                      const Tensor& outputs, const Tensor& gates, const Tensor& C, const Tensor& H0, const Tensor& C0,
                      const Tensor& W_h) {
  const bool single = is_float(W_h);
  TORCH_CHECK(C.dim() == 3 && C.size(0) && C.size(1), "C has shape (steps, batch, hidden), got ", C.sizes());
  const int64_t h = W_h.size(1), steps = C.size(0), batch = C.size(1);
  const Maybe ids = checked_tokens(tokens);
  if (ids) {
    TORCH_CHECK(ids->sizes() == C.sizes().slice(0, 2), "tokens have shape ", C.sizes().slice(0, 2), ", got ", ids->sizes());
    const auto [low, high] = std::minmax_element(ids->const_data_ptr<int64_t>(), ids->const_data_ptr<int64_t>() + ids->numel());
    TORCH_CHECK(*low >= 0 && *high < num_tokens, "token ids lie between 0 and ", num_tokens - 1, ", got ", *low, " to ", *high);
  }
  return (single ? backward<float> : backward<double>)(
      checked(d_outputs, {steps, batch, h}, W_h, "d_outputs"), checked(d_H, {batch, h}, W_h, "d_H"),
      checked(d_C, {batch, h}, W_h, "d_C"), ids, num_tokens, checked(outputs, {steps, batch, h}, W_h, "outputs"),
      checked(gates, {steps, batch, 4 * h}, W_h, "gates"), checked(C, {steps, batch, h}, W_h, "C"),
      checked(H0, {batch, h}, W_h, "H0"), checked(C0, {batch, h}, W_h, "C0"), W_h.contiguous());
}
}  // namespace

TORCH_LIBRARY(unrolled, library) {
  library.def("lstm_forward(Tensor x, Tensor? tokens, Tensor H0, Tensor C0, Tensor W_h, bool keep)"
              " -> (Tensor outputs, Tensor H, Tensor C, Tensor gates, Tensor kept_C)");
  library.def("lstm_backward(Tensor? d_outputs, Tensor? d_H, Tensor? d_C, Tensor? tokens, int num_tokens, Tensor outputs,"
              " Tensor gates, Tensor C, Tensor H0, Tensor C0, Tensor W_h)"
              " -> (Tensor d_x, Tensor d_H0, Tensor d_C0, Tensor d_W_h)");
}

TORCH_LIBRARY_IMPL(unrolled, CPU, library) {
  library.impl("lstm_forward", checked_forward);
  library.impl("lstm_backward", checked_backward);
}
