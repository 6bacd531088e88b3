#include "vector.h"

#include <stdlib.h>
#include <string.h>

typedef struct kernel_table {
#define MEMBER(result, name, parameters, arguments) result(*name) parameters;
    UMAE_KERNELS(MEMBER)
#undef MEMBER
} kernel_table;

#define TABLE(suffix)                                                                                                 \
    UMAE_KERNELS(DECLARE_##suffix)                                                                                    \
    static const kernel_table table_##suffix = {UMAE_KERNELS(ENTRY_##suffix)};
#define DECLARE_baseline(result, name, parameters, arguments) result name##_baseline parameters;
#define ENTRY_baseline(result, name, parameters, arguments) .name = name##_baseline,
TABLE(baseline)

#if defined(__x86_64__)
#define DECLARE_avx2(result, name, parameters, arguments) result name##_avx2 parameters;
#define ENTRY_avx2(result, name, parameters, arguments) .name = name##_avx2,
TABLE(avx2)
#define DECLARE_avx512(result, name, parameters, arguments) result name##_avx512 parameters;
#define ENTRY_avx512(result, name, parameters, arguments) .name = name##_avx512,
TABLE(avx512)
#define DECLARE_avx512_bf16(result, name, parameters, arguments) result name##_avx512_bf16 parameters;
#define ENTRY_avx512_bf16(result, name, parameters, arguments) .name = name##_avx512_bf16,
TABLE(avx512_bf16)
#endif

bool umae_cpu_supports(umae_isa isa) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    switch (isa) {
    case UMAE_ISA_BASELINE: return true;
    case UMAE_ISA_AVX2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case UMAE_ISA_AVX512_BF16:
        if (!__builtin_cpu_supports("avx512bf16")) return false;
        __attribute__((fallthrough));
    case UMAE_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    return false;
#else
    return isa == UMAE_ISA_BASELINE;
#endif
}

static const kernel_table *table_of(umae_isa isa) {
#if defined(__x86_64__)
    if (isa == UMAE_ISA_AVX512_BF16) return &table_avx512_bf16;
    if (isa == UMAE_ISA_AVX512) return &table_avx512;
    if (isa == UMAE_ISA_AVX2) return &table_avx2;
#endif
    (void)isa;
    return &table_baseline;
}

static umae_isa standard_isa = UMAE_ISA_BASELINE;
static const kernel_table *standard = &table_baseline;
// The kernels that this thread uses instead of the standard ones; NULL for those.
static _Thread_local const kernel_table *chosen;
static _Thread_local umae_isa chosen_isa;

__attribute__((constructor)) static void select_at_start(void) {
    umae_isa limit = UMAE_ISA_AVX512_BF16;
    const char *wanted = getenv("UMAE_MAX_ISA");
    if (wanted && strcmp(wanted, "baseline") == 0) limit = UMAE_ISA_BASELINE;
    if (wanted && strcmp(wanted, "avx2") == 0) limit = UMAE_ISA_AVX2;
    if (wanted && strcmp(wanted, "avx512") == 0) limit = UMAE_ISA_AVX512;
    while (!umae_cpu_supports(limit)) limit = (umae_isa)(limit - 1);
    standard_isa = limit;
    standard = table_of(limit);
}

umae_isa umae_kernels_isa(void) { return chosen ? chosen_isa : standard_isa; }

bool umae_kernels_select(umae_isa isa) {
    if (!umae_cpu_supports(isa)) return false;
    chosen_isa = isa;
    chosen = table_of(isa);
    return true;
}

void umae_kernels_limit(umae_isa isa) {
    if (isa >= standard_isa) return;
    while (!umae_cpu_supports(isa)) isa = (umae_isa)(isa - 1);
    standard_isa = isa;
    standard = table_of(isa);
}

_Thread_local umae_meanwhile_hook umae_meanwhile;

void umae_set_meanwhile(void (*body)(void *context), void *context) {
    umae_meanwhile = (umae_meanwhile_hook){body, context};
}

void umae_cpu_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#define CALL(result, name, parameters, arguments)                                                                     \
    result umae_##name parameters { return (chosen ? chosen : standard)->name arguments; }
UMAE_KERNELS(CALL)
