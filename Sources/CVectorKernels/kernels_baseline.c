// The kernels for baseline; see kernels_body.h.
#define KERNEL(name) name##_baseline
#include "kernels_body.h"
