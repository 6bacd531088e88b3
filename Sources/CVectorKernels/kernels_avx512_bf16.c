// The kernels for avx512_bf16; see kernels_body.h.
#if defined(__x86_64__)
#include <immintrin.h>
#define KERNELS_AVX512
#define KERNELS_BF16
#pragma clang attribute push(__attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2"))), apply_to = function)
#define KERNEL(name) name##_avx512_bf16
#include "kernels_body.h"
#pragma clang attribute pop
#endif
