// The kernels for avx512; see kernels_body.h.
#if defined(__x86_64__)
#include <immintrin.h>
#define KERNELS_AVX512
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2"))), apply_to = function)
#define KERNEL(name) name##_avx512
#include "kernels_body.h"
#pragma clang attribute pop
#endif
