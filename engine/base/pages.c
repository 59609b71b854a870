/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/pages.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sde.h"

#define PAGE ((size_t) 2 << 20) /* bytes of a large page: x86-64, aarch64 */

void
sde_pages_advise(void *base, size_t size)
{
#ifdef MADV_HUGEPAGE
    (void) madvise(base, size, MADV_HUGEPAGE);
#endif
}

void
sde_pages_trim(void)
{
#ifdef __GLIBC__
    (void) malloc_trim(0);
#endif
}

float *
sde_image_try_alloc(size_t n_floats)
{
    float *floats;
    size_t size;

    if (!g_size_checked_mul(&size, n_floats, sizeof(float)) || size > SIZE_MAX - PAGE) {
        return NULL;
    }
    if (size < PAGE) {
        return malloc(MAX(size, 1));
    }
    size = (size + PAGE - 1) & ~(PAGE - 1);
    floats = aligned_alloc(PAGE, size);
    if (floats != NULL) {
        sde_pages_advise(floats, size);
    }
    return floats;
}
