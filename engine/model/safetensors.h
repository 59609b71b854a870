/* One .safetensors file: header checked completely at open, data read on demand.
 * Layout: u64 n (little endian), n bytes of JSON, then the tensors' bytes without gaps.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SDE_MAX_RANK                8
#define SDE_SAFETENSORS_MAX_HEADER  100000000 /* the format's own limit, bytes */
#define SDE_SAFETENSORS_MAX_TENSORS 20000
#define SDE_SAFETENSORS_MAX_NAME    512 /* bytes */

/* Element types of the format; weights.c says which ones a network may have. */
typedef enum {
    SDE_DTYPE_F32,
    SDE_DTYPE_F16,
    SDE_DTYPE_BF16,
    SDE_DTYPE_F64,
    SDE_DTYPE_I64,
    SDE_DTYPE_I32,
    SDE_DTYPE_I16,
    SDE_DTYPE_I8,
    SDE_DTYPE_U64,
    SDE_DTYPE_U32,
    SDE_DTYPE_U16,
    SDE_DTYPE_U8,
    SDE_DTYPE_BOOL,
    SDE_DTYPE_F8_E4M3,
    SDE_DTYPE_F8_E5M2,
    SDE_N_DTYPES
} SdeDtype;
const char *sde_dtype_get_name(SdeDtype dtype); /* "F32", as in the file */
size_t sde_dtype_get_size(SdeDtype dtype);      /* bytes of one element */

typedef struct {
    const char *name; /* the file's */
    SdeDtype dtype;
    int rank;
    size_t shape[SDE_MAX_RANK];
    size_t count;            /* elements */
    uint64_t begin, n_bytes; /* begin counts from the start of the file */
} SdeTensorInfo;

typedef struct _SdeSafetensors SdeSafetensors;

SdeSafetensors *sde_safetensors_open(const char *path, GError **error);
void sde_safetensors_free(SdeSafetensors *file); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeSafetensors, sde_safetensors_free)

/* In the order of their bytes in the file. */
size_t sde_safetensors_count(const SdeSafetensors *file);
const SdeTensorInfo *sde_safetensors_peek(const SdeSafetensors *file, size_t index);
/* NULL when there is no such tensor. */
const SdeTensorInfo *sde_safetensors_find(const SdeSafetensors *file, const char *name);
/* Elements first..first+count-1 as they are stored (little endian). Thread safe. */
bool sde_safetensors_read(SdeSafetensors *file, const SdeTensorInfo *tensor,
                          size_t first, size_t count, void *out, GError **error);
