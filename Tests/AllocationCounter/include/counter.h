#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

/// Heap allocations of this process so far.
long allocation_count(void);

#endif
