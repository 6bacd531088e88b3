// Signals that ask a run to save and end, caught from before the first instruction of the program proper: a scheduler may
// send one while libraries are still being loaded, and a process that dies of it is not put back into the queue.
#ifndef UMAE_STOP_SIGNALS_H
#define UMAE_STOP_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/// The number of the newest signal that was caught; 0 if none was.
int32_t umae_stop_signal(void);

/// From now on this process says on standard error, at once, that it has understood a signal; `text` follows the signal's
/// name and lives for ever. One rank of a run calls it. A signal that came before is told now.
void umae_stop_announce(const char *text);

/// Gives these signals back to the system, as a command that has nothing to save wants it; one that was caught already
/// ends the process as it would have.
void umae_stop_restore(void);

#endif
