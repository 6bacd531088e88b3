#pragma once

/// LAPACK and BLAS through OpenBLAS, loaded when it is first needed; matrices are double, column after column.
///
/// Not linked, for OpenBLAS starts a thread for each core as it is loaded: a process for each core of a host would have
/// started the square of them before it has done anything. Loaded from here it has one.

/// Loads the library; again does nothing.
///
/// Returns NULL, or why it cannot be loaded.
const char *umae_openblas_load(void);

/// Eigenvalues, ascending, of the symmetric a [n, n], of which the lower triangle is read, and its eigenvectors in its
/// columns where they are wanted; a is overwritten. A size of -1 asks for the sizes of both work spaces in their first
/// elements.
///
/// Returns LAPACK's info.
int umae_dsyevd(int wants_vectors, int n, double *a, double *values, double *work, int work_size, int *integers,
                int integers_size);

/// Cholesky factor L of the symmetric positive definite a [n, n], of which the lower triangle is read and overwritten.
///
/// Returns LAPACK's info: above 0 where a is not positive definite.
int umae_dpotrf(int n, double *a);

/// The lower triangle of the inverse, from a factor of `umae_dpotrf`, which is overwritten.
int umae_dpotri(int n, double *a);

/// Adds to c [n, n], of which the lower triangle is written, a [n, k] times its transpose.
void umae_dsyrk(int n, int k, const double *a, double *c);

/// c [m, n] = a [m, k] · b [k, n]
void umae_dgemm(int m, int n, int k, const double *a, const double *b, double *c);
