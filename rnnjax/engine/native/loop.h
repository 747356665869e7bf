// Everything that the compiled loops share: packed products, tasks, and the call from XLA.
//
// A generated file includes it, and defines `Loop`: its sizes, and `run` for some rows.
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <xla/ffi/api/c_api.h>

#include "functions.h"

// Nothing else is visible: one process loads many objects with the same names.
#define EXPORT extern "C" __attribute__((visibility("default")))

namespace rnn {

// Products -----------------------------------------------------------------------------------
//
// A matrix is packed into panels of two vectors of columns, `[outer / P][inner][P]`, the last one
// padded with zeros. A tile of some rows and a panel stays in registers while the inner axis is
// walked. Each result is one sum in the order of the inner axis, whichever tile computes it.

template <class T> constexpr long panel = 2 * Lanes<T>::n;

// With 32 vector registers a tile has eight rows, with 16 four.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTile = 8;
#else
constexpr int kTile = 4;
#endif

struct Matrix {
  int operand;
  long inner, outer;
  bool transposed;  // the operand is `[outer, inner]`
};

template <class T> long packed_size(const Matrix& m) {
  return (m.outer + panel<T> - 1) / panel<T> * panel<T> * m.inner;
}

template <class T, int n> long packed_sizes(const Matrix (&matrices)[n]) {
  long size = 0;
  for (int i = 0; i < n; ++i) size += packed_size<T>(matrices[i]);
  return size;
}

template <class T> void pack(const Matrix& m, const T* w, T* to) {
  const long P = panel<T>;
  for (long n0 = 0; n0 < m.outer; n0 += P, to += m.inner * P) {
    const long n = m.outer - n0 < P ? m.outer - n0 : P;
    for (long k = 0; k < m.inner; ++k) {
      T* row = to + k * P;
      if (m.transposed) {
        for (long j = 0; j < n; ++j) row[j] = w[(n0 + j) * m.inner + k];
      } else {
        memcpy(row, w + k * m.outer + n0, n * sizeof(T));
      }
      for (long j = n; j < P; ++j) row[j] = 0;
    }
  }
}

// `M` rows times `Q` panels.
template <class T, int M, int Q>
inline void tile(long K, const T* a, long lda, const T* b, T* c, long ldc, long columns) {
  constexpr int L = Lanes<T>::n;
  V<T> sum[M][2 * Q] = {};
  for (long k = 0; k < K; ++k) {
    V<T> row[2 * Q];
    for (int q = 0; q < Q; ++q) {
      row[2 * q] = load(b + q * K * panel<T> + k * panel<T>);
      row[2 * q + 1] = load(b + q * K * panel<T> + k * panel<T> + L);
    }
    for (int m = 0; m < M; ++m) {
      const V<T> x = all<T>(a[m * lda + k]);
      for (int q = 0; q < 2 * Q; ++q) sum[m][q] += x * row[q];
    }
  }
  for (int m = 0; m < M; ++m)
    for (int q = 0; q < 2 * Q; ++q) {
      const long left = columns - q * L;
      if (left >= L) store(c + m * ldc + q * L, sum[m][q]);
      else if (left > 0) store(c + m * ldc + q * L, sum[m][q], left);
    }
}

template <class T, int M>
inline void rows_of(long K, long N, const T* a, long lda, const T* b, T* c, long ldc) {
  // Few rows: several panels at once, so that sums do not wait for one another.
  constexpr int Q = M <= kTile / 4 ? 4 : M <= kTile * 3 / 4 ? 2 : 1;
  const long P = panel<T>;
  long n = 0;
  for (; n + (Q - 1) * P < N; n += Q * P, b += Q * K * P)
    tile<T, M, Q>(K, a, lda, b, c + n, ldc, N - n);
  if (Q > 1)
    for (; n < N; n += P, b += K * P) tile<T, M, 1>(K, a, lda, b, c + n, ldc, N - n);
}

// c [M, N] = a [M, K] times a packed matrix.
template <class T>
void product(long M, long K, long N, const T* a, long lda, const T* b, T* c, long ldc) {
  const long P = panel<T>;
  const long whole = M / kTile * kTile;
  if (whole)
    for (long n = 0; n < N; n += P)
      for (long m = 0; m < whole; m += kTile)
        tile<T, kTile, 1>(K, a + m * lda, lda, b + n * K, c + m * ldc + n, ldc, N - n);
  a += whole * lda, c += whole * ldc;
  switch (M - whole) {
    case 1: return rows_of<T, 1>(K, N, a, lda, b, c, ldc);
    case 2: return rows_of<T, 2>(K, N, a, lda, b, c, ldc);
    case 3: return rows_of<T, 3>(K, N, a, lda, b, c, ldc);
    case 4: return rows_of<T, 4>(K, N, a, lda, b, c, ldc);
    case 5: return rows_of<T, 5>(K, N, a, lda, b, c, ldc);
#if defined(__AVX512F__) || defined(__aarch64__)
    case 6: return rows_of<T, 6>(K, N, a, lda, b, c, ldc);
    case 7: return rows_of<T, 7>(K, N, a, lda, b, c, ldc);
#endif
  }
}

// The rows of some steps, `step` apart, each `lda` long: as many as possible in one product.
template <class T>
void products(long steps, long rows, long K, long N, const T* a, long step, long lda, const T* b,
              T* c) {
  if (step == rows * lda) return product(steps * rows, K, N, a, lda, b, c, N);
  if (rows >= kTile || rows >= steps) {
    for (long t = 0; t < steps; ++t) product(rows, K, N, a + t * step, lda, b, c + t * rows * N, N);
  } else {
    for (long r = 0; r < rows; ++r) product(steps, K, N, a + r * lda, step, b, c + r * N, rows * N);
  }
}

// Tasks --------------------------------------------------------------------------------------

// Some tasks, done by the calling thread and by those of XLA's pool that come in time.
struct Tasks {
  void (*work)(void*, long);
  void* data;
  long count;
  long next, done, users;  // atomic
  pthread_mutex_t lock;
  pthread_cond_t finished;

