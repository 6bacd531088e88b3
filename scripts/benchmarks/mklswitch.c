// MKL takes slow kernels where this, its own function, says that the CPU is not Intel's.
int mkl_serv_intel_cpu_true(void) { return 1; }
