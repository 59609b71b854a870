/* 3×3 convolutions of stride 1 as Winograd's F(4×4,3×3), 36 multiplications for 16
 * outputs instead of 144, or F(6×6,3×3), 64 for 36 instead of 324 (Lavin and Gray
 * 2015).
 *
 * The output is cut into tiles of 4 × 4 or 6 × 6 pixels, numbered through all samples.
 * A block of tiles is transformed to V (36 or 64 matrices, tiles × cin), each
 * multiplied with its matrix of transformed weights to M, panel by panel, and
 * transformed back while the sums are in the cache. A norm is applied on the way, to
 * what a block sees: a large map is not written and read once more. What would be read
 * again and again from memory decides the order:
 *
 * - Small weights: V stays in the cache, the panels' weights pass by.
 * - Large ones: more tiles share a matrix of weights, and some panels share one of V.
 * - Few tiles: the same, but V of all tiles is made first, so that panels are blocks.
 * - Weights that outweigh the map: the same, and they are transformed late, a row of
 *   matrices of a panel at a time. SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "kernels/conv-internal.h"

#define V_BYTES         (250 << 10) /* half of a 512 KiB cache is for weights */
#define M_BYTES         (250 << 10) /* of panels that are multiplied together */
#define WEIGHTS_BYTES   (4 << 20)   /* from here on each block reads them from memory */
#define PADDING         16 /* floats between rows: powers of two share cache sets */
#define MAX_TILES       28 /* of a block */
#define MAX_LATE_TILES  96 /* the same where each block transforms its weights */
#define TRANSFORM_TILES 2  /* of a block where V is made first */

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

/* Floats of a matrix of a panel's weights; with bfloat16 each holds two of them. */
static size_t
count_matrix(const SdeConv *conv)
{
    const size_t count = (size_t) conv->shape.cin * sde_kernels_get()->panel;

    return conv->bf16 ? count / 2 : count;
}

size_t
sde_winograd_count_weights(const SdeConv *conv)
{
    return (size_t) sde_conv_count_panels(sde_kernels_get(), conv->shape.cout) *
           (conv->late ? 9 : count_matrices(conv)) * count_matrix(conv);
}

/* A panel's n channels to windows[cin][9][panel]. */
static void
pack_windows(const float *weights, int cin, int n, float *windows)
{
    const int panel = sde_kernels_get()->panel;

    for (int i = 0; i < cin; i++) {
        for (int o = 0; o < panel; o++) {
            const float *from = weights + ((size_t) o * cin + i) * 9;
            float *to = windows + (size_t) i * 9 * panel + o;

            for (int tap = 0; tap < 9; tap++) {
                to[(size_t) tap * panel] = o < n ? from[tap] : 0.0f;
            }
        }
    }
}

/* u[cin][panel] as multiply_bf16() takes it. */
static void
round_matrix(const float *u, int cin, float *to)
{
    const int panel = sde_kernels_get()->panel;

    for (int k = 0; k < cin; k++) {
        for (int column = 0; column < panel; column++) {
            sde_put_weight(to, panel, k, column, true, *u++);
        }
    }
}

/* windows[cin][9][panel] to the matrices of a panel; `exact`: with bfloat16, room for a
 * row of them. */
static void
prepare_panel(const SdeConv *conv, const float *windows, float *exact, float *to)
{
    const int cin = conv->shape.cin, line = conv->winograd + 2;
    const size_t size = (size_t) cin * sde_kernels_get()->panel;

    for (int row = 0; row < line; row++, to += (size_t) line * count_matrix(conv)) {
        find_kernels(conv)->weights(windows, cin, row, conv->bf16 ? exact : to, size);
        for (int i = 0; conv->bf16 && i < line; i++) {
            round_matrix(exact + (size_t) i * size, cin,
                         to + (size_t) i * count_matrix(conv));
        }
    }
}

/* To [cout / panel][cin][9][panel] where they are transformed late, else to [cout /
 * panel][matrix][cin][panel]. */
