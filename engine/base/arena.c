/* Aligned bump memory for tensors.
 *
 * One anonymous mapping, handed out from the bottom up. The dry arena is the same
 * counter without the mapping, so that planning and running cannot disagree. Under ASan
 * everything that is not handed out is poisoned: a tensor used after its mark was
 * released, or past its end, is caught like any heap error. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "base/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "base/pages.h"
#include "sde.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, size)   __asan_poison_memory_region((p), (size))
#define UNPOISON(p, size) __asan_unpoison_memory_region((p), (size))
#else
#define POISON(p, size)   ((void) (p), (void) (size))
#define UNPOISON(p, size) ((void) (p), (void) (size))
#endif

struct _SdeArena {
    char *base; /* NULL: dry */
    bool dry;
    size_t capacity, used, peak; /* bytes */
};

SdeArena *
sde_arena_new(size_t capacity, GError **error)
{
    void *base = NULL;

    /* mmap refuses empty mappings; an arena for nothing is still a good arena. */
    capacity = MAX(capacity, SDE_ARENA_ALIGN);
    base = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0);
    if (base == MAP_FAILED) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "the system has no %" G_GSIZE_FORMAT
                    " MiB of working memory to give",
                    capacity >> 20);
        return NULL;
    }
    sde_pages_advise(base, capacity);
    POISON(base, capacity);

    SdeArena *arena = g_new0(SdeArena, 1);

    arena->base = base;
    arena->capacity = capacity;
    return arena;
}

SdeArena *
sde_arena_new_dry(void)
{
    SdeArena *arena = g_new0(SdeArena, 1);

    arena->dry = true;
    arena->capacity = SIZE_MAX;
    return arena;
}

void
sde_arena_free(SdeArena *arena)
{
    if (arena == NULL) {
        return;
    }
    if (arena->base != NULL) {
        UNPOISON(arena->base, arena->capacity);
        munmap(arena->base, arena->capacity);
    }
    g_free(arena);
}

bool
sde_arena_is_dry(const SdeArena *arena)
{
    return arena->dry;
}

/* Bytes that n_floats take, or SIZE_MAX where that overflows: a dry run over absurd
 * dimensions then plans an absurd peak, which the caller refuses. */
static size_t
padded_size(size_t n_floats)
{
    size_t size = 0;

    if (!g_size_checked_mul(&size, n_floats, sizeof(float)) ||
        !g_size_checked_add(&size, size, SDE_ARENA_ALIGN - 1)) {
        return SIZE_MAX;
    }
    return size & ~(size_t) (SDE_ARENA_ALIGN - 1);
}

float *
sde_arena_alloc(SdeArena *arena, size_t n_floats)
{
    size_t size = padded_size(n_floats);
    size_t begin = arena->used;

    if (arena->dry) {
        arena->used = size > SIZE_MAX - begin ? SIZE_MAX : begin + size;
        arena->peak = MAX(arena->peak, arena->used);
        return NULL;
    }
    g_assert(size <= arena->capacity - begin);
    arena->used = begin + size;
    arena->peak = MAX(arena->peak, arena->used);
    UNPOISON(arena->base + begin, n_floats * sizeof(float));
    return (float *) (void *) (arena->base + begin);
}

size_t
sde_arena_mark(const SdeArena *arena)
{
    return arena->used;
}

void
sde_arena_release(SdeArena *arena, size_t mark)
{
    g_assert(mark <= arena->used);
    if (arena->base != NULL) {
        POISON(arena->base + mark, arena->used - mark);
    }
    arena->used = mark;
}

float *
sde_arena_keep(SdeArena *arena, size_t mark, const float *data, size_t n_floats)
{
    const size_t end = mark + padded_size(n_floats);

    g_assert(end <= arena->used);
    if (arena->base == NULL) {
        arena->used = end;
        return NULL;
    }

    char *to = arena->base + mark;

    g_assert((const char *) data >= to);
    UNPOISON(to, n_floats * sizeof(float));
    memmove(to, data, n_floats * sizeof(float));
    POISON(to + n_floats * sizeof(float),
           arena->used - mark - n_floats * sizeof(float));
    arena->used = end;
    return (float *) (void *) to;
}

size_t
sde_arena_get_peak(const SdeArena *arena)
{
    return arena->peak;
}
