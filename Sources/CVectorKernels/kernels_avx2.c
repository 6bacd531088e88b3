// The kernels for avx2; see kernels_body.h.
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi2"))), apply_to = function)
#define KERNELS_AVX2
#define KERNEL(name) name##_avx2
#include "kernels_body.h"
#pragma clang attribute pop
#endif
