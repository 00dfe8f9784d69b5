// One LSTM layer in one direction on the CPU, forward and backward, for float and double.
//
// The gates lie side by side in the order i, f, g, o. A panel is as many hidden units as a vector holds, and a cell what four
// gates make of one panel in a few rows of the batch: a product whose sums stay in registers, and the activations of those
// sums. A row never waits for another one. So threads share the rows, and each runs its own through all steps while their
// states are in its cache; only where W_h outgrows that cache do they share the panels.
#pragma once
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "cpu_vector.h"

namespace {
using at::Tensor;
using Maybe = std::optional<Tensor>;
constexpr int64_t BLOCK = 16;            // rows that go through all steps together
constexpr int64_t CACHE = 1 << 18;       // bytes of W_h beyond which threads share its panels, not the rows
constexpr int64_t SHARE = 1 << 17;       // multiplications that are worth a thread, some 4 microseconds

// sum[r][v] += the sum over k of a(r, k) w(k, v): R x V vectors that stay in registers.
template <class T, int R, int V>
void product(Vector<T> (&sum)[R][V], const T* a, int64_t to_row, int64_t to_k, const T* w, int64_t count) {
  for (int64_t k = 0; k < count; ++k, a += to_k, w += V * WIDTH<T>)
    for (int v = 0; v < V; ++v)
      for (int r = 0; r < R; ++r) sum[r][v] += a[r * to_row] * load(w + v * WIDTH<T>, WIDTH<T>);
}

// The same for a few rows and weights as they lie, (4 gates, hidden, hidden): packing would cost more than it saves.
template <class T, int R>
void product_in_place(Vector<T> (&sum)[R][4], const T* H, const T* W_h, int64_t h, int64_t j) {
  T dots[R][4][WIDTH<T>] = {};
  for (int64_t l = 0; l < std::min<int64_t>(h - j, WIDTH<T>); ++l) {
    Vector<T> dot[R][4] = {};
    auto add = [&](int64_t k, int64_t count) {
      for (int gate = 0; gate < 4; ++gate) {
        const Vector<T> w = load(W_h + (gate * h + j + l) * h + k, count);
        for (int r = 0; r < R; ++r) dot[r][gate] += w * load(H + r * h + k, count);
      }
    };
    int64_t k = 0;
    for (; k + WIDTH<T> <= h; k += WIDTH<T>) add(k, WIDTH<T>);
    if (k < h) add(k, h - k);
    for (int r = 0; r < R; ++r)
      for (int gate = 0; gate < 4; ++gate) dots[r][gate][l] = total<T>((const T*)&dot[r][gate]);
  }
  for (int r = 0; r < R; ++r)
    for (int gate = 0; gate < 4; ++gate) sum[r][gate] += load(dots[r][gate], WIDTH<T>);
}

// Weights in the order in which `product` reads them, (panels, count, V, WIDTH), filled up with zeros: from(panel, k, v) is
// where the next WIDTH of them begin, `apart` from one another, and how many there are.
template <class T, int V, class From>
Tensor pack(const Tensor& W_h, int64_t panels, int64_t count, int64_t apart, const From& from) {
  Tensor packed = at::empty({panels, count, V, WIDTH<T>}, W_h.options());
  T* to = packed.data_ptr<T>();
  at::parallel_for(0, panels, 1 + (1 << 15) / (count * V * WIDTH<T>), [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel)
      for (int64_t first = 0; first < count; first += WIDTH<T>)                 // a cache line of each, then the next
        for (int v = 0; v < V; ++v)
          for (int64_t k = first; k < std::min(count, first + WIDTH<T>); ++k) {
            const auto [start, there] = from(panel, k, v);
            T* place = to + ((panel * count + k) * V + v) * WIDTH<T>;
            if (apart == 1) store(place, load(start, there), WIDTH<T>);
            else for (int l = 0; l < WIDTH<T>; ++l) place[l] = l < there ? start[l * apart] : T(0);
          }
  });
  return packed;
}

template <class T> bool in_cache(int64_t h) { return 4 * h * h * (int64_t)sizeof(T) <= CACHE; }

// work<R>(first) for groups of R rows: as many at once as may be, and the rest together.
template <int R, class Work> void one_group(int64_t rows, int64_t first, const Work& work) {
  if (rows == R) work.template operator()<R>(first);
  else if constexpr (R > 1) one_group<R - 1>(rows, first, work);
}

