/* Large pages for large memory. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>

/* Convolutions walk megabytes with long strides, and small pages would cost a TLB miss
 * each; getting fresh small ones takes longer than filling them. Only advice, so
 * failure is no error. */
void sde_pages_advise(void *base, size_t size);

/* Memory that was freed goes back to the system, which the allocator puts off. */
void sde_pages_trim(void);
