// Vectors of as many numbers as a register of this processor holds, and what the gates do to them. GCC's and Clang's own
// vectors: no instruction is named, the compiler finds them for AVX-512, AVX2, SSE and NEON.
#pragma once
#include <array>
#include <cstdint>

namespace {
#if defined(__AVX512F__)
constexpr int BYTES = 64, ROWS = 4;      // of a register; rows whose sums of four gates fit into registers
#elif defined(__AVX__)
constexpr int BYTES = 32, ROWS = 2;
#else
constexpr int BYTES = 16, ROWS = 4;
#endif

template <class T> struct Number;
template <> struct Number<float> {
  typedef int32_t Bits;
  typedef float Vector __attribute__((vector_size(BYTES)));
  typedef int32_t BitVector __attribute__((vector_size(BYTES)));
  static constexpr int MANTISSA = 23, DEGREE = 7;
  static constexpr float LIMIT = 87, SHIFT = 0x1.8p23f, LN2_HIGH = 0x1.63p-1f, LN2_LOW = -0x1.bd0106p-13f;
};
template <> struct Number<double> {
  typedef int64_t Bits;
  typedef double Vector __attribute__((vector_size(BYTES)));
  typedef int64_t BitVector __attribute__((vector_size(BYTES)));
  static constexpr int MANTISSA = 52, DEGREE = 13;
  static constexpr double LIMIT = 708, SHIFT = 0x1.8p52, LN2_HIGH = 0x1.62e4p-1, LN2_LOW = 0x1.7f7d1cf79abcap-20;
};
template <class T> using Vector = typename Number<T>::Vector;
template <class T> constexpr int WIDTH = BYTES / sizeof(T);

template <class T> Vector<T> load(const T* from, int64_t count) {
  Vector<T> v{};
  if (count >= WIDTH<T>) __builtin_memcpy(&v, from, BYTES);
  else for (int64_t l = 0; l < count; ++l) v[l] = from[l];
  return v;
}

template <class T> void store(T* to, Vector<T> v, int64_t count) {
  if (count >= WIDTH<T>) __builtin_memcpy(to, &v, BYTES);
  else for (int64_t l = 0; l < count; ++l) to[l] = v[l];
}

// The sum of a vector's entries, by halves.
template <class T, int N = WIDTH<T>> T total(const T* entries) {
  typedef T Half __attribute__((vector_size(N * sizeof(T) / 2)));
  if constexpr (N == 2) return entries[0] + entries[1];
  else {
    Half low, high;
    __builtin_memcpy(&low, entries, sizeof low);
    __builtin_memcpy(&high, entries + N / 2, sizeof high);
    low += high;
    return total<T, N / 2>((const T*)&low);
  }
}

// exp(x) - 1 = 2^k (exp(r) - 1) + (2^k - 1) with x = k ln 2 + r: exact to the last digits near 0 too. The factors of Taylor's
// series are compile-time constants; SHIFT rounds k and leaves it in the lowest bits, from where it becomes an exponent.
template <class T> Vector<T> expm1(Vector<T> x) {
  using N = Number<T>;
  using Bits = typename N::BitVector;
  x = x > N::LIMIT ? Vector<T>{} + N::LIMIT : x;
  x = x < -N::LIMIT ? Vector<T>{} - N::LIMIT : x;                // NaN passes both
  Vector<T> shifted = x * T(1.4426950408889634) + N::SHIFT, k = shifted - N::SHIFT;
  Vector<T> r = x - k * N::LN2_HIGH - k * N::LN2_LOW;
  constexpr auto factors = [] {
    std::array<T, N::DEGREE + 1> f{1};
    for (int n = 1; n <= N::DEGREE; ++n) f[n] = f[n - 1] / n;
    return f;
  }();
  Vector<T> series = Vector<T>{} + factors[N::DEGREE];
  for (int n = N::DEGREE - 1; n > 0; --n) series = series * r + factors[n];
  auto power = (Vector<T>)(((Bits)shifted << N::MANTISSA) + (Bits)(Vector<T>{} + T(1)));
  return power * (series * r) + (power - 1);
}

template <class T> Vector<T> sigmoid(Vector<T> x) { return 1 / (2 + expm1<T>(-x)); }

template <class T> Vector<T> tanh(Vector<T> x) {
  Vector<T> e = expm1<T>(2 * x);
  return e / (e + 2);
}
}  // namespace
