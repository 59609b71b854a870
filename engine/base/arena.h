/* Aligned bump memory for tensors: take a mark, allocate, release to the mark.
 *
 * A dry arena hands out no memory (NULL) but counts as a real one would: running the
 * same code over it gives the exact peak, so memory is planned and refused before work
 * starts. Code over an arena skips its kernels when sde_arena_is_dry(). Not thread
 * safe. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define SDE_ARENA_ALIGN 64 /* bytes; one cache line, one AVX-512 register */

typedef struct _SdeArena SdeArena;

/* `capacity` in bytes. SDE_ERROR_TOO_LARGE when the system has not got them. */
SdeArena *sde_arena_new(size_t capacity, GError **error);
SdeArena *sde_arena_new_dry(void);
void sde_arena_free(SdeArena *arena); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeArena, sde_arena_free)

bool sde_arena_is_dry(const SdeArena *arena);
/* Uninitialised, aligned. Asserts that it fits: sizes come from a dry run. */
float *sde_arena_alloc(SdeArena *arena, size_t n_floats);
size_t sde_arena_mark(const SdeArena *arena);
void sde_arena_release(SdeArena *arena, size_t mark);
/* Releases all after the mark except n_floats at `data`, which move down to the mark;
 * returns their new place (NULL when dry). */
float *sde_arena_keep(SdeArena *arena, size_t mark, const float *data, size_t n_floats);
size_t sde_arena_get_peak(const SdeArena *arena); /* bytes, highest use so far */
