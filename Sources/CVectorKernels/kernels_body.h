// The kernels of umae_kernels.h, included once for each instruction set with KERNEL(name) giving its suffix.
#include "vector.h"

// Sixteen lanes are passed differently with and without AVX-512; every function that takes them is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "kernels_lanes.h"
#include "kernels_math.h"

#include "kernels_elementwise.h"
#include "kernels_rows.h"
#include "kernels_tiles.h"
#include "kernels_products.h"
#include "kernels_attention.h"
#include "kernels_images.h"