void
sde_winograd_prepare(SdeConv *conv, const float *weights)
{
    const int panel = sde_kernels_get()->panel;
    const int cin = conv->shape.cin;
    const size_t size = (size_t) cin * panel;
    const size_t panel_size =
        count_matrix(conv) * (conv->late ? 9 : count_matrices(conv));
    g_autofree float *windows = conv->late ? NULL : g_new(float, 9 * size);
    g_autofree float *exact =
        conv->bf16 ? g_new(float, (size_t) (conv->winograd + 2) * size) : NULL;

    for (int first = 0; first < conv->shape.cout; first += panel) {
        float *to = conv->weights + (size_t) (first / panel) * panel_size;

        pack_windows(weights + (size_t) first * cin * 9, cin,
                     MIN(panel, conv->shape.cout - first), conv->late ? to : windows);
        if (!conv->late) {
            prepare_panel(conv, windows, exact, to);
        }
    }
}

typedef struct {
    const SdeConvJob *job;
    const SdeWinograd *kernels;
    int side, n_matrices;      /* of a tile */
    int tiles_x, sample_tiles; /* across a sample, in a sample */
    int tiles, block_tiles;    /* of all samples, of a block */
    int group_panels;          /* that are multiplied together */
    size_t n_blocks, n_groups;
    bool v_first;                     /* V of all tiles is made before anything else */
    bool cold;                        /* weights come from memory */
    size_t v_row, v_matrix, u_matrix; /* strides in floats */
    size_t strip_size; /* floats of what a block's windows see; 0: it needs no norm */
    float *strip;      /* per thread: that, normalised */
    float *v; /* all tiles, or a block per thread: matrices × tiles × cin; with bfloat16
               * each float holds two */
    float *m; /* per thread: panels of a group × matrices × block_tiles × panel */
    float *u; /* per thread where weights come late: a row of matrices */
} Winograd;

/* Some tiles, and where V of the first of them is. */
typedef struct {
    int index, first, count;
    float *v;
} Block;

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

/* A sample's pixels, or the part of them that some tiles see: pixel (y, x) is at
 * ((y - top) * width + x - left) * cin. */
typedef struct {
    const float *pixels;
    int top, left, width;
} View;

/* Normalises what the windows of n tiles see, which lie beside each other. */
static View
normalise_strip(const Winograd *w, Tile tile, int n, float *strip)
{
    const SdeConvInput *input = w->job->input;
    const SdeTensor *x = input->x;
    const int pad = w->job->conv->shape.pad;
    const int top = MAX(tile.y - pad, 0), left = MAX(tile.x - pad, 0);
    const int bottom = MIN(tile.y - pad + w->side + 2, x->h);
    const int width = MIN(tile.x - pad + n * w->side + 2, x->w) - left;
    float *to = strip;

    for (int y = top; y < bottom; y++) {
        const size_t row = ((size_t) tile.n * x->h + (size_t) y) * (size_t) x->w;

        sde_scale_shift_pixels(input->norm, x, input->x2, row + (size_t) left,
                               (size_t) width, to);
        to += (size_t) width * w->job->conv->shape.cin;
    }
    return (View) {strip, top, left, width};
}

static View
view_sample(const Winograd *w, int n)
{
    const SdeTensor *x = w->job->input->x;

    return (View) {x->data + (size_t) n * x->h * (size_t) x->w * (size_t) x->c, 0, 0,
                   x->w};
}

/* A tile's window: zeros outside the map. */
static void
list_window(const Winograd *w, Tile tile, const View *view, const float **pixels)
{
    const SdeConv *conv = w->job->conv;
    const SdeTensor *x = w->job->input->x;
    const int shift = conv->shape.upsample - 1;
    const int line = w->side + 2;

    for (int i = 0; i < line; i++) {
        const int py = tile.y + i - conv->shape.pad;
        const bool in_rows = py >= 0 && py < x->h << shift;
        const int y = in_rows ? (py >> shift) - view->top : 0;

        for (int j = 0; j < line; j++) {
            const int px = tile.x + j - conv->shape.pad;
            const bool inside = in_rows && px >= 0 && px < x->w << shift;
            const ptrdiff_t at =
                (ptrdiff_t) y * view->width + (px >> shift) - view->left;

            pixels[i * line + j] =
                inside ? view->pixels + at * conv->shape.cin : conv->zeros;
        }
    }
}

