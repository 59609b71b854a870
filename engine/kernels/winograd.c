/* 3×3 convolutions of stride 1 as Winograd's F(4×4,3×3), 36 multiplications for 16
 * outputs instead of 144, or F(6×6,3×3), 64 for 36 instead of 324 (Lavin and Gray
 * 2015).
 *
 * The output is cut into tiles of 4 × 4 or 6 × 6 pixels, numbered through all samples.
 * A block of tiles is transformed to V (36 or 64 matrices, tiles × cin), each
 * multiplied with its matrix of transformed weights, panel by panel, and transformed
 * back while the sums are in the cache. With few blocks the transforms are shared
 * through memory and the panels become blocks instead. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include <string.h>

#include "kernels/conv-internal.h"

#define V_BYTES   (250 << 10) /* of a block: half of a 512 KiB cache is for weights */
#define V_PADDING 16          /* floats between rows: powers of two share cache sets */
#define MAX_TILES 28

static const SdeWinograd *
find_kernels(const SdeConv *conv)
{
    const SdeKernels *kernels = sde_kernels_get();

    return conv->winograd == 4 ? &kernels->winograd4 : &kernels->winograd6;
}

static int
count_matrices(const SdeConv *conv)
{
    return (conv->winograd + 2) * (conv->winograd + 2);
}

size_t
sde_winograd_count_weights(const SdeConv *conv)
{
    return sde_conv_count_bias(conv) * conv->shape.cin * count_matrices(conv);
}

/* To [cout / panel][matrix][cin][panel]. */
void
sde_winograd_prepare(SdeConv *conv, const float *weights)
{
    const SdeWinograd *kernels = find_kernels(conv);
    const int panel = sde_kernels_get()->panel;
    const int cin = conv->shape.cin;
    const int cout = conv->shape.cout;
    const size_t matrix_size = (size_t) cin * panel;
    float windows[9 * SDE_MAX_PANEL] = {0};
    float *to = conv->weights;

    for (int first = 0; first < cout; first += panel) {
        const int n = MIN(panel, cout - first);

        if (n < panel) {
            memset(windows, 0, sizeof(windows));
        }
        for (int i = 0; i < cin; i++) {
            for (int o = 0; o < n; o++) {
                const float *from = weights + ((size_t) (first + o) * cin + i) * 9;

                for (int tap = 0; tap < 9; tap++) {
                    windows[tap * panel + o] = from[tap];
                }
            }
            kernels->weights(windows, to + (size_t) i * panel, matrix_size);
        }
        to += (size_t) count_matrices(conv) * matrix_size;
    }
}

typedef struct {
    const SdeConvJob *job;
    const SdeWinograd *kernels;
    int side, n_matrices;      /* of a tile */
    int tiles_x, sample_tiles; /* across a sample, in a sample */
    int tiles, block_tiles;    /* of all samples, of a block */
    size_t n_blocks;
    bool two_phases;
    size_t v_row, v_matrix, v_block; /* strides in floats */
    float *v; /* a block per thread, or all blocks of all samples */
    float *m; /* per thread: matrices × block_tiles × panel */
} Winograd;

static int
count_block_tiles(const Winograd *w, int block)
{
    return MIN(w->block_tiles, w->tiles - block * w->block_tiles);
}

typedef struct {
    int n, y, x; /* sample; first pixel of the output */
} Tile;

static Tile
find_tile(const Winograd *w, int tile)
{
    const int i = tile % w->sample_tiles;

    return (Tile) {tile / w->sample_tiles, i / w->tiles_x * w->side,
                   i % w->tiles_x * w->side};
}

/* A tile's window: zeros outside the map. */
static void
list_window(const Winograd *w, Tile tile, const float **pixels)
{
    const SdeConv *conv = w->job->conv;
    const SdeTensor *x = w->job->input->x;
    const int up = conv->shape.upsample;
    const int line = w->side + 2;

    for (int i = 0; i < line; i++) {
        const int py = tile.y + i - conv->shape.pad;
        const size_t row =
            ((size_t) tile.n * x->h + (size_t) (MAX(py, 0) / up)) * (size_t) x->w;

        for (int j = 0; j < line; j++) {
            const int px = tile.x + j - conv->shape.pad;
            const bool outside = py < 0 || px < 0 || py >= x->h * up || px >= x->w * up;

            pixels[i * line + j] =
                outside ? conv->zeros
                        : x->data + (row + (size_t) (px / up)) * (size_t) x->c;
        }
    }
}

static void
transform_block(const Winograd *w, int block, float *v)
{
    const int first = block * w->block_tiles;
    const int count = count_block_tiles(w, block);

    for (int t = 0; t < count; t++) {
        const float *pixels[SDE_MAX_WINDOW];

        list_window(w, find_tile(w, first + t), pixels);
        w->kernels->input(pixels, w->job->conv->shape.cin, v + (size_t) t * w->v_row,
                          w->v_matrix);
    }
}