template <int MOST, class Work> void in_groups(int64_t first, int64_t end, const Work& work) {
  for (; first < end; first += MOST) one_group<MOST>(std::min<int64_t>(MOST, end - first), first, work);
}

// Every cell of every step, each step after the one before. `cells<R>(step, n, panel)` computes up to MOST rows from n on;
// where threads share the rows, `then(step, n, end)` follows when they are through.
// `work` counts the multiplications of one row in one panel: less than pays for waking a thread is not shared.
template <int MOST, class Cells, class Then>
void sweep(int64_t steps, int64_t batch, int64_t panels, int64_t work, bool share_rows, const Cells& cells, const Then& then) {
  auto part = [&](int64_t step, int64_t n, int64_t end, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t panel = step % 2 ? first + last - 1 - i : i;              // what was last is still in cache
      in_groups<MOST>(n, end, [&]<int R>(int64_t row) { cells.template operator()<R>(step, row, panel); });
    }
  };
  const int64_t of_row = steps * panels * work;
  int64_t rows = BLOCK;                                        // of a block; fewer where a thread would have none
  while (rows > 2 && batch <= rows * (at::get_num_threads() - 1) && rows / 2 * of_row >= SHARE) rows /= 2;
  if (share_rows)
    at::parallel_for(0, (batch + rows - 1) / rows, 1 + SHARE / (rows * of_row), [&](int64_t first, int64_t last) {
      for (int64_t n = first * rows; n < std::min(batch, last * rows); n += rows)
        for (int64_t step = 0; step < steps; ++step) {
          const int64_t end = std::min(batch, n + rows);
          part(step, n, end, 0, panels);
          then(step, n, end);
        }
    });
  else
    for (int64_t step = 0; step < steps; ++step)
      at::parallel_for(0, panels, 1 + SHARE / (batch * work), [&](int64_t first, int64_t last) {
        part(step, 0, batch, first, last);
      });
}

// x (steps, batch, 4 hidden), or with tokens (steps, batch) the rows of a table x (num_tokens, 4 hidden).
// Returns outputs, the last H and C, and where they are to be kept the gates and C of every step.
template <class T>
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> forward(const Tensor& x, const Maybe& tokens, const Tensor& H0,
                                                           const Tensor& C0, const Tensor& W_h, bool keep) {
  const int64_t steps = (tokens ? *tokens : x).size(0), batch = H0.size(0), h = W_h.size(1);
  const int64_t panels = (h + WIDTH<T> - 1) / WIDTH<T>, num_tokens = x.size(0);
  const bool few = batch <= 2 || steps * batch <= 128;
  const T* W = W_h.const_data_ptr<T>();
  const Tensor packed = few ? W_h : pack<T, 4>(W_h, panels, h, h, [=](int64_t panel, int64_t k, int gate) {
    return std::pair(W + (gate * h + panel * WIDTH<T>) * h + k, h - panel * WIDTH<T>);
  });
  Tensor outputs = at::empty({steps, batch, h}, x.options());
  Tensor gates = at::empty({keep ? steps : 0, batch, 4 * h}, x.options());
  Tensor C = at::empty({keep ? steps : 1, batch, h}, x.options());
  const T *px = x.const_data_ptr<T>(), *pH0 = H0.const_data_ptr<T>(), *pC0 = C0.const_data_ptr<T>();
  const T* pW = packed.const_data_ptr<T>();
  T *pH = outputs.data_ptr<T>(), *pG = keep ? gates.data_ptr<T>() : nullptr, *pC = C.data_ptr<T>();
  const int64_t* ids = tokens ? tokens->const_data_ptr<int64_t>() : nullptr;

  sweep<ROWS>(steps, batch, panels, 4 * h * WIDTH<T>, in_cache<T>(h), [&]<int R>(int64_t t, int64_t n, int64_t panel) {
    const int64_t j = panel * WIDTH<T>, count = h - j;
    const T* before = (t ? pH + (t - 1) * batch * h : pH0) + n * h;
    Vector<T> sum[R][4];
    for (int r = 0; r < R; ++r) {
      int64_t row = t * batch + n + r;
      if (ids) {
        row = ids[row];
        TORCH_CHECK(row >= 0 && row < num_tokens, "token ids lie between 0 and ", num_tokens - 1, ", got ", row);
      }
      for (int gate = 0; gate < 4; ++gate) sum[r][gate] = load(px + (row * 4 + gate) * h + j, count);
    }
    if (few) product_in_place<T, R>(sum, before, pW, h, j);
    else product<T, R, 4>(sum, before, h, 1, pW + panel * h * 4 * WIDTH<T>, h);
    for (int r = 0; r < R; ++r) {
      const int64_t row = n + r, now = (t * batch + row) * h + j;
      const T* C_before = t == 0 ? pC0 + row * h + j : keep ? pC + now - batch * h : pC + row * h + j;
      const Vector<T> I = sigmoid<T>(sum[r][0]), F = sigmoid<T>(sum[r][1]), G = tanh<T>(sum[r][2]), O = sigmoid<T>(sum[r][3]);
      const Vector<T> C = F * load(C_before, count) + I * G;
      store(pC + (keep ? now : row * h + j), C, count);
      store(pH + now, O * tanh<T>(C), count);
      if (keep) {
        T* to = pG + (t * batch + row) * 4 * h + j;
        for (const Vector<T>& gate : {I, F, G, O}) store(to, gate, count), to += h;
      }
    }
  }, [](int64_t, int64_t, int64_t) {});
  return {outputs, outputs[steps - 1].clone(), C[keep ? steps - 1 : 0].clone(), gates, C};
}