  void run() {
    for (long task; (task = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < count;) {
      work(data, task);
      if (__atomic_add_fetch(&done, 1, __ATOMIC_ACQ_REL) == count) {
        pthread_mutex_lock(&lock);
        pthread_cond_signal(&finished);
        pthread_mutex_unlock(&lock);
      }
    }
  }

  void release() {
    if (__atomic_sub_fetch(&users, 1, __ATOMIC_ACQ_REL)) return;
    pthread_mutex_destroy(&lock);
    pthread_cond_destroy(&finished);
    free(this);
  }

  static void help(void* tasks) {
    static_cast<Tasks*>(tasks)->run();
    static_cast<Tasks*>(tasks)->release();
  }
};

// Whether XLA reports no error; an error is dropped, as there is a way without what it denies.
inline bool granted(XLA_FFI_CallFrame* frame, XLA_FFI_Error* error) {
  if (!error) return true;
  XLA_FFI_Error_Destroy_Args args = {};
  args.struct_size = XLA_FFI_Error_Destroy_Args_STRUCT_SIZE;
  args.error = error;
  frame->api->XLA_FFI_Error_Destroy(&args);
  return false;
}

inline long threads(XLA_FFI_CallFrame* frame) {
  int64_t n = 1;
  XLA_FFI_ThreadPool_NumThreads_Args args = {};
  args.struct_size = XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE;
  args.ctx = frame->ctx;
  args.num_threads = &n;
  return granted(frame, frame->api->XLA_FFI_ThreadPool_NumThreads(&args)) && n > 1 ? n : 1;
}

inline bool schedule(XLA_FFI_CallFrame* frame, Tasks* tasks) {
  XLA_FFI_ThreadPool_Schedule_Args args = {};
  args.struct_size = XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE;
  args.ctx = frame->ctx;
  args.task = &Tasks::help;
  args.data = tasks;
  return granted(frame, frame->api->XLA_FFI_ThreadPool_Schedule(&args));
}

// Runs `work(data, 0 … count - 1)` on up to `most` threads and returns after the last.
inline void parallel(XLA_FFI_CallFrame* frame, long most, long count, void (*work)(void*, long),
                     void* data) {
  const long helpers = (most < count ? most : count) - 1;
  Tasks* tasks = helpers > 0 ? static_cast<Tasks*>(malloc(sizeof(Tasks))) : nullptr;
  if (!tasks) {
    for (long task = 0; task < count; ++task) work(data, task);
    return;
  }
  *tasks = Tasks{work, data, count, 0, 0, 1 + helpers, {}, {}};
  pthread_mutex_init(&tasks->lock, nullptr);
  pthread_cond_init(&tasks->finished, nullptr);
  for (long i = 0; i < helpers; ++i)
    if (!schedule(frame, tasks)) tasks->release();
  tasks->run();
  pthread_mutex_lock(&tasks->lock);
  while (__atomic_load_n(&tasks->done, __ATOMIC_ACQUIRE) < count)
    pthread_cond_wait(&tasks->finished, &tasks->lock);
  pthread_mutex_unlock(&tasks->lock);
  tasks->release();
}

// Calls --------------------------------------------------------------------------------------

// One call: the operands, and the sizes that are not compiled in.
template <class T> struct Call {
  XLA_FFI_CallFrame* frame;
  long members, rows, steps;
  bool reverse;
  const int64_t* own;  // whether an operand has an array for each member
  T* packed;           // the matrices of all members
  long failed;         // atomic: whether memory was short

  // An operand of a member that has `size` elements.
  template <class A = T> const A* in(int i, long member, long size) const {
    auto* buffer = static_cast<const XLA_FFI_Buffer*>(frame->args.args[i]);
    return static_cast<const A*>(buffer->data) + (own[i] ? member * size : 0);
  }
  template <class A = T> A* out(int i, long member, long size) const {
    auto* buffer = static_cast<const XLA_FFI_Buffer*>(frame->rets.rets[i]);
    return static_cast<A*>(buffer->data) + member * size;
  }
  long at(long i) const { return reverse ? steps - 1 - i : i; }  // the i-th step
};

// Takes the next `size` elements of a task's memory.
template <class A, class T> inline A* take(T*& memory, long size) {
  T* taken = memory;
  memory += (size + 15) / 16 * 16;
  return reinterpret_cast<A*>(taken);
}

template <class T> inline void swap(T*& a, T*& b) {
  T* c = a;
  a = b, b = c;
}

template <class T, class Loop> struct Work {
  Call<T> call;
  long pieces;  // of the rows of a member

  static void pack_one(void* data, long task) {
    auto& call = static_cast<Work*>(data)->call;
    const long n = sizeof(Loop::matrices) / sizeof(Matrix) - 1;
    const long member = task / n, which = task % n;
    T* to = call.packed + member * packed_sizes<T>(Loop::matrices);
    for (long i = 0; i < which; ++i) to += packed_size<T>(Loop::matrices[i]);
    const Matrix& m = Loop::matrices[which];
    pack(m, call.in(m.operand, member, m.inner * m.outer), to);
  }

  static void run_one(void* data, long task) {
    auto& work = *static_cast<Work*>(data);
    auto& call = work.call;
    const long member = task / work.pieces, piece = task % work.pieces;
    const long first = call.rows * piece / work.pieces;
    const long count = call.rows * (piece + 1) / work.pieces - first;
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, Loop::memory(count) * sizeof(T))) {
      __atomic_store_n(&call.failed, 1, __ATOMIC_RELAXED);
      return;
    }
    Loop::run(call, member, first, count, static_cast<T*>(memory));
    free(memory);
  }
};