static void
write_tile(const Winograd *w, int block, Tile tile, int panel, const float *m,
           size_t step)
{
    const SdeConvJob *job = w->job;
    const SdeTensor *y = job->y;
    const size_t row = (size_t) tile.n * y->h + (size_t) tile.y;
    const size_t pixel = row * (size_t) y->w + (size_t) tile.x;
    const SdeEpilogue epilogue =
        sde_conv_find_epilogue(job, (size_t) block, panel, tile.n, pixel);
    const SdeTarget target = {
        .out = y->data + sde_conv_find_output(job, panel, pixel),
        .row_stride = (size_t) y->w * (size_t) y->c,
        .stride = (size_t) y->c,
        .rows = MIN(w->side, y->h - tile.y),
        .cols = MIN(w->side, y->w - tile.x),
        .channels = sde_conv_count_channels(job, panel),
    };

    w->kernels->output(m, step, &epilogue, &target);
}

static void
multiply_block(const Winograd *w, int block, int panel, const float *v, float *m)
{
    const SdeConvJob *job = w->job;
    const SdeKernels *kernels = job->kernels;
    const int cin = job->conv->shape.cin;
    const int first = block * w->block_tiles;
    const int count = count_block_tiles(w, block);
    const size_t weights_size = (size_t) cin * kernels->panel;
    const size_t m_size = (size_t) count * kernels->panel;
    const float *weights =
        job->conv->weights + (size_t) panel * w->n_matrices * weights_size;
    const float *rows[MAX_TILES];
    const SdePanelInput input = {rows, &cin, count, 1};

    for (int i = 0; i < w->n_matrices; i++) {
        for (int t = 0; t < count; t++) {
            rows[t] = v + (size_t) i * w->v_matrix + (size_t) t * w->v_row;
        }
        kernels->multiply(&input, weights + (size_t) i * weights_size,
                          m + (size_t) i * m_size);
    }
    sde_conv_clear_sums(job, (size_t) block, panel);
    for (int t = 0; t < count; t++) {
        write_tile(w, block, find_tile(w, first + t), panel,
                   m + (size_t) t * kernels->panel, m_size);
    }
}

static float *
find_scratch(const Winograd *w, int thread)
{
    return w->m +
           (size_t) thread * w->n_matrices * w->block_tiles * w->job->kernels->panel;
}

static void
run_whole_block(size_t block, int thread, void *data)
{
    const Winograd *w = data;
    float *v = w->v + (size_t) thread * w->v_block;

    transform_block(w, (int) block, v);
    for (int p = 0; p < w->job->n_panels; p++) {
        multiply_block(w, (int) block, p, v, find_scratch(w, thread));
    }
}

static void
run_transform(size_t block, int thread, void *data)
{
    const Winograd *w = data;

    transform_block(w, (int) block, w->v + block * w->v_block);
}

/* Panel by panel: the weights, larger than the map here, are read once. */
static void
run_products(size_t index, int thread, void *data)
{
    const Winograd *w = data;
    const size_t block = index % w->n_blocks;

    multiply_block(w, (int) block, (int) (index / w->n_blocks),
                   w->v + block * w->v_block, find_scratch(w, thread));
}

/* Tiles in a block: as many as keep V in the cache, evenly shared. */
static void
cut_blocks(Winograd *w, int cin)
{
    const int rows = w->job->kernels->rows;
    const int fitting =
        V_BYTES / (int) sizeof(float) / w->n_matrices / (cin + V_PADDING);
    const int most = CLAMP(fitting / rows * rows, rows, MAX_TILES / rows * rows);

    w->n_blocks = (size_t) ((w->tiles + most - 1) / most);
    w->block_tiles = (int) ((w->tiles + w->n_blocks - 1) / w->n_blocks);
    w->n_blocks = (size_t) ((w->tiles + w->block_tiles - 1) / w->block_tiles);
    w->v_row = (size_t) cin + V_PADDING;
    w->v_matrix = w->v_row * (size_t) w->block_tiles;
    w->v_block = w->v_matrix * (size_t) w->n_matrices;
}

void
sde_winograd_run(SdeCompute *compute, SdeConvJob *job)
{
    const SdeTensor *y = job->y;
    const int side = job->conv->winograd;
    Winograd w = {.job = job, .side = side, .n_matrices = count_matrices(job->conv)};

    w.kernels = find_kernels(job->conv);
    w.tiles_x = (y->w + side - 1) / side;
    w.sample_tiles = w.tiles_x * ((y->h + side - 1) / side);
    w.tiles = w.sample_tiles * y->n;
    cut_blocks(&w, job->conv->shape.cin);
    w.two_phases = w.n_blocks < SDE_CONV_MIN_BLOCKS / 2;
    w.v = sde_arena_alloc(
        compute->arena,
        w.v_block * (w.two_phases ? w.n_blocks : (size_t) compute->n_threads));
    w.m = sde_arena_alloc(compute->arena, (size_t) compute->n_threads * w.n_matrices *
                                              w.block_tiles * job->kernels->panel);
    sde_conv_alloc_sums(compute, job, w.n_blocks);
    if (sde_compute_is_dry(compute)) {
        return;
    }
    if (w.two_phases) {
        sde_compute_for(compute, w.n_blocks, run_transform, &w);
        sde_compute_for(compute, w.n_blocks * (size_t) job->n_panels, run_products, &w);
    } else {
        sde_compute_for(compute, w.n_blocks, run_whole_block, &w);
    }
    sde_conv_add_sums(job, w.n_blocks);
}
