// The MPI calls that umae-dist makes, in types that Swift imports.
//
// One function per MPI call; every function returns MPI's own error code. No policy lives here: counts over 2^31 - 1,
// error text and ordering are the caller's. mpi.h is not included, since its handles and constants are macros.
#ifndef UMAE_MPI_H
#define UMAE_MPI_H

#include <stdbool.h>
#include <stdint.h>

typedef enum umae_mpi_type { UMAE_MPI_U8, UMAE_MPI_U16, UMAE_MPI_I64, UMAE_MPI_F32, UMAE_MPI_F64 } umae_mpi_type;
typedef enum umae_mpi_op { UMAE_MPI_SUM, UMAE_MPI_MIN, UMAE_MPI_MAX } umae_mpi_op;

/// Room for an MPI_Request of any implementation.
typedef struct umae_mpi_request {
    uint64_t storage[2];
} umae_mpi_request;

/// MPI_Init_thread with MPI_THREAD_MULTIPLE asked for, then MPI_ERRORS_RETURN on MPI_COMM_WORLD.
/// Also duplicates it: umae_mpi_iallgatherv_in_place goes there, so that its order among all other collectives does not
/// matter. `provided`: 0 single, 1 funneled, 2 serialized, 3 multiple.
int32_t umae_mpi_init(int32_t *provided);
int32_t umae_mpi_finalize(void);
int32_t umae_mpi_rank(int32_t *rank);
int32_t umae_mpi_size(int32_t *size);
/// Rank and size among the ranks that share this host's memory (MPI_Comm_split_type).
int32_t umae_mpi_local(int32_t *local_rank, int32_t *local_size);
/// The sum of a number over the ranks that share this host's memory.
int32_t umae_mpi_local_sum(int64_t *value);
int32_t umae_mpi_abort(int32_t exit_code);
int32_t umae_mpi_barrier(void);
/// MPI_Error_string: writes at most `capacity` bytes, always NUL-terminated.
int32_t umae_mpi_error_string(int32_t code, char *text, int32_t capacity);
/// MPI_Get_library_version, which may be called before MPI_Init: as umae_mpi_error_string.
int32_t umae_mpi_library_version(char *text, int32_t capacity);

int32_t umae_mpi_allreduce_in_place(void *values, int32_t count, umae_mpi_type type, umae_mpi_op op);
int32_t umae_mpi_iallreduce(const void *send, void *receive, int32_t count, umae_mpi_type type, umae_mpi_op op,
                            umae_mpi_request *request);
int32_t umae_mpi_iallgather(const void *send, void *receive, int32_t count_per_rank, umae_mpi_type type,
                            umae_mpi_request *request);
/// MPI_Ialltoallv and MPI_Iallgatherv. Counts and offsets are in elements, by rank, and must stay until the request is
/// done.
int32_t umae_mpi_ialltoallv(const void *send, const int32_t *send_counts, const int32_t *send_offsets, void *receive,
                            const int32_t *receive_counts, const int32_t *receive_offsets, umae_mpi_type type,
                            umae_mpi_request *request);
int32_t umae_mpi_iallgatherv_in_place(void *values, const int32_t *counts, const int32_t *offsets, umae_mpi_type type,
                                      umae_mpi_request *request);
int32_t umae_mpi_test(umae_mpi_request *request, bool *done);
int32_t umae_mpi_wait(umae_mpi_request *request);
int32_t umae_mpi_allgather(const void *send, void *receive, int32_t count_per_rank, umae_mpi_type type);
int32_t umae_mpi_allgatherv(const void *send, int32_t send_count, void *receive, const int32_t *counts,
                            const int32_t *displacements, umae_mpi_type type);
int32_t umae_mpi_gatherv(const void *send, int32_t send_count, void *receive, const int32_t *counts,
                         const int32_t *displacements, umae_mpi_type type, int32_t root);
int32_t umae_mpi_broadcast(void *values, int32_t count, umae_mpi_type type, int32_t root);

/// Whether process_vm_readv, on which Open MPI's single-copy messages rest, is allowed here (tried on this process).
/// Glibc declares it for C only.
bool umae_process_vm_readv_allowed(void);

#endif
