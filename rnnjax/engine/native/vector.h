// Vectors of the widest registers, in the extensions of GCC and Clang.
//
// The same source serves AVX-512, AVX, SSE2 and NEON.
#pragma once
#include <stdint.h>

#if defined(__AVX512F__)
#define RNN_WIDTH 64
#elif defined(__AVX__)
#define RNN_WIDTH 32
#else
#define RNN_WIDTH 16
#endif

#define RNN_INLINE inline __attribute__((always_inline))

namespace rnn {

template <class T> struct Bits;  // the integers as wide as a number
template <> struct Bits<float> { typedef int32_t I; typedef uint32_t U; };
template <> struct Bits<double> { typedef int64_t I; typedef uint64_t U; };

template <class T> struct Lanes {
  typedef typename Bits<T>::I I;
  typedef typename Bits<T>::U U;
  typedef T V __attribute__((vector_size(RNN_WIDTH)));
  typedef I VI __attribute__((vector_size(RNN_WIDTH)));
  typedef U VU __attribute__((vector_size(RNN_WIDTH)));
  static constexpr int n = RNN_WIDTH / sizeof(T);
};
template <class T> using V = typename Lanes<T>::V;    // a vector of numbers
template <class T> using VI = typename Lanes<T>::VI;  // of integers, or of truth values: 0 or -1
template <class T> using VU = typename Lanes<T>::VU;  // of integers without sign

// Subtracting zero changes nothing, and so the compiler leaves a broadcast.
template <class T> RNN_INLINE V<T> all(T x) { return x - V<T>{}; }

template <class To, class From> RNN_INLINE To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast changes no size");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

template <class T> RNN_INLINE V<T> load(const T* p) {
  V<T> x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
template <class T> RNN_INLINE void store(T* p, V<T> x) { __builtin_memcpy(p, &x, sizeof x); }

// Copies `n` numbers, fewer than 2 `size`, in pieces of fixed sizes: without a loop or a call.
template <int size, class T> RNN_INLINE void copy(T* to, const T* from, long n) {
  if (n & size) {
    __builtin_memcpy(to, from, size * sizeof(T));
    to += size, from += size;
  }
  if constexpr (size > 1) copy<size / 2>(to, from, n);
}

// The first `n` lanes, at most all; the memory of the others is not touched, and they are 0.
template <class T> RNN_INLINE V<T> load(const T* p, long n) {
  if (n == Lanes<T>::n) return load<T>(p);
  T lanes[Lanes<T>::n] = {};
  copy<Lanes<T>::n / 2>(lanes, p, n);
  return load<T>(lanes);
}
template <class T> RNN_INLINE void store(T* p, V<T> x, long n) {
  if (n == Lanes<T>::n) return store<T>(p, x);
  T lanes[Lanes<T>::n];
  store<T>(lanes, x);
  copy<Lanes<T>::n / 2>(p, lanes, n);
}

// Truth values: all bits of a lane, or none; in memory they are `bool`.

template <class T> RNN_INLINE VI<T> mask(bool x) { return VI<T>{} - typename Lanes<T>::I(x); }
template <class T> RNN_INLINE VI<T> load_mask(const bool* p, long n) {
  VI<T> x = {};
  for (long i = 0; i < n; ++i) x[i] = -typename Lanes<T>::I(p[i]);
  return x;
}
template <class I> RNN_INLINE void store_mask(bool* p, I x, long n) {
  for (long i = 0; i < n; ++i) p[i] = x[i] != 0;
}
template <class T> RNN_INLINE V<T> select(VI<T> which, V<T> a, V<T> b) { return which ? a : b; }
template <class T> RNN_INLINE VI<T> select(VI<T> which, VI<T> a, VI<T> b) { return which ? a : b; }
template <class T> RNN_INLINE VI<T> is_finite(V<T> x) { return x - x == all<T>(0); }

}  // namespace rnn
