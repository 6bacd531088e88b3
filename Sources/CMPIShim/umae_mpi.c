#define _GNU_SOURCE
#include "umae_mpi.h"

#include <mpi.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(MPI_Request) <= sizeof(umae_mpi_request), "umae_mpi_request is too small for MPI_Request");

static MPI_Datatype datatype(umae_mpi_type type) {
    switch (type) {
    case UMAE_MPI_U8: return MPI_UINT8_T;
    case UMAE_MPI_U16: return MPI_UINT16_T;
    case UMAE_MPI_I64: return MPI_INT64_T;
    case UMAE_MPI_F32: return MPI_FLOAT;
    case UMAE_MPI_F64: return MPI_DOUBLE;
    }
    return MPI_DATATYPE_NULL;
}

static MPI_Op operation(umae_mpi_op op) {
    switch (op) {
    case UMAE_MPI_SUM: return MPI_SUM;
    case UMAE_MPI_MIN: return MPI_MIN;
    case UMAE_MPI_MAX: return MPI_MAX;
    }
    return MPI_OP_NULL;
}

static MPI_Comm gathering = MPI_COMM_NULL;

int32_t umae_mpi_init(int32_t *provided) {
    int level = MPI_THREAD_SINGLE;
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level);
    *provided = level >= MPI_THREAD_MULTIPLE ? 3 : level >= MPI_THREAD_SERIALIZED ? 2 : level >= MPI_THREAD_FUNNELED;
    if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    return code == MPI_SUCCESS ? MPI_Comm_dup(MPI_COMM_WORLD, &gathering) : code;
}

int32_t umae_mpi_finalize(void) {
    if (gathering != MPI_COMM_NULL) MPI_Comm_free(&gathering);
    return MPI_Finalize();
}

int32_t umae_mpi_rank(int32_t *rank) { return MPI_Comm_rank(MPI_COMM_WORLD, rank); }
int32_t umae_mpi_size(int32_t *size) { return MPI_Comm_size(MPI_COMM_WORLD, size); }
int32_t umae_mpi_abort(int32_t exit_code) { return MPI_Abort(MPI_COMM_WORLD, exit_code); }
int32_t umae_mpi_barrier(void) { return MPI_Barrier(MPI_COMM_WORLD); }

int32_t umae_mpi_local(int32_t *local_rank, int32_t *local_size) {
    MPI_Comm node;
    int code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    if (code != MPI_SUCCESS) return code;
    MPI_Comm_rank(node, local_rank);
    MPI_Comm_size(node, local_size);
    return MPI_Comm_free(&node);
}

int32_t umae_mpi_local_sum(int64_t *value) {
    MPI_Comm node;
    int code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Allreduce(MPI_IN_PLACE, value, 1, MPI_INT64_T, MPI_SUM, node);
    MPI_Comm_free(&node);
    return code;
}

int32_t umae_mpi_library_version(char *text, int32_t capacity) {
    char full[MPI_MAX_LIBRARY_VERSION_STRING] = {0};
    int length = 0;
    int result = MPI_Get_library_version(full, &length);
    strncpy(text, full, (size_t)capacity - 1);
    text[capacity - 1] = 0;
    return result;
}

int32_t umae_mpi_error_string(int32_t code, char *text, int32_t capacity) {
    char full[MPI_MAX_ERROR_STRING] = {0};
    int length = 0;
    int result = MPI_Error_string(code, full, &length);
    strncpy(text, full, (size_t)capacity - 1);
    text[capacity - 1] = 0;
    return result;
}

int32_t umae_mpi_allreduce_in_place(void *values, int32_t count, umae_mpi_type type, umae_mpi_op op) {
    return MPI_Allreduce(MPI_IN_PLACE, values, count, datatype(type), operation(op), MPI_COMM_WORLD);
}

int32_t umae_mpi_iallreduce(const void *send, void *receive, int32_t count, umae_mpi_type type, umae_mpi_op op,
                            umae_mpi_request *request) {
    MPI_Request handle = MPI_REQUEST_NULL;
    int code = MPI_Iallreduce(send, receive, count, datatype(type), operation(op), MPI_COMM_WORLD, &handle);
    memcpy(request, &handle, sizeof handle);
    return code;
}

int32_t umae_mpi_iallgather(const void *send, void *receive, int32_t count_per_rank, umae_mpi_type type,
                            umae_mpi_request *request) {
    MPI_Request handle = MPI_REQUEST_NULL;
    int code = MPI_Iallgather(send, count_per_rank, datatype(type), receive, count_per_rank, datatype(type),
                              MPI_COMM_WORLD, &handle);
    memcpy(request, &handle, sizeof handle);
    return code;
}

int32_t umae_mpi_ialltoallv(const void *send, const int32_t *send_counts, const int32_t *send_offsets, void *receive,
                            const int32_t *receive_counts, const int32_t *receive_offsets, umae_mpi_type type,
                            umae_mpi_request *request) {
    MPI_Request handle = MPI_REQUEST_NULL;
    int code = MPI_Ialltoallv(send, send_counts, send_offsets, datatype(type), receive, receive_counts, receive_offsets,
                              datatype(type), MPI_COMM_WORLD, &handle);
    memcpy(request, &handle, sizeof handle);
    return code;
}

int32_t umae_mpi_iallgatherv_in_place(void *values, const int32_t *counts, const int32_t *offsets, umae_mpi_type type,
                                      umae_mpi_request *request) {
    MPI_Request handle = MPI_REQUEST_NULL;
    int code = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values, counts, offsets, datatype(type), gathering,
                               &handle);
    memcpy(request, &handle, sizeof handle);
    return code;
}

int32_t umae_mpi_test(umae_mpi_request *request, bool *done) {
    MPI_Request handle;
    memcpy(&handle, request, sizeof handle);
    int flag = 0;
    int code = MPI_Test(&handle, &flag, MPI_STATUS_IGNORE);
    memcpy(request, &handle, sizeof handle);
    *done = flag != 0;
    return code;
}

int32_t umae_mpi_wait(umae_mpi_request *request) {
    MPI_Request handle;
    memcpy(&handle, request, sizeof handle);
    int code = MPI_Wait(&handle, MPI_STATUS_IGNORE);
    memcpy(request, &handle, sizeof handle);
    return code;
}

int32_t umae_mpi_allgather(const void *send, void *receive, int32_t count_per_rank, umae_mpi_type type) {
    return MPI_Allgather(send, count_per_rank, datatype(type), receive, count_per_rank, datatype(type),
                         MPI_COMM_WORLD);
}

int32_t umae_mpi_allgatherv(const void *send, int32_t send_count, void *receive, const int32_t *counts,
                            const int32_t *displacements, umae_mpi_type type) {
    return MPI_Allgatherv(send, send_count, datatype(type), receive, counts, displacements, datatype(type),
                          MPI_COMM_WORLD);
}

int32_t umae_mpi_gatherv(const void *send, int32_t send_count, void *receive, const int32_t *counts,
                         const int32_t *displacements, umae_mpi_type type, int32_t root) {
    return MPI_Gatherv(send, send_count, datatype(type), receive, counts, displacements, datatype(type), root,
                       MPI_COMM_WORLD);
}

int32_t umae_mpi_broadcast(void *values, int32_t count, umae_mpi_type type, int32_t root) {
    return MPI_Bcast(values, count, datatype(type), root, MPI_COMM_WORLD);
}

bool umae_process_vm_readv_allowed(void) {
    char from = 1, to = 0;
    struct iovec local = {&to, 1}, remote = {&from, 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}