// The gradient of a table: each row of the sums' gradient is added to its token's. Threads share the columns.
template <class T> Tensor scatter(const Tensor& d_sums, const Tensor& tokens, int64_t num_tokens) {
  const int64_t width = d_sums.size(2), count = tokens.numel();
  Tensor table = at::zeros({num_tokens, width}, d_sums.options());
  const T* from = d_sums.const_data_ptr<T>();
  const int64_t* ids = tokens.const_data_ptr<int64_t>();
  T* to = table.data_ptr<T>();
  at::parallel_for(0, width, 1 + 32768 / count, [&](int64_t begin, int64_t end) {
    for (int64_t row = 0; row < count; ++row)
      for (int64_t column = begin; column < end; ++column) to[ids[row] * width + column] += from[row * width + column];
  });
  return table;
}

// The same steps in reverse: the loss's gradient by x (its sums or, for tokens, its table), H0, C0 and W_h. Where threads
// share the rows, each has its own share of the two weights' gradients, and for tokens no step's sums outlive the next.
template <class T>
std::tuple<Tensor, Tensor, Tensor, Tensor> backward(const Maybe& d_outputs, const Maybe& d_H, const Maybe& d_C,
                                                    const Maybe& tokens, int64_t num_tokens, const Tensor& outputs,
                                                    const Tensor& gates, const Tensor& C, const Tensor& H0,
                                                    const Tensor& C0, const Tensor& W_h) {
  constexpr int V = 2, MOST = 2 * ROWS, WIDE = V * WIDTH<T>;
  const int64_t steps = C.size(0), batch = C.size(1), h = C.size(2), panels = (h + WIDE - 1) / WIDE, wide = panels * WIDE;
  const bool share_rows = in_cache<T>(h);
  const bool fused = share_rows && tokens && num_tokens * 4 * h * (int64_t)sizeof(T) <= CACHE;
  const int64_t threads = share_rows ? at::get_num_threads() : 0;
  const T* W = W_h.const_data_ptr<T>();
  const Tensor packed = pack<T, V>(W_h, panels, 4 * h, 1, [=](int64_t panel, int64_t k, int v) {
    const int64_t j = panel * WIDE + v * WIDTH<T>;
    return std::pair(W + k * h + j, h - j);
  });
  Tensor sums = fused ? at::empty({threads * 2, BLOCK, 4 * h}, gates.options()) : at::empty_like(gates);
  Tensor d_H0 = at::empty_like(C0), d_C0 = d_C ? d_C->clone() : at::zeros_like(C0);
  Tensor d_W = at::zeros({threads, 4 * h, wide}, W_h.options());
  Tensor d_table = at::zeros({fused ? threads : 0, num_tokens, 4 * h}, W_h.options());
  Tensor H = at::zeros({threads, BLOCK, wide}, W_h.options());                  // a block of it, as `product` wants it
  const T *pW = packed.const_data_ptr<T>(), *pG = gates.const_data_ptr<T>(), *pC = C.const_data_ptr<T>();
  const T *pO = outputs.const_data_ptr<T>(), *pH0 = H0.const_data_ptr<T>(), *pC0 = C0.const_data_ptr<T>();
  const T *pdH = d_H ? d_H->const_data_ptr<T>() : nullptr, *pdO = d_outputs ? d_outputs->const_data_ptr<T>() : nullptr;
  T *pS = sums.data_ptr<T>(), *pdH0 = d_H0.data_ptr<T>(), *pdC = d_C0.data_ptr<T>();
  T *pdW = d_W.data_ptr<T>(), *pdX = d_table.data_ptr<T>(), *pH = H.data_ptr<T>();
  const int64_t* ids = tokens ? tokens->const_data_ptr<int64_t>() : nullptr;
  const auto d_sums = [=](int64_t t, int64_t n) {
    return pS + (fused ? (at::get_thread_num() * 2 + t % 2) * BLOCK + n % BLOCK : t * batch + n) * 4 * h;
  };

  sweep<MOST>(steps + 1, batch, panels, 4 * h * WIDE, share_rows, [&]<int R>(int64_t step, int64_t n, int64_t panel) {
    const int64_t t = steps - 1 - step;                                         // -1 stands for the state before all steps
    Vector<T> sum[R][V] = {};
    if (step) product<T, R, V>(sum, d_sums(t + 1, n), 4 * h, 1, pW + panel * 4 * h * WIDE, 4 * h);
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) {
        const int64_t j = panel * WIDE + v * WIDTH<T>, count = h - j, row = (n + r) * h + j, now = t * batch * h + row;
        if (count <= 0) break;
        Vector<T> dH = sum[r][v];
        if (!step && pdH) dH += load(pdH + row, count);
        if (t < 0) {
          store(pdH0 + row, dH, count);
          continue;
        }
        if (pdO) dH += load(pdO + now, count);
        const T* gate = pG + (t * batch + n + r) * 4 * h + j;
        T* to = d_sums(t, n) + r * 4 * h + j;
        const Vector<T> I = load(gate, count), F = load(gate + h, count);
        const Vector<T> G = load(gate + 2 * h, count), O = load(gate + 3 * h, count);
        const Vector<T> squashed = tanh<T>(load(pC + now, count));
        const Vector<T> dC = load(pdC + row, count) + dH * O * (1 - squashed * squashed);
        store(to, dC * G * I * (1 - I), count);
        store(to + h, dC * load(t ? pC + now - batch * h : pC0 + row, count) * F * (1 - F), count);
        store(to + 2 * h, dC * I * (1 - G * G), count);
        store(to + 3 * h, dH * squashed * O * (1 - O), count);
        store(pdC + row, dC * F, count);
      }
  }, [&](int64_t step, int64_t n, int64_t end) {
    const int64_t t = steps - 1 - step, thread = at::get_thread_num();
    if (t < 0) return;
    const T *from = d_sums(t, n), *before = (t ? pO + (t - 1) * batch * h : pH0) + n * h;
    T *to = pdW + thread * 4 * h * wide, *H = pH + thread * BLOCK * wide;
    if (fused)
      for (int64_t row = 0; row < end - n; ++row) {
        T* place = pdX + (thread * num_tokens + ids[t * batch + n + row]) * 4 * h;
        for (int64_t m = 0; m < 4 * h; ++m) place[m] += from[row * 4 * h + m];
      }
    for (int64_t j = 0; j < h; j += WIDTH<T>)
      for (int64_t row = 0; row < end - n; ++row)
        store(H + (j / WIDE * BLOCK + row) * WIDE + j % WIDE, load(before + row * h + j, h - j), WIDTH<T>);
    for (int64_t panel = 0; panel < panels; ++panel)
      in_groups<MOST>(0, 4 * h, [&]<int R>(int64_t m) {
        Vector<T> sum[R][V];
        T* place = to + m * wide + panel * WIDE;
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v) sum[r][v] = load(place + r * wide + v * WIDTH<T>, WIDTH<T>);
        product<T, R, V>(sum, from + m, 1, 4 * h, H + panel * BLOCK * WIDE, end - n);
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v) store(place + r * wide + v * WIDTH<T>, sum[r][v], WIDTH<T>);
      });
  });
  const Tensor d_x = fused ? d_table.sum(0) : tokens ? scatter<T>(sums, *tokens, num_tokens) : sums;
  if (share_rows) return {d_x, d_H0, d_C0, d_W.sum(0).slice(1, 0, h).contiguous()};
  Tensor d_W_h = at::mm(sums[0].t(), H0);
  if (steps > 1) d_W_h.addmm_(sums.slice(0, 1).view({-1, 4 * h}).t(), outputs.slice(0, 0, steps - 1).view({-1, h}));
  return {d_x, d_H0, d_C0, d_W_h};
}
}  // namespace
