/* Tensors by name, as float32, from one safetensors file or a sharded index. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/safetensors.h" /* SDE_MAX_RANK */

typedef struct _SdeWeights SdeWeights;

/* A .safetensors file, or a .safetensors.index.json whose shards lie beside it. Checks
 * every name and size now; reads values only when asked. Pickles (.bin, .pt, .ckpt) are
 * refused with how to convert. */
SdeWeights *sde_weights_open(const char *path, GError **error);
void sde_weights_free(SdeWeights *weights); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeWeights, sde_weights_free)

/* Does the name end like what torch.save() writes? */
bool sde_weights_is_pickle_name(const char *path);

bool sde_weights_has(const SdeWeights *weights, const char *name);
/* Is the tensor there, and of this shape? Ask before allocating what a config claims:
 * the answer bounds it by the size of the file. SDE_ERROR_FORMAT as from
 * sde_weights_read. */
bool sde_weights_check(const SdeWeights *weights, const char *name, const int *shape,
                       int rank, GError **error);
/* Copies the tensor, widened to float32; refuses non-finite values (SDE_ERROR_NUMERIC).
 * SDE_ERROR_FORMAT names the tensor, the shape expected and the shape found. Where the
 * values themselves are at fault, part of `out` has been written. */
bool sde_weights_read(SdeWeights *weights, const char *name, const int *shape, int rank,
                      float *out, GError **error);
/* Stored shape; false when there is no such tensor. */
bool sde_weights_get_shape(const SdeWeights *weights, const char *name,
                           size_t shape[SDE_MAX_RANK], int *rank);
/* SDE_ERROR_FORMAT naming the first tensors that nobody has read. */
bool sde_weights_check_all_read(const SdeWeights *weights, GError **error);
size_t sde_weights_count_parameters(const SdeWeights *weights);
const char *sde_weights_peek_dtype(
    const SdeWeights *weights); /* "BF16", ..., "mixed" */
