#ifndef UMAE_MEMORY_FILE_H
#define UMAE_MEMORY_FILE_H

/// A new, empty file in memory that has no name; its descriptor, or -1 and errno. It is gone with the last process that
/// has it open or mapped. `name` is for /proc alone.
int umae_memory_file(const char *name);

#endif
