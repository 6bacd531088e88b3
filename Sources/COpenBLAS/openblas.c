#define _GNU_SOURCE
#include "include/openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Fortran: arguments by address, and the length of each string behind them.
typedef void (*syevd_function)(const char *, const char *, const int *, double *, const int *, double *, double *,
                               const int *, int *, const int *, int *, size_t, size_t);
typedef void (*potr_function)(const char *, const int *, double *, const int *, int *, size_t);
typedef void (*syrk_function)(const char *, const char *, const int *, const int *, const double *, const double *,
                              const int *, const double *, double *, const int *, size_t, size_t);
typedef void (*gemm_function)(const char *, const char *, const int *, const int *, const int *, const double *,
                              const double *, const int *, const double *, const int *, const double *, double *,
                              const int *, size_t, size_t);

static struct {
    syevd_function syevd;
    potr_function potrf, potri;
    syrk_function syrk;
    gemm_function gemm;
} openblas;

static const char *failure;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *found(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    if (!symbol) failure = dlerror();
    return symbol;
}

static void load(void) {
    static const char variable[] = "OPENBLAS_NUM_THREADS";
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0"};
    const char *before = getenv(variable);
    char *kept = before ? strdup(before) : NULL;
    setenv(variable, "1", 1);
    void *library = NULL;
    for (size_t index = 0; !library && index < sizeof names / sizeof *names; index++) {
        library = dlopen(names[index], RTLD_NOW | RTLD_LOCAL);
        if (!library && !failure) failure = strdup(dlerror());
    }
    kept ? setenv(variable, kept, 1) : unsetenv(variable);
    free(kept);
    if (!library) return;
    failure = NULL;
    openblas.syevd = (syevd_function)found(library, "dsyevd_");
    openblas.potrf = (potr_function)found(library, "dpotrf_");
    openblas.potri = (potr_function)found(library, "dpotri_");
    openblas.syrk = (syrk_function)found(library, "dsyrk_");
    openblas.gemm = (gemm_function)found(library, "dgemm_");
}

const char *umae_openblas_load(void) {
    pthread_once(&once, load);
    return failure;
}

int umae_dsyevd(int wants_vectors, int n, double *a, double *values, double *work, int work_size, int *integers,
                int integers_size) {
    int info = 0;
    openblas.syevd(wants_vectors ? "V" : "N", "L", &n, a, &n, values, work, &work_size, integers, &integers_size, &info, 1,
                   1);
    return info;
}

int umae_dpotrf(int n, double *a) {
    int info = 0;
    openblas.potrf("L", &n, a, &n, &info, 1);
    return info;
}

int umae_dpotri(int n, double *a) {
    int info = 0;
    openblas.potri("L", &n, a, &n, &info, 1);
    return info;
}

void umae_dsyrk(int n, int k, const double *a, double *c) {
    const double one = 1;
    openblas.syrk("L", "N", &n, &k, &one, a, &n, &one, c, &n, 1, 1);
}

void umae_dgemm(int m, int n, int k, const double *a, const double *b, double *c) {
    const double one = 1, zero = 0;
    openblas.gemm("N", "N", &m, &n, &k, &one, a, &m, b, &k, &zero, c, &m, 1, 1);
}
