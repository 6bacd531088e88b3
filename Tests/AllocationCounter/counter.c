// Counts heap allocations. Preloaded into the program by a test, it says at exit how many there were.
#include "counter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_long count;

// The address sanitizer has functions of its own in their places, and does not start where there are others.
#if !defined(__has_feature) || !__has_feature(address_sanitizer)
void *malloc(size_t size) {
    atomic_fetch_add(&count, 1);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    atomic_fetch_add(&count, 1);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    atomic_fetch_add(&count, 1);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    atomic_fetch_add(&count, 1);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    atomic_fetch_add(&count, 1);
    *result = __libc_memalign(alignment, size);
    return *result ? 0 : ENOMEM;
}
#endif

long allocation_count(void) { return atomic_load(&count); }

// Tests that ask for the count in their own process link this library, and want no report.
__attribute__((destructor)) static void report(void) {
    if (getenv("LD_PRELOAD")) {
        fprintf(stderr, "allocations: %ld\n", allocation_count());
    }
}
