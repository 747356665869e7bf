// Vectors of features, and elementary functions of them, in the extensions of GCC and Clang.
//
// The same source serves AVX-512, AVX2, SSE and NEON. `exp`, `expm1`, `tanh`, `logistic`, `log` and
// `log1p` are straight vector code, within 4 units in the last place; the rest calls the C library.
// NaN and infinities are what IEEE 754 says; `logistic` is 0 where it would not be a normal number.
// Each polynomial interpolates at Chebyshev points.
#pragma once
#include <stdint.h>

#if defined(__AVX512F__)
#define RNN_WIDTH 64
#elif defined(__AVX__)
#define RNN_WIDTH 32
#else
#define RNN_WIDTH 16
#endif

namespace rnn {

// The numbers in which a type differs.
template <class T> struct Real;

template <> struct Real<float> {
  typedef int32_t Bits;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float least = -104, most = 89;  // where exp is 0 and infinite
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.4286068203094173e-06f;
  static constexpr float tiny = 1.17549435e-38f, lift = 33554432.0f;  // normal from here; 2^25
  static constexpr int lifted = 25;
  // (e^r - 1 - r) / r^2 for |r| up to log(2) / 2.
  static constexpr float exp[] = {0.5f, 0.16666576998242924f, 0.041666554627878084f,
                                  0.008363177629994445f, 0.0013926181810489343f};
  // (log((1 + s) / (1 - s)) / s - 2) / s^2 as a function of s^2, for log(1/2) / 2 to log(2) / 2.
  static constexpr float log[] = {0.6666666655445466f, 0.40000121874506667f, 0.2855081687937602f,
                                  0.2333057432907243f};
};

template <> struct Real<double> {
  typedef int64_t Bits;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double magic = 6755399441055744.0;
  static constexpr double least = -746, most = 710;
  static constexpr double ln2_high = 0.6931471803691238, ln2_low = 1.9082149292705877e-10;
  static constexpr double tiny = 2.2250738585072014e-308, lift = 18014398509481984.0;
  static constexpr int lifted = 54;
  static constexpr double exp[] = {0.5,
                                   0.1666666666666667,
                                   0.04166666666666667,
                                   0.008333333333326136,
                                   0.001388888888888375,
                                   0.00019841269874815834,
                                   2.480158732554432e-05,
                                   2.7557255406285044e-06,
                                   2.7557273647451087e-07,
                                   2.5105214474751413e-08,
                                   2.0914685161418067e-09};
  static constexpr double log[] = {0.6666666666666666,  0.4000000000000088,  0.28571428570803253,
                                   0.22222222391794727, 0.18181795631498243, 0.15386240172447838,
                                   0.13268760562036724, 0.1308675766695207};
};

template <class T> struct Lanes {
  typedef typename Real<T>::Bits Bits;
  typedef T V __attribute__((vector_size(RNN_WIDTH)));
  typedef Bits VI __attribute__((vector_size(RNN_WIDTH)));
  static constexpr int n = RNN_WIDTH / sizeof(T);
};
template <class T> using V = typename Lanes<T>::V;    // a vector of numbers
template <class T> using VI = typename Lanes<T>::VI;  // of integers, or of truth values

// Subtracting zero changes nothing, and so the compiler leaves a broadcast.
template <class T> inline V<T> all(T x) { return x - V<T>{}; }

template <class A, class B> inline A bits(B x) {
  static_assert(sizeof(A) == sizeof(B));
  A y;
  __builtin_memcpy(&y, &x, sizeof y);
  return y;
}

template <class T> inline V<T> load_all(const T* p) {
  V<T> x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
template <class T> inline V<T> load_some(const T* p, long n) {
  if (n == Lanes<T>::n) return load_all(p);
  V<T> x = {};
  for (long i = 0; i < n; ++i) x[i] = p[i];
  return x;
}
template <class T> inline void store_some(T* p, V<T> x, long n) {
  if (n == Lanes<T>::n) {
    __builtin_memcpy(p, &x, sizeof x);
  } else {
    for (long i = 0; i < n; ++i) p[i] = x[i];
  }
}
inline V<float> load(const float* p) { return load_all(p); }
inline V<double> load(const double* p) { return load_all(p); }
inline V<float> load(const float* p, long n) { return load_some(p, n); }
inline V<double> load(const double* p, long n) { return load_some(p, n); }
inline void store(float* p, V<float> x) { __builtin_memcpy(p, &x, sizeof x); }
inline void store(double* p, V<double> x) { __builtin_memcpy(p, &x, sizeof x); }
inline void store(float* p, V<float> x, long n) { store_some(p, x, n); }
inline void store(double* p, V<double> x, long n) { store_some(p, x, n); }

// Truth values have all bits set, or none; in memory they are `bool`.

template <class T> inline VI<T> mask(bool x) { return VI<T>{} - typename Real<T>::Bits(x); }
template <class T> inline VI<T> load_mask(const bool* p, long n) {
  VI<T> x = {};
  for (long i = 0; i < n; ++i) x[i] = -typename Real<T>::Bits(p[i]);
  return x;
}
template <class I> inline void store_mask(bool* p, I x, long n) {
  for (long i = 0; i < n; ++i) p[i] = x[i] != 0;
}
inline void store(bool* p, VI<float> x, long n) { store_mask(p, x, n); }
inline void store(bool* p, VI<double> x, long n) { store_mask(p, x, n); }

template <class T> inline V<T> select(VI<T> which, V<T> a, V<T> b) { return which ? a : b; }
template <class T> inline VI<T> select(VI<T> which, VI<T> a, VI<T> b) { return which ? a : b; }
template <class T> inline VI<T> is_finite(V<T> x) { return x - x == all<T>(0); }

template <class T> inline V<T> abs(V<T> x) {
  return bits<V<T>>(bits<VI<T>>(x) & ~bits<VI<T>>(all<T>(T(-0.0))));
}
template <class T> inline V<T> copysign(V<T> x, V<T> sign) {
  return bits<V<T>>(bits<VI<T>>(x) | (bits<VI<T>>(sign) & bits<VI<T>>(all<T>(T(-0.0)))));
}
template <class T> inline V<T> max(V<T> a, V<T> b) { return (a > b) | (a != a) ? a : b; }
template <class T> inline V<T> min(V<T> a, V<T> b) { return (a < b) | (a != a) ? a : b; }
template <class T> inline V<T> sign(V<T> x) {
  return x > all<T>(0) ? all<T>(1) : x < all<T>(0) ? all<T>(-1) : x;
}

// Exponentials: x = k log(2) + r.

template <class T, int n> inline V<T> polynomial(const T (&c)[n], V<T> x) {
  V<T> y = all<T>(c[n - 1]);
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; --i) y = y * x + c[i];
  return y;
}

// e^r - 1 in `y`, and k, which is whole.
template <class T> inline V<T> reduce(V<T> x, V<T>& y) {
  typedef Real<T> R;
  V<T> k = x * T(1.4426950408889634) + R::magic;
  k -= R::magic;
  V<T> r = x - k * R::ln2_high;
  r = r - k * R::ln2_low;
  y = polynomial<T>(R::exp, r) * (r * r) + r;
  return k;
}

// 2^k, for a k that gives a normal number.
template <class T> inline V<T> power(V<T> k) {
  typedef Real<T> R;
  const VI<T> whole = bits<VI<T>>(k + R::magic) - bits<VI<T>>(all<T>(R::magic));
  return bits<V<T>>((whole + R::bias) << R::mantissa);
}

template <class T> inline V<T> exp(V<T> x) {
  x = x > all<T>(Real<T>::most) ? all<T>(Real<T>::most) : x;
  x = x < all<T>(Real<T>::least) ? all<T>(Real<T>::least) : x;
  V<T> y;
  const V<T> k = reduce<T>(x, y);
  const V<T> half = (k * T(0.5) + Real<T>::magic) - Real<T>::magic;
  return (y + T(1)) * power<T>(half) * power<T>(k - half);  // in two factors, for the least numbers
}

template <class T> inline V<T> expm1(V<T> x) {
  const V<T> least = all<T>(-Real<T>::mantissa - 3), most = all<T>(Real<T>::most);
  V<T> z = x > most ? most : x;
  z = z < least ? least : z;
  V<T> y;
  const V<T> k = reduce<T>(z, y);
  const V<T> half = (k * T(0.5) + Real<T>::magic) - Real<T>::magic;
  const V<T> one = power<T>(half), two = power<T>(k - half);
  const V<T> large = (y + T(1)) * one * two, scale = one * two;
  const V<T> small = y * scale + (scale - T(1));
  const V<T> found = k > all<T>(Real<T>::mantissa + 1) ? large : small;
  return x == all<T>(0) ? x : found;
}

template <class T> inline V<T> tanh(V<T> x) {
  const V<T> least = all<T>(-Real<T>::mantissa - 3);
  V<T> z = abs<T>(x) * T(-2);
  z = z < least ? least : z;
  V<T> y;
  const V<T> scale = power<T>(reduce<T>(z, y));
  const V<T> e = y * scale + (scale - T(1));
  return copysign<T>(abs<T>(e) / (e + T(2)), x);
}

template <class T> inline V<T> logistic(V<T> x) { return T(1) / (T(1) + exp<T>(-x)); }

// Logarithms: x = 2^e (1 + f), where 1 + f is between the roots of 1/2 and 2.

template <class T> inline V<T> log(V<T> x) {
  typedef Real<T> R;
  const VI<T> low = x < all<T>(R::tiny);
  const V<T> lifted = low ? x * R::lift : x;
  const VI<T> whole = bits<VI<T>>(lifted);
  const VI<T> root = bits<VI<T>>(all<T>(T(0.70710678118654752)));
  const VI<T> exponent = (whole - root) >> R::mantissa;
  const V<T> f = bits<V<T>>(whole - (exponent << R::mantissa)) - T(1);
  V<T> e = __builtin_convertvector(exponent, V<T>);
  e = low ? e - T(R::lifted) : e;
  const V<T> s = f / (f + T(2)), square = s * s, half = f * f * T(0.5);
  const V<T> rest = polynomial<T>(R::log, square) * square;
  V<T> y = e * R::ln2_high + (f - (half - (s * (half + rest) + e * R::ln2_low)));
  y = x == all<T>(T(__builtin_inf())) ? x : y;
  y = x == all<T>(0) ? all<T>(-T(__builtin_inf())) : y;
  return (x < all<T>(0)) | (x != x) ? all<T>(T(__builtin_nan(""))) : y;
}

template <class T> inline V<T> log1p(V<T> x) {
  const V<T> u = x + T(1);
  const V<T> y = log<T>(u) + (x - (u - T(1))) / u;
  const VI<T> plain = (u == all<T>(0)) | (u == all<T>(T(__builtin_inf())));
  return u == all<T>(1) ? x : plain ? log<T>(u) : y;
}

// The rest, one number after the other.

#define RNN_EACH(name)                                                                       \
  inline float name##_of(float x) { return __builtin_##name##f(x); }                         \
  inline double name##_of(double x) { return __builtin_##name(x); }                          \
  template <class T> inline V<T> name(V<T> x) {                                              \
    for (int i = 0; i < Lanes<T>::n; ++i) x[i] = name##_of(T(x[i]));                         \
    return x;                                                                                \
  }
RNN_EACH(sqrt)
RNN_EACH(cbrt)
RNN_EACH(exp2)
RNN_EACH(erf)
RNN_EACH(erfc)
RNN_EACH(sin)
RNN_EACH(cos)
RNN_EACH(tan)
RNN_EACH(asin)
RNN_EACH(acos)
RNN_EACH(atan)
RNN_EACH(sinh)
RNN_EACH(cosh)
RNN_EACH(asinh)
RNN_EACH(acosh)
RNN_EACH(atanh)
RNN_EACH(floor)
RNN_EACH(ceil)
#undef RNN_EACH

template <class T> inline V<T> rsqrt(V<T> x) { return T(1) / sqrt<T>(x); }

#define RNN_EACH(name, function)                                                             \
  inline float name##_of(float x, float y) { return __builtin_##function##f(x, y); }         \
  inline double name##_of(double x, double y) { return __builtin_##function(x, y); }         \
  template <class T> inline V<T> name(V<T> x, V<T> y) {                                      \
    for (int i = 0; i < Lanes<T>::n; ++i) x[i] = name##_of(T(x[i]), T(y[i]));                \
    return x;                                                                                \
  }
RNN_EACH(pow, pow)
RNN_EACH(atan2, atan2)
RNN_EACH(rem, fmod)
#undef RNN_EACH

// The exponent is the same whole number in all lanes.
template <class T> inline V<T> integer_pow(V<T> x, V<T> exponent) {
  const long n = exponent[0];
  V<T> y = all<T>(1);
  for (long k = n < 0 ? -n : n; k; k /= 2, x *= x)
    if (k % 2) y *= x;
  return n < 0 ? T(1) / y : y;
}

// Reductions over the features of a row: vectors first, then the lanes of one.

template <class T> inline V<T> fill(V<T> x, long n, T rest) {
  for (long i = n; i < Lanes<T>::n; ++i) x[i] = rest;
  return x;
}
template <class T> inline V<T> sum_start() { return all<T>(0); }
template <class T> inline V<T> sum_next(V<T> sum, V<T> x, long n) { return sum + fill<T>(x, n, 0); }
template <class T> inline T sum_end(V<T> x) {
  for (int half = Lanes<T>::n / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
}
template <class T> inline V<T> max_start() { return all<T>(-T(__builtin_inf())); }
template <class T> inline V<T> max_next(V<T> most, V<T> x, long n) {
  return max<T>(most, fill<T>(x, n, -T(__builtin_inf())));
}
template <class T> inline T max_end(V<T> x) {
  T most = x[0];
  for (int i = 1; i < Lanes<T>::n; ++i) most = most >= x[i] || most != most ? most : x[i];
  return most;
}
template <class T> inline V<T> min_start() { return all<T>(T(__builtin_inf())); }
template <class T> inline V<T> min_next(V<T> least, V<T> x, long n) {
  return min<T>(least, fill<T>(x, n, T(__builtin_inf())));
}
template <class T> inline T min_end(V<T> x) { return -max_end<T>(-x); }

}  // namespace rnn
