/* safetensors: of a file that is taken, every byte belongs to one tensor, and every
 * tensor can be read. SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* memfd_create */
#include "fuzz.h"

#include <glib.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/weights.h"

static void
check_raw(const char *path, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeSafetensors) file = sde_safetensors_open(path, &error);
    uint64_t end = 0;

    g_assert_true((file == NULL) == (error != NULL));
    if (file == NULL) {
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        return;
    }
    for (size_t i = 0; i < sde_safetensors_count(file); i++) {
        const SdeTensorInfo *tensor = sde_safetensors_peek(file, i);
        g_autofree uint8_t *bytes = g_malloc((size_t) tensor->n_bytes + 1);

        g_assert_true(i == 0 || tensor->begin == end);
        g_assert_true(tensor->rank >= 0 && tensor->rank <= SDE_MAX_RANK);
        g_assert_true(
            sde_safetensors_read(file, tensor, 0, tensor->count, bytes, NULL));
        g_assert_true(sde_safetensors_find(file, tensor->name) == tensor);
        end = tensor->begin + tensor->n_bytes;
    }
    g_assert_true(sde_safetensors_count(file) == 0 || end == size);
}

static void
check_weights(const char *path)
{
    g_autoptr(SdeSafetensors) names = sde_safetensors_open(path, NULL);
    g_autoptr(SdeWeights) weights = sde_weights_open(path, NULL);

    if (weights == NULL) {
        return;
    }
    for (size_t i = 0; i < sde_safetensors_count(names); i++) {
        const SdeTensorInfo *tensor = sde_safetensors_peek(names, i);
        g_autofree float *values = g_new(float, tensor->count + 1);
        int shape[SDE_MAX_RANK] = {0};

        for (int k = 0; k < tensor->rank; k++) {
            shape[k] = (int) MIN(tensor->shape[k], (size_t) G_MAXINT);
        }
        if (sde_weights_read(weights, tensor->name, shape, tensor->rank, values,
                             NULL)) {
            for (size_t k = 0; k < tensor->count; k++) {
                g_assert_true(isfinite(values[k]));
            }
        }
    }
    sde_weights_check_all_read(weights, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, data, size), ==, (gssize) size);
    check_raw(path, size);
    check_weights(path);
    close(fd);
    return 0;
}
