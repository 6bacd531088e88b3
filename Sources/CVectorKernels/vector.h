// Sixteen floats at a time in the compiler's own vector types: one AVX-512 register, two of AVX2, four of SSE or NEON.
#ifndef UMAE_VECTOR_H
#define UMAE_VECTOR_H

#include "umae_kernels.h"

#include <math.h>
#include <string.h>

#define LANES 16
typedef float vf __attribute__((ext_vector_type(16)));
typedef float vf8 __attribute__((ext_vector_type(8)));
typedef float vf4 __attribute__((ext_vector_type(4)));
typedef int32_t vi __attribute__((ext_vector_type(16)));
typedef uint32_t vu __attribute__((ext_vector_type(16)));
typedef uint16_t vu16 __attribute__((ext_vector_type(16)));
typedef vf vf_unaligned __attribute__((aligned(4)));
typedef vu vu_unaligned __attribute__((aligned(2)));
typedef vu16 vu16_unaligned __attribute__((aligned(2)));
#define INLINE static inline __attribute__((always_inline))

// See umae_set_meanwhile.
typedef struct umae_meanwhile_hook {
    void (*body)(void *context);
    void *context;
} umae_meanwhile_hook;
extern _Thread_local umae_meanwhile_hook umae_meanwhile;

#endif
