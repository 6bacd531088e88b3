#define _GNU_SOURCE
#include "umae_stop_signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP};
enum { signal_count = sizeof numbers / sizeof *numbers };

static atomic_int received;
static _Atomic(const char *) announcement;
static bool catches[signal_count];

static const char *name(int number) {
    switch (number) {
    case SIGUSR1: return "SIGUSR1";
    case SIGUSR2: return "SIGUSR2";
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "interrupted";
    default: return "SIGHUP";
    }
}

// Only what a signal handler may do: write(2), in one piece.
static void announce(int number, const char *text) {
    char line[256];
    size_t length = 0;
    const char *parts[] = {"umae-dist: ", name(number), text, number == SIGINT ? "; again to end at once\n" : "\n"};
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
        size_t size = strlen(parts[part]);
        if (length + size > sizeof line) break;
        memcpy(line + length, parts[part], size);
        length += size;
    }
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
}

static void note(int number) {
    int error = errno;
    int before = atomic_exchange(&received, number);
    const char *text = atomic_load(&announcement);
    if (text && before == 0) announce(number, text);
    // Schedulers repeat SIGUSR1 and SIGTERM follows them; only a person repeats SIGINT in haste.
    if (number == SIGINT) signal(SIGINT, SIG_DFL);
    errno = error;
}

static void catch_signals(int argc, char **argv, char **environment) {
    (void)environment;
    // A test bundle that this is linked into ends when it is told to.
    if (argc > 0 && argv[0] && strstr(argv[0], "xctest")) return;
    // Whoever starts this program may have blocked them.
    sigset_t mask;
    sigemptyset(&mask);
    for (int index = 0; index < signal_count; index++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        // What nohup, or a shell that puts a job into the background, has this process ignore stays ignored.
        int is_personal = numbers[index] == SIGINT || numbers[index] == SIGHUP;
        if (is_personal && sigaction(numbers[index], NULL, &action) == 0 && action.sa_handler == SIG_IGN) continue;
        action.sa_handler = note;
        action.sa_flags = SA_RESTART;
        sigemptyset(&action.sa_mask);
        catches[index] = sigaction(numbers[index], &action, NULL) == 0;
        sigaddset(&mask, numbers[index]);
    }
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    // What these would end is told by the call that failed.
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

// Runs before the initialisers of the shared libraries.
__attribute__((section(".preinit_array"), used)) static void (*const install)(int, char **, char **) = catch_signals;

int32_t umae_stop_signal(void) { return atomic_load(&received); }

void umae_stop_announce(const char *text) {
    atomic_store(&announcement, text);
    int number = atomic_load(&received);
    if (number != 0) announce(number, text);
}

void umae_stop_restore(void) {
    for (int index = 0; index < signal_count; index++) {
        if (catches[index]) signal(numbers[index], SIG_DFL);
    }
    int number = atomic_load(&received);
    if (number != 0) raise(number);
}
