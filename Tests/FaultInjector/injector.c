// Preloaded into the program by tests, makes the system fail it:
//
//   FAULT_CLOCK=1           the wall clock is a day early, right, and a day late in turn, changing every 20 ms
//   FAULT_SLOW_SYNC=MS      every fsync takes that many milliseconds longer
//   FAULT_HOLD_APPEND=PATH  a write to the end of a file waits until PATH is there
//   FAULT_MPI_FUNNELED=1    MPI grants MPI_THREAD_FUNNELED, and calls of another thread than the first end the process (70)
//   FAULT_THREAD_REFUSED=N  the Nth thread that the program itself, not a library, wants to start is refused
//   FAULT_MEMORY_REFUSED=N  maps of N MiB or more are refused
//   FAULT_NO_LOCKS=1        the file system knows no locks
#define _GNU_SOURCE
#include "injector.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int number_in(const char *variable) {
    const char *text = getenv(variable);
    return text ? atoi(text) : 0;
}

long clock_error(void) {
    static atomic_int wanted = -1;
    if (atomic_load(&wanted) < 0) atomic_store(&wanted, number_in("FAULT_CLOCK"));
    if (atomic_load(&wanted) == 0) return 0;
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return ((now.tv_sec * 50 + now.tv_nsec / 20000000) % 3 - 1) * 86400;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += clock_error();
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int result = (int)syscall(SYS_gettimeofday, time, zone);
    if (result == 0) time->tv_sec += clock_error();
    return result;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

static void wait_for(int milliseconds) {
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    if (milliseconds > 0) nanosleep(&pause, NULL);
}

int fsync(int file) {
    wait_for(number_in("FAULT_SLOW_SYNC"));
    return (int)syscall(SYS_fsync, file);
}

ssize_t write(int file, const void *bytes, size_t count) {
    const char *gate = getenv("FAULT_HOLD_APPEND");
    if (gate && fcntl(file, F_GETFL) & O_APPEND) {
        while (access(gate, F_OK) != 0) wait_for(1);
    }
    return syscall(SYS_write, file, bytes, count);
}

static pthread_t mpi_thread;

int MPI_Init_thread(int *count, char ***arguments, int required, int *provided) {
    typedef int (*init)(int *, char ***, int, int *);
    init next = (init)dlsym(RTLD_NEXT, "MPI_Init_thread");
    mpi_thread = pthread_self();
    // MPI_THREAD_FUNNELED is 1 in Open MPI.
    return next(count, arguments, number_in("FAULT_MPI_FUNNELED") ? 1 : required, provided);
}

int MPI_Abort(void *communicator, int code) {
    typedef int (*end)(void *, int);
    if (number_in("FAULT_MPI_FUNNELED") && !pthread_equal(mpi_thread, pthread_self())) _exit(70);
    return ((end)dlsym(RTLD_NEXT, "MPI_Abort"))(communicator, code);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*body)(void *),
                   void *restrict argument) {
    static atomic_int started;
    typedef int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    create next = (create)dlsym(RTLD_NEXT, "pthread_create");
    Dl_info caller;
    int is_program = dladdr((void *)body, &caller) && caller.dli_fname && strstr(caller.dli_fname, "umae-dist");
    if (is_program && atomic_fetch_add(&started, 1) + 1 == number_in("FAULT_THREAD_REFUSED")) return EAGAIN;
    return next(thread, attributes, body, argument);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    static atomic_int limit = -1;
    if (atomic_load(&limit) < 0) atomic_store(&limit, number_in("FAULT_MEMORY_REFUSED"));
    size_t least = (size_t)atomic_load(&limit) << 20;
    if (least > 0 && length >= least && (flags & MAP_ANONYMOUS)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

int flock(int file, int operation) {
    if (number_in("FAULT_NO_LOCKS")) {
        errno = ENOLCK;
        return -1;
    }
    return (int)syscall(SYS_flock, file, operation);
}
