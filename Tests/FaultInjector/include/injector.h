#ifndef FAULT_INJECTOR_H
#define FAULT_INJECTOR_H

/// Seconds by which the wall clock is wrong at the moment.
long clock_error(void);

#endif
