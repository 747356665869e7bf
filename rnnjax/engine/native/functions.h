// Elementary functions of vectors, and reductions.
//
// `exp`, `expm1`, `tanh`, `logistic`, `log` and `log1p` are straight vector code; the rest calls the C
// library lane by lane. Every result is within 4 units in the last place. NaN, infinities and the
// signs of zeros are those of C. Two results depart from it near the least normal number: `log` of
// a denormal number is that of zero, and `logistic` is zero where it would be denormal. Halves are
// computed in `expm1`: a processor that flushes denormal numbers gives 0 for arguments below twice
// the least normal number.
//
// The polynomials have the least largest error, relative to the function.
#pragma once
#include "vector.h"

namespace rnn {

// The constants that differ between types.
template <class T> struct Real;

template <> struct Real<float> {
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float tiny = 1.17549435e-38f;  // the least normal number
  static constexpr float inf = __builtin_inff(), nan = __builtin_nanf("");
  static constexpr float ln2_high = 0.693145751953125f, ln2_low = 1.42860677e-06f;
  static constexpr float exp_least = -104, exp_most = 89;  // exp is 0 and infinite beyond
  static constexpr float tanh_most = 10;                    // tanh is 1 from here
  // (e^r - 1) / r for |r| <= log(2) / 2.
  static constexpr float exp[] = {1.0f,
                                  0.499999981495816435f,
                                  0.166665434299804061f,
                                  0.0416672008287400826f,
                                  0.00836654639129506751f,
                                  0.0013882500944411534f};
  // (log(1 + f) - f + f^2 / 2) / f^3 for |f| <= 1 / 3.
  static constexpr float log[] = {0.333332659367015298f,  -0.250042433877839904f,
                                  0.200079281498271846f,  -0.164721517149405814f,
                                  0.140421201480037692f,  -0.151234094826048065f,
                                  0.138213753700675327f};
};

template <> struct Real<double> {
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double tiny = 2.2250738585072014e-308;
  static constexpr double inf = __builtin_inf(), nan = __builtin_nan("");
  static constexpr double ln2_high = 0.6931471803691238, ln2_low = 1.9082149292705877e-10;
  static constexpr double exp_least = -746, exp_most = 710, tanh_most = 20;
  static constexpr double exp[] = {1.0,
                                   0.500000000000000001,
                                   0.166666666666666765,
                                   0.0416666666666665082,
                                   0.00833333333332165499,
                                   0.00138888888889626089,
                                   0.000198412698860713784,
                                   0.0000248015871722142991,
                                   2.7557244256290801e-6,
                                   2.75574027954379999e-7,
                                   2.51090237266092139e-8,
                                   2.08753209392249413e-9};
  static constexpr double log[] = {
      0.333333333333383867,  -0.250000000000159895, 0.199999999981255339,  -0.166666666624386362,
      0.142857145207580678,  -0.125000004246554747, 0.11111096795235545,   -0.0999997794286816829,
      0.0909139889545029677, -0.0833400203283715073, 0.0768226270029812682, -0.0713039391643353916,
      0.0679220237888735789, -0.0639406253532129908, 0.049557181689116616,  -0.0455975326584704072,
      0.0886173613861559438, -0.0865018954433452309};
};

// Signs and comparisons.

template <class T> RNN_INLINE VI<T> sign_bit() { return bits<VI<T>>(all<T>(T(-0.0))); }
template <class T> RNN_INLINE V<T> abs(V<T> x) { return bits<V<T>>(bits<VI<T>>(x) & ~sign_bit<T>()); }
template <class T> RNN_INLINE V<T> max(V<T> a, V<T> b) { return ((a > b) | (a != a)) ? a : b; }
template <class T> RNN_INLINE V<T> min(V<T> a, V<T> b) { return ((a < b) | (a != a)) ? a : b; }
template <class T> RNN_INLINE V<T> sign(V<T> x) {
  return x > all<T>(0) ? all<T>(1) : x < all<T>(0) ? all<T>(-1) : x;
}
// `x` between two bounds; NaN remains.
template <class T> RNN_INLINE V<T> clamp(V<T> x, T least, T most) {
  V<T> low = all<T>(least), high = all<T>(most);
#if defined(__SSE2__) && !defined(__clang__)
  // GCC finds the one instruction for a minimum only where the bound is not a known constant.
  __asm__("" : "+v"(low), "+v"(high));
#endif
  x = high < x ? high : x;
  return low > x ? low : x;
}

template <class T, int n> RNN_INLINE V<T> polynomial(const T (&c)[n], V<T> x) {
  V<T> y = all<T>(c[n - 1]);
#pragma GCC unroll 32
  for (int i = n - 2; i >= 0; --i) y = y * x + c[i];
  return y;
}

// Exponentials: x = k log(2) + r. The sum of x / log(2) and a large number is rounded to an integer
// whose last bits are k + offset. A coarse r has the error of log(2), k times.
template <class T, int offset, bool coarse = false> struct Exponent {
  typedef Real<T> R;
  V<T> sum, k, rest;

  RNN_INLINE explicit Exponent(V<T> x) {
    constexpr T large = T(3) * T(1ll << (R::mantissa - 1)) + T(offset);
    sum = x * T(1.4426950408889634) + large;
    k = sum - large;
    if constexpr (coarse) {
      rest = x - k * T(0.69314718055994531);
    } else {
      rest = (x - k * R::ln2_high) - k * R::ln2_low;
    }
  }
  RNN_INLINE V<T> quotient() const { return polynomial<T>(R::exp, rest); }  // (e^r - 1) / r
  RNN_INLINE V<T> exp() const { return quotient() * rest + T(1); }
  RNN_INLINE V<T> expm1() const { return quotient() * rest; }
  // 2^(k + offset - bias).
  RNN_INLINE V<T> power() const { return bits<V<T>>(bits<VU<T>>(sum) << R::mantissa); }
};

// 2^k is two factors, for results that are denormal or nearly infinite: the offset is twice the bias,
// and so the halves of the last bits have the bias once.
template <class T> RNN_INLINE V<T> exp(V<T> x) {
  typedef Real<T> R;
  const Exponent<T, 2 * R::bias> e(clamp<T>(x, R::exp_least, R::exp_most));
  const VU<T> whole = bits<VU<T>>(e.sum), half = whole >> 1;
  return e.exp() * bits<V<T>>(half << R::mantissa) * bits<V<T>>((whole - half) << R::mantissa);
}

// The largest power is infinite, and so the result is 0 where it would not be a normal number.
template <class T> RNN_INLINE V<T> logistic(V<T> x) {
  typedef Real<T> R;
  const Exponent<T, R::bias> e(-clamp<T>(x, -R::exp_most, 2 * R::tanh_most));
  return T(1) / (e.exp() * e.power() + T(1));
}

// Zeros are subtracted, not added: they keep the sign of x.
template <class T> RNN_INLINE V<T> expm1(V<T> x) {
  typedef Real<T> R;
  const Exponent<T, R::bias - 1> e(clamp<T>(x, -R::mantissa, R::exp_most));
  const V<T> half = e.power();
  return (e.expm1() * half - (T(0.5) - half)) * T(2);
}
// y / (y + 2) for y = e^2x - 1: the larger |k| is, the less does an error of y matter.
template <class T> RNN_INLINE V<T> tanh(V<T> x) {
  typedef Real<T> R;
  const V<T> z = clamp<T>(x, -R::tanh_most, R::tanh_most);
  const Exponent<T, R::bias, true> e(z + z);
  const V<T> power = e.power(), y = e.expm1() * power - (T(1) - power);
  return y / (y + T(2));
}

// Logarithms: x = 2^-n (1 + f) for 1 + f between 2/3 and 4/3. The bits of x less those of 2/3 are
// the bits of 1 + f less those of 2/3, and before them -n, from here with its bias.
template <class T> struct Fraction {
  typedef Real<T> R;
  typedef typename Bits<T>::U U;
  static constexpr U mask = (U(1) << R::mantissa) - 1;
  static constexpr U one = U(R::bias) << R::mantissa;
  static constexpr U least = one - (mask + 1) / 3 * 2;  // the bits of 2/3
  VU<T> shifted;

  RNN_INLINE explicit Fraction(V<T> x) : shifted(bits<VU<T>>(x) + (one - least)) {}
  RNN_INLINE V<T> less_one() const { return bits<V<T>>((shifted & mask) + least) - T(1); }  // f
  RNN_INLINE VU<T> field() const { return shifted & ~mask; }
  // n: the field becomes the last bits of a large number.
  RNN_INLINE V<T> negative() const {
    constexpr T large = T(1ll << R::mantissa);
    return (large + T(R::bias)) - bits<V<T>>((shifted >> R::mantissa) | bits<VU<T>>(all<T>(large)));
  }
};

// log(2^-n (1 + f)), put right where `x` is not a positive normal number. Zeros are subtracted.
template <class T> RNN_INLINE V<T> log_of(V<T> n, V<T> f, V<T> x) {
  typedef Real<T> R;
  const V<T> square = f * f;
  const V<T> rest = polynomial<T>(R::log, f) * (square * f) - n * R::ln2_low;
  V<T> y = (f - (square * T(0.5) - rest)) - n * R::ln2_high;
  y = x < all<T>(R::inf) ? y : x;
  return x >= all<T>(R::tiny) ? y : x >= all<T>(0) ? all<T>(-R::inf) : all<T>(R::nan);
}

template <class T> RNN_INLINE V<T> log(V<T> x) {
  const Fraction<T> u(x);
  return log_of<T>(u.negative(), u.less_one(), x);
}

// 1 + x = 2^-n (1 + f) gives f = 2^n x - (1 - 2^n). Twice 2^n is always a finite power of two.
template <class T> RNN_INLINE V<T> log1p(V<T> x) {
  typedef Fraction<T> F;
  const V<T> u = x + T(1);
  const F v(u);
  const VU<T> field = v.field();
  const V<T> scaled = bits<V<T>>(bits<VU<T>>(x) + F::one - field);
  const V<T> twice = bits<V<T>>((2 * F::one + (F::mask + 1)) - field);
  return log_of<T>(v.negative(), scaled - (T(1) - twice * T(0.5)), u);
}

// The exponent is the same whole number in all lanes.
template <class T> inline V<T> integer_pow(V<T> x, V<T> exponent) {
  const long n = exponent[0];
  V<T> y = all<T>(1);
  for (long k = n < 0 ? -n : n; k; k /= 2, x *= x)
    if (k % 2) y *= x;
  return n < 0 ? T(1) / y : y;
}

// The rest, lane by lane.

#define RNN_LANES(name, function)                                                            \
  inline float name##_of(float x) { return __builtin_##function##f(x); }                     \
  inline double name##_of(double x) { return __builtin_##function(x); }                      \
  template <class T> inline V<T> name(V<T> x) {                                              \
    for (int i = 0; i < Lanes<T>::n; ++i) x[i] = name##_of(T(x[i]));                         \
    return x;                                                                                \
  }
RNN_LANES(sqrt, sqrt)
RNN_LANES(cbrt, cbrt)
RNN_LANES(exp2, exp2)
RNN_LANES(erf, erf)
RNN_LANES(erfc, erfc)
RNN_LANES(sin, sin)
RNN_LANES(cos, cos)
RNN_LANES(tan, tan)
RNN_LANES(asin, asin)
RNN_LANES(acos, acos)
RNN_LANES(atan, atan)
RNN_LANES(sinh, sinh)
RNN_LANES(cosh, cosh)
RNN_LANES(asinh, asinh)
RNN_LANES(acosh, acosh)
RNN_LANES(atanh, atanh)
RNN_LANES(floor, floor)
RNN_LANES(ceil, ceil)
#undef RNN_LANES

template <class T> RNN_INLINE V<T> rsqrt(V<T> x) { return T(1) / sqrt<T>(x); }

#define RNN_LANES(name, function)                                                            \
  inline float name##_of(float x, float y) { return __builtin_##function##f(x, y); }         \
  inline double name##_of(double x, double y) { return __builtin_##function(x, y); }         \
  template <class T> inline V<T> name(V<T> x, V<T> y) {                                      \
    for (int i = 0; i < Lanes<T>::n; ++i) x[i] = name##_of(T(x[i]), T(y[i]));                \
    return x;                                                                                \
  }
RNN_LANES(pow, pow)
RNN_LANES(atan2, atan2)
RNN_LANES(rem, fmod)
#undef RNN_LANES

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