inline XLA_FFI_Error* error(XLA_FFI_CallFrame* frame, const char* message) {
  XLA_FFI_Error_Create_Args args = {};
  args.struct_size = XLA_FFI_Error_Create_Args_STRUCT_SIZE;
  args.message = message;
  args.errc = XLA_FFI_Error_Code_RESOURCE_EXHAUSTED;
  return frame->api->XLA_FFI_Error_Create(&args);
}

// XLA asks a handler for the version of the interface before it calls it.
inline bool is_question(XLA_FFI_CallFrame* frame) {
  auto* extension = frame->extension_start;
  if (!extension || extension->type != XLA_FFI_Extension_Metadata) return false;
  auto* metadata = reinterpret_cast<XLA_FFI_Metadata_Extension*>(extension)->metadata;
  metadata->api_version.struct_size = XLA_FFI_Api_Version_STRUCT_SIZE;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
  metadata->traits = 0;
  return true;
}

// A thread is woken for at least this many multiplications.
constexpr double kWorkOfThread = 2e6;

template <class T, class Loop> XLA_FFI_Error* handle(XLA_FFI_CallFrame* frame) {
  if (is_question(frame)) return nullptr;
  auto* attribute = static_cast<XLA_FFI_Array*>(frame->attrs.attrs[0]);
  auto* sizes = static_cast<const int64_t*>(attribute->data);
  Work<T, Loop> work = {};
  work.call = {frame, sizes[0], sizes[1], sizes[2], sizes[3] != 0, sizes + 4, nullptr, 0};
  work.pieces = 1;
  auto& call = work.call;
  const double cost = double(Loop::cost) * call.members * call.rows * call.steps;
  long n = threads(frame);
  if (cost < kWorkOfThread * n) n = 1 + long(cost / kWorkOfThread);
  const long matrices = sizeof(Loop::matrices) / sizeof(Matrix) - 1;
  const long packed = call.members * packed_sizes<T>(Loop::matrices);
  if (packed) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, packed * sizeof(T)))
      return error(frame, "no memory for packed weights");
    call.packed = static_cast<T*>(memory);
    parallel(frame, packed < 65536 ? 1 : n, call.members * matrices, &work.pack_one, &work);
  }
  // Members are tasks of their own where there are plenty, else each is cut into pieces.
  if (call.members < 4 * n) work.pieces = n < call.rows ? n : call.rows;
  parallel(frame, n, call.members * work.pieces, &work.run_one, &work);
  free(call.packed);
  return call.failed ? error(frame, "no memory for a loop's rows") : nullptr;
}

}  // namespace rnn