/* `strip`: room for what they see, where that has yet to be normalised. */
static void
transform_tiles(const Winograd *w, int first, int count, float *strip, float *v)
{
    const int cin = w->job->conv->shape.cin;
    View view = {0};

    for (int t = first; t < first + count; t++, v += w->v_row) {
        const Tile tile = find_tile(w, t);
        const float *pixels[SDE_MAX_WINDOW];

        if (w->job->input->norm == NULL) {
            view = view_sample(w, tile.n);
        } else if (t == first || tile.x == 0) {
            const int in_row = w->tiles_x - tile.x / w->side;

            view = normalise_strip(w, tile, MIN(in_row, first + count - t), strip);
        }
        list_window(w, tile, &view, pixels);
        if (w->job->conv->bf16) {
            w->job->kernels->winograd4_input_bf16(pixels, cin, (SdeBf16 *) (void *) v,
                                                  2 * w->v_matrix);
        } else {
            w->kernels->input(pixels, cin, v, w->v_matrix);
        }
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

/* M of a panel, of those of a group or of all threads' groups. */
static float *
find_products(const Winograd *w, float *m, int panel)
{
    return m + (size_t) panel * w->n_matrices * w->block_tiles * w->job->kernels->panel;
}

static const float *
find_weights(const Winograd *w, int panel, int matrix)
{
    return w->job->conv->weights +
           ((size_t) panel * w->n_matrices + matrix) * count_matrix(w->job->conv);
}

/* A matrix of V by weights[cin][panel]; `next` is nullable: as many weights, which will
 * be read next. */
static void
multiply(const Winograd *w, const Block *block, int matrix, const float *weights,
         const float *next, float *m)
{
    const SdeKernels *kernels = w->job->kernels;
    const SdeAhead ahead = {next, count_matrix(w->job->conv) * sizeof(float)};
    const float *v = block->v + (size_t) matrix * w->v_matrix;
    const float *rows[MAX_LATE_TILES];

    if (w->job->conv->bf16) {
        const SdeBf16Input input = {(const SdeBf16 *) (const void *) v, 2 * w->v_row,
                                    block->count, w->job->conv->shape.cin, ahead};

        kernels->multiply_bf16(&input, weights, m, (size_t) kernels->panel);
        return;
    }
    for (int t = 0; t < block->count; t++) {
        rows[t] = v + (size_t) t * w->v_row;
    }

    const SdePanelInput input = {rows, &w->job->conv->shape.cin, block->count, 1,
                                 ahead};

    kernels->multiply(&input, weights, m, (size_t) kernels->panel);
}

/* The weights after those of matrix i of panel p of a group; past the end after the
 * last. */
static const float *
find_next(const Winograd *w, int first, int n, int i, int p)
{
    if (p + 1 < n) {
        return find_weights(w, first + p + 1, i);
    }
    return i + 1 < w->n_matrices ? find_weights(w, first, i + 1)
                                 : find_weights(w, first + n, 0);
}

static void
multiply_group(const Winograd *w, const Block *block, int first, int n, float *m)
{
    const SdeKernels *kernels = w->job->kernels;
    const size_t m_size = (size_t) block->count * kernels->panel;

    for (int i = 0; i < w->n_matrices; i++) {
        for (int p = 0; p < n; p++) {
            multiply(w, block, i, find_weights(w, first + p, i),
                     w->cold ? find_next(w, first, n, i, p) : NULL,
                     find_products(w, m, p) + (size_t) i * m_size);
        }
    }
}

/* The next panel's windows, which are as large as 9 matrices, are fetched meanwhile. */
static void
multiply_late(const Winograd *w, const Block *block, int panel, float *u, float *m)
{
    const SdeKernels *kernels = w->job->kernels;
    const int cin = w->job->conv->shape.cin;
    const int line = w->side + 2;
    const size_t size = (size_t) cin * kernels->panel;
    const size_t m_size = (size_t) block->count * kernels->panel;
    const float *windows = w->job->conv->weights + (size_t) panel * 9 * size;

    for (int i = 0; i < w->n_matrices; i++) {
        if (i % line == 0) {
            w->kernels->weights(windows, cin, i / line, u, w->u_matrix);
        }
        multiply(w, block, i, u + (size_t) (i % line) * w->u_matrix,
                 i < 9 && panel + 1 < w->job->n_panels
                     ? windows + (size_t) (9 + i) * size
                     : NULL,
                 m + (size_t) i * m_size);
    }
}

static void
write_panel(const Winograd *w, const Block *block, int panel, const float *m)
{
    const int width = w->job->kernels->panel;

    sde_conv_clear_sums(w->job, (size_t) block->index, panel);
    for (int t = 0; t < block->count; t++) {
        write_tile(w, block->index, find_tile(w, block->first + t), panel,
                   m + (size_t) t * width, (size_t) block->count * width);
    }
}

static void
run_group(const Winograd *w, const Block *block, int group, int thread)
{
    const int first = group * w->group_panels;
    const int n = MIN(w->group_panels, w->job->n_panels - first);
    float *m = find_products(w, w->m, thread * w->group_panels);

    if (w->job->conv->late) {
        multiply_late(w, block, first,
                      w->u + (size_t) thread * (w->side + 2) * w->u_matrix, m);
    } else {
        multiply_group(w, block, first, n, m);
    }
    for (int p = 0; p < n; p++) {
        write_panel(w, block, first + p, find_products(w, m, p));
    }
}

static Block
find_block(const Winograd *w, size_t index)
{
    const int first = (int) index * w->block_tiles;

    return (Block) {(int) index, first, MIN(w->block_tiles, w->tiles - first), w->v};
}

static void
run_whole_block(size_t index, int thread, void *data)
{
    const Winograd *w = data;
    Block block = find_block(w, index);

    block.v += (size_t) thread * w->n_matrices * w->v_matrix;
    transform_tiles(w, block.first, block.count,
                    w->strip + (size_t) thread * w->strip_size, block.v);
    for (int group = 0; group < (int) w->n_groups; group++) {
        run_group(w, &block, group, thread);
    }
}

static void
run_transform(size_t index, int thread, void *data)
{
    const Winograd *w = data;
    const int first = (int) index * TRANSFORM_TILES;

    transform_tiles(w, first, MIN(TRANSFORM_TILES, w->tiles - first), NULL,
                    w->v + (size_t) first * w->v_row);
}

/* Group by group: blocks share a group's weights. */
static void
run_products(size_t index, int thread, void *data)
{
    const Winograd *w = data;
    Block block = find_block(w, index % w->n_blocks);

    block.v += (size_t) block.first * w->v_row;
    run_group(w, &block, (int) (index / w->n_blocks), thread);
}

/* Evenly shared: at most `most` tiles in a block. */
static void
cut_tiles(Winograd *w, int most)
{
    w->n_blocks = (size_t) ((w->tiles + most - 1) / most);
    w->block_tiles = (int) ((w->tiles + w->n_blocks - 1) / w->n_blocks);
    w->n_blocks = (size_t) ((w->tiles + w->block_tiles - 1) / w->block_tiles);
}

static int
choose_group(const Winograd *w)
{
    const SdeConvJob *job = w->job;
    const size_t m_bytes =
        (size_t) w->n_matrices * w->block_tiles * job->kernels->panel * sizeof(float);
    const size_t fitting = MIN(M_BYTES / m_bytes, (size_t) job->n_panels);
    const size_t shared = 2 * w->n_blocks * job->n_panels / SDE_CONV_MIN_BLOCKS + 1;

    return (int) MAX(w->v_first ? MIN(fitting, shared) : fitting, 1);
}

static void
cut_blocks(Winograd *w)
{
    const SdeConv *conv = w->job->conv;
    const int rows = w->job->kernels->rows;
    const int most = MAX_TILES / rows * rows;
    const int fitting = V_BYTES / (int) sizeof(float) / w->n_matrices / (int) w->v_row;
    const bool large = sde_winograd_count_weights(conv) > WEIGHTS_BYTES / sizeof(float);

    cut_tiles(w, CLAMP(fitting / rows * rows, rows, most));
    w->v_first = conv->late || w->n_blocks < SDE_CONV_MIN_BLOCKS / 2;
    w->cold = large || w->v_first;
    w->group_panels = 1;
    if (conv->late) {
        cut_tiles(w, MAX_LATE_TILES);
    } else if (w->cold) {
        cut_tiles(w, most);
        w->group_panels = choose_group(w);
    }
    w->n_groups = (size_t) ((w->job->n_panels + w->group_panels - 1) / w->group_panels);
}

static void
alloc_scratch(SdeCompute *compute, Winograd *w)
{
    const size_t n_threads = (size_t) compute->n_threads;
    const size_t cin = (size_t) w->job->conv->shape.cin;
    const size_t panel = (size_t) w->job->kernels->panel;

    w->v_matrix = w->v_row * (size_t) (w->v_first ? w->tiles : w->block_tiles);
    w->v = sde_arena_alloc(compute->arena,
                           (w->v_first ? 1 : n_threads) * w->n_matrices * w->v_matrix);
    w->m = sde_arena_alloc(compute->arena, n_threads * w->group_panels * w->n_matrices *
                                               w->block_tiles * panel);
    if (w->job->input->norm != NULL) {
        w->strip_size = (size_t) (w->side + 2) *
                        ((size_t) w->block_tiles * w->side + 2) *
                        (size_t) w->job->conv->shape.cin;
    }
    w->strip = sde_arena_alloc(compute->arena, n_threads * w->strip_size);
    if (w->job->conv->late) {
        w->u_matrix = cin * panel + PADDING;
        w->u = sde_arena_alloc(compute->arena,
                               n_threads * (size_t) (w->side + 2) * w->u_matrix);
    }
}

static Winograd
plan(const SdeConvJob *job)
{
    const SdeTensor *y = job->y;
    const int side = job->conv->winograd;
    Winograd w = {.job = job, .side = side, .n_matrices = count_matrices(job->conv)};

    w.kernels = find_kernels(job->conv);
    w.tiles_x = (y->w + side - 1) / side;
    w.sample_tiles = w.tiles_x * ((y->h + side - 1) / side);
    w.tiles = w.sample_tiles * y->n;
    w.v_row = (size_t) job->conv->shape.cin / (job->conv->bf16 ? 2 : 1) + PADDING;
    cut_blocks(&w);
    return w;
}

/* Where V is made first, jobs of few tiles would normalise their rims again and again;
 * maps are small there, and stay in the cache. */
bool
sde_winograd_takes_norm(const SdeConvJob *job)
{
    return job->conv->shape.upsample == 1 && !plan(job).v_first;
}

void
sde_winograd_run(SdeCompute *compute, SdeConvJob *job)
{
    Winograd w = plan(job);

    alloc_scratch(compute, &w);
    sde_conv_alloc_sums(compute, job, w.n_blocks);
    if (sde_compute_is_dry(compute)) {
        return;
    }
    if (w.v_first) {
        sde_compute_for(compute,
                        (size_t) (w.tiles + TRANSFORM_TILES - 1) / TRANSFORM_TILES,
                        run_transform, &w);
        sde_compute_for(compute, w.n_blocks * w.n_groups, run_products, &w);
    } else {
        sde_compute_for(compute, w.n_blocks, run_whole_block, &w);
    }
    sde_conv_add_sums(job, w.n_blocks);
}
