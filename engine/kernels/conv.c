/* Direct convolution, and what is common to both methods.
 *
 * A block is some pixels of one sample by some weight panels. It lists, for each tap of
 * the window and each pixel, where that pixel's input channels lie (a row of zeros
 * outside the map) and lets the micro-kernel walk these rows: padding, stride,
 * enlarging and concatenation are matters of pointers, nothing is copied.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/conv.h"

#include <string.h>

#include "kernels/conv-internal.h"

#define MAX_SEGMENTS    9
#define BLOCK_PIXELS    96 /* at most; a multiple of 6, and near one of 14 */
#define COLD_BLOCKS     4  /* more of them find the weights in a cache */
#define ROUNDED_PADDING 32 /* between rounded rows: powers of two share cache sets */
#define WINOGRAD_WIDTH  16 /* input channels come in whole vectors of any level */

/* Below this side of a map Winograd's transforms of the weights cost more than the
 * products that they save. */
#define WINOGRAD_SIDE 8

/* Transformed weights are four times larger. On small maps they are all that is read:
 * they are not kept below the first side, and below the second only while cin × cout is
 * moderate. To transform them again takes up to a quarter of a convolution over 16 × 16
 * pixels, a twentieth over 32 × 32, but over 8 × 8 less than to read them. Over
 * bfloat16 they take half the memory, and late ones are floats. */
#define PREPARED_SIDE          32
#define PREPARED_SIDE_ANY      64
#define PREPARED_CHANNELS      ((size_t) 192 * 192)
#define PREPARED_CHANNELS_BF16 ((size_t) 512 * 192)

/* From this side on, tiles of 6 × 6 have fewer products than tiles of 4 × 4 even where
 * the map's last ones are only partly used. Their weights are larger yet, and a block
 * of tiles reads them all: only while they are few. */
#define WINOGRAD_SIDE_6         64
#define WINOGRAD_MAX_CHANNELS_6 ((size_t) 192 * 128)

/* From so many channels on: first and last layers, which see and make pixels, stay
 * exact. */
#define BF16_CHANNELS 32
/* Up to this side of a map direct sums over bfloat16 beat Winograd's over floats. */
#define BF16_SIDE 8

static bool
suits_bf16(const SdeConvShape *shape, SdePrecision precision)
{
    return precision != SDE_PRECISION_FLOAT &&
           sde_kernels_get()->multiply_bf16 != NULL && shape->cin % 2 == 0 &&
           shape->cin >= BF16_CHANNELS && shape->cout >= BF16_CHANNELS;
}

static bool
suits_winograd(const SdeConvShape *shape, int expected_side, bool bf16)
{
    return shape->side == 3 && shape->stride == 1 && shape->cin % WINOGRAD_WIDTH == 0 &&
           expected_side >= WINOGRAD_SIDE && !(bf16 && expected_side <= BF16_SIDE);
}

static bool
comes_late(size_t channels, int expected_side, bool bf16)
{
    return expected_side < PREPARED_SIDE ||
           (expected_side < PREPARED_SIDE_ANY &&
            channels > (bf16 ? PREPARED_CHANNELS_BF16 : PREPARED_CHANNELS));
}

SdeConv
sde_conv_choose(const SdeConvShape *shape, int expected_side, SdePrecision precision)
{
    SdeConv conv = {.shape = *shape, .bf16 = suits_bf16(shape, precision)};
    const size_t channels = (size_t) shape->cin * (size_t) shape->cout;

    if (suits_winograd(shape, expected_side, conv.bf16)) {
        const bool bf16 = conv.bf16 && precision == SDE_PRECISION_BF16;

        conv.late = comes_late(channels, expected_side, bf16);
        conv.bf16 = bf16 && !conv.late;
        conv.winograd = !conv.bf16 && expected_side >= WINOGRAD_SIDE_6 &&
                                channels <= WINOGRAD_MAX_CHANNELS_6
                            ? 6
                            : 4;
    }
    return conv;
}

size_t
sde_conv_count_bias(const SdeConv *conv)
{
    const SdeKernels *kernels = sde_kernels_get();

    return (size_t) sde_conv_count_panels(kernels, conv->shape.cout) * kernels->panel;
}

size_t
sde_conv_count_weights(const SdeConv *conv)
{
    const SdeConvShape *s = &conv->shape;

    if (conv->winograd != 0) {
        return sde_winograd_count_weights(conv);
    }

    const size_t count = sde_conv_count_bias(conv) * s->cin * s->side * s->side;

    return conv->bf16 ? count / 2 : count;
}

/* To panels: [cout / panel][tap][cin][panel], or as multiply_bf16() takes them. */
static void
prepare_panels(SdeConv *conv, const float *weights, int cout, int first)
{
    const int panel = sde_kernels_get()->panel;
    const int cin = conv->shape.cin;
    const int n_taps = conv->shape.side * conv->shape.side;
    const size_t panel_size =
        sde_conv_count_weights(conv) /
        sde_conv_count_panels(sde_kernels_get(), conv->shape.cout);

    for (int o = 0; o < cout; o++) {
        const int column = first + o;
        float *to = conv->weights + (size_t) (column / panel) * panel_size;
        const float *from = weights + (size_t) o * cin * n_taps;

        for (int i = 0; i < cin; i++) {
            for (int tap = 0; tap < n_taps; tap++) {
                sde_put_weight(to, panel, tap * cin + i, column % panel, conv->bf16,
                               from[(size_t) i * n_taps + tap]);
            }
        }
    }
}

void
sde_conv_prepare(SdeConv *conv, const float *weights, const float *bias, int cout,
                 int first)
{
    if (conv->winograd != 0) {
        g_assert(first == 0 && cout == conv->shape.cout);
        sde_winograd_prepare(conv, weights);
    } else {
        prepare_panels(conv, weights, cout, first);
    }
    memcpy(conv->bias + first, bias, (size_t) cout * sizeof(float));
}

typedef struct {
    SdeConvJob job;
    int n_segments;
    int depths[MAX_SEGMENTS];
    int pixels; /* of one sample's output */
    int n_threads;
    size_t n_blocks; /* of pixels */
    int blocks_per_sample, panel_groups;
    size_t panel_size;  /* floats of a panel's weights */
    bool cold;          /* weights come from memory */
    const float **rows; /* per thread: n_segments × BLOCK_PIXELS */
    bool rounds_first;  /* all rows, as several blocks multiply each; bf16 only */
    SdeBf16 *rounded;   /* per thread, or all: blocks of pixels × rounded_stride */
    size_t rounded_stride;
    float *tiles; /* per thread: BLOCK_PIXELS × panel */
} Direct;

/* Even shares: share i of `total` cut into `n` is [i * total / n, (i + 1) * total / n).
 */
static int
share(int total, int n, int i)
{
    return (int) ((gint64) total * i / n);
}

/* Some pixels of one sample. */
typedef struct {
    int n, first, count;
} Pixels;

static Pixels
find_pixels(const Direct *direct, size_t pixel_block)
{
    const int n_blocks = direct->blocks_per_sample;
    const int i = (int) (pixel_block % (size_t) n_blocks);
    const int first = share(direct->pixels, n_blocks, i);

    return (Pixels) {(int) (pixel_block / (size_t) n_blocks), first,
                     share(direct->pixels, n_blocks, i + 1) - first};
}

/* Where pixel (y, x) of sample n, which may be an enlarged one, finds its channels; or
 * zeros. */
static const float *
find_input(const Direct *direct, const SdeTensor *input, int n, int y, int x)
{
    const int shift = direct->job.conv->shape.upsample - 1;

    if (y < 0 || x < 0 || y >= input->h << shift || x >= input->w << shift) {
        return direct->job.conv->zeros;
    }

    const size_t row =
        ((size_t) n * input->h + (size_t) (y >> shift)) * (size_t) input->w;

    return input->data + (row + (size_t) (x >> shift)) * (size_t) input->c;
}

/* The rows of a tap, `down` and `right` of the window's first, for each pixel. */
static void
list_segment(const Direct *direct, const SdeTensor *input, const Pixels *pixels,
             int down, int right, const float **rows)
{
    const SdeConvShape *s = &direct->job.conv->shape;
    const int width = direct->job.y->w;
    int y = pixels->first / width, x = pixels->first % width;

    for (int i = 0; i < pixels->count; i++) {
        rows[i] = find_input(direct, input, pixels->n, y * s->stride - s->pad + down,
                             x * s->stride - s->pad + right);
        if (++x == width) {
            x = 0;
            y++;
        }
    }
}

static void
list_rows(const Direct *direct, const Pixels *pixels, const float **rows)
{
    const int side = direct->job.conv->shape.side;
    const SdeConvInput *input = direct->job.input;

    for (int tap = 0; tap < side * side; tap++) {
        list_segment(direct, input->x, pixels, tap / side, tap % side,
                     rows + (size_t) tap * pixels->count);
    }
    if (input->x2 != NULL) {
        list_segment(direct, input->x2, pixels, 0, 0, rows + pixels->count);
    }
}

/* The rows of a block, their segments joined. */
static void
round_rows(const Direct *direct, int count, const float *const *rows, SdeBf16 *to)
{
    const size_t stride = direct->rounded_stride;

    for (int s = 0; s < direct->n_segments; s++) {
        for (int i = 0; i < count; i++) {
            direct->job.kernels->to_bf16(rows[s * count + i], direct->depths[s],
                                         to + (size_t) i * stride);
        }
        to += direct->depths[s];
    }
}

static SdeBf16 *
find_rounded(const Direct *direct, size_t pixel_block, int thread)
{
    const size_t i = direct->rounds_first ? pixel_block : (size_t) thread;

    return direct->rounded + i * BLOCK_PIXELS * direct->rounded_stride;
}

/* Lists the rows of a block, and rounds them where that is wanted. */
static const float **
gather_rows(const Direct *direct, size_t pixel_block, int thread)
{
    const Pixels pixels = find_pixels(direct, pixel_block);
    const float **rows =
        direct->rows + (size_t) thread * direct->n_segments * BLOCK_PIXELS;

    list_rows(direct, &pixels, rows);
    if (direct->job.conv->bf16) {
        round_rows(direct, pixels.count, rows,
                   find_rounded(direct, pixel_block, thread));
    }
    return rows;
}

static void
run_rounding(size_t pixel_block, int thread, void *data)
{
    gather_rows(data, pixel_block, thread);
}

/* What to fetch while the i-th panel of a block is multiplied: the next panel's weights
 * where they are cold; else, of a 1×1 convolution, the pixels of the next block that
 * this thread may expect. Each pixel there is one short row, and a micro-tile walks
 * several at a time: hardware does not foresee that, and each line would be waited for.
 */
static SdeAhead
find_ahead(const Direct *direct, const float *next_weights, int i, size_t pixel_block)
{
    const SdeConv *conv = direct->job.conv;
    const SdeTensor *const inputs[2] = {direct->job.input->x, direct->job.input->x2};

    if (direct->cold) {
        return (SdeAhead) {next_weights, direct->panel_size * sizeof(float)};
    }
    pixel_block += (size_t) direct->n_threads;
    if (conv->shape.side != 1 || direct->panel_groups > 1 ||
        pixel_block >= direct->n_blocks || i >= 2 || inputs[i] == NULL) {
        return (SdeAhead) {NULL, 0};
    }

    const Pixels next = find_pixels(direct, pixel_block);
    const size_t channels = (size_t) inputs[i]->c;
    const size_t pixel = (size_t) next.n * direct->pixels + next.first;

    return (SdeAhead) {inputs[i]->data + pixel * channels,
                       next.count * channels * sizeof(float)};
}

static void
run_block(size_t block, int thread, void *data)
{
    const Direct *direct = data;
    const SdeConvJob *job = &direct->job;
    const SdeConvShape *s = &job->conv->shape;
    const SdeKernels *kernels = job->kernels;
    const int group = (int) (block % (size_t) direct->panel_groups);
    const size_t pixel_block = block / (size_t) direct->panel_groups;
    const Pixels pixels = find_pixels(direct, pixel_block);
    const float **rows =
        direct->rounds_first ? NULL : gather_rows(direct, pixel_block, thread);
    float *tile = direct->tiles + (size_t) thread * BLOCK_PIXELS * kernels->panel;
    SdePanelInput input = {rows, direct->depths, pixels.count, direct->n_segments, {0}};
    SdeBf16Input rounded = {
        NULL, direct->rounded_stride, pixels.count, s->cin * s->side * s->side, {0}};
    const int first_panel = share(job->n_panels, direct->panel_groups, group);
    const int last_panel = share(job->n_panels, direct->panel_groups, group + 1);
    const size_t pixel = (size_t) pixels.n * direct->pixels + pixels.first;

    if (job->conv->bf16) {
        rounded.rows = find_rounded(direct, pixel_block, thread);
    }
    for (int p = first_panel; p < last_panel; p++) {
        const float *weights = job->conv->weights + (size_t) p * direct->panel_size;

        input.ahead = rounded.ahead = find_ahead(direct, weights + direct->panel_size,
                                                 p - first_panel, pixel_block);
        if (job->conv->bf16) {
            kernels->multiply_bf16(&rounded, weights, tile, (size_t) kernels->panel);
        } else {
            kernels->multiply(&input, weights, tile, (size_t) kernels->panel);
        }
        sde_conv_clear_sums(job, pixel_block, p);

        const SdeEpilogue epilogue =
            sde_conv_find_epilogue(job, pixel_block, p, pixels.n, pixel);

        kernels->write_tile(
            tile, pixels.count, sde_conv_count_channels(job, p), &epilogue,
            job->y->data + sde_conv_find_output(job, p, pixel), (size_t) job->y->c);
    }
}

static void
run_direct(SdeCompute *compute, SdeConvJob *job)
{
    const SdeConvShape *s = &job->conv->shape;
    const SdeConvInput *input = job->input;
    Direct direct = {.n_segments = s->side * s->side, .n_threads = compute->n_threads};

    for (int i = 0; i < direct.n_segments; i++) {
        direct.depths[i] = input->x->c;
    }
    if (input->x2 != NULL) {
        direct.depths[direct.n_segments++] = input->x2->c;
    }
    direct.pixels = job->y->h * job->y->w;
    direct.blocks_per_sample = (direct.pixels + BLOCK_PIXELS - 1) / BLOCK_PIXELS;

    const int n_blocks = direct.blocks_per_sample * job->y->n;

    direct.n_blocks = (size_t) n_blocks;
    direct.panel_size = sde_conv_count_weights(job->conv) / job->n_panels;
    direct.cold = n_blocks <= COLD_BLOCKS;
    sde_conv_alloc_sums(compute, job, (size_t) n_blocks);
    direct.job = *job;
    direct.panel_groups =
        MIN(job->n_panels, (SDE_CONV_MIN_BLOCKS + n_blocks - 1) / n_blocks);
    direct.rows = sde_compute_alloc_bytes(compute, (size_t) compute->n_threads *
                                                       direct.n_segments *
                                                       BLOCK_PIXELS * sizeof(float *));
    if (job->conv->bf16) {
        direct.rounded_stride = (size_t) s->cin * s->side * s->side + ROUNDED_PADDING;
        direct.rounds_first = direct.panel_groups > 1;
        direct.rounded = sde_compute_alloc_bytes(
            compute, (size_t) (direct.rounds_first ? n_blocks : compute->n_threads) *
                         BLOCK_PIXELS * direct.rounded_stride * sizeof(SdeBf16));
    }
    direct.tiles =
        sde_arena_alloc(compute->arena, (size_t) compute->n_threads * BLOCK_PIXELS *
                                            job->kernels->panel);
    if (!sde_compute_is_dry(compute)) {
        if (direct.rounds_first) {
            sde_compute_for(compute, (size_t) n_blocks, run_rounding, &direct);
        }
        sde_compute_for(compute, (size_t) n_blocks * direct.panel_groups, run_block,
                        &direct);
        sde_conv_add_sums(job, (size_t) n_blocks);
    }
}

void
sde_conv_alloc_sums(SdeCompute *compute, SdeConvJob *job, size_t n_blocks)
{
    const size_t block = 2 * (size_t) job->n_panels * job->kernels->panel;

    if (job->y->summed) {
        g_assert(job->y->n == 1);
        job->sums = sde_compute_alloc_bytes(compute, n_blocks * block * sizeof(double));
    }
}

void
sde_conv_clear_sums(const SdeConvJob *job, size_t block, int panel)
{
    const int width = job->kernels->panel;

    if (job->sums != NULL) {
        double *sums = sde_conv_find_sums(job, block) + (size_t) panel * width;

        memset(sums, 0, (size_t) width * sizeof(double));
        memset(sums + (size_t) job->n_panels * width, 0,
               (size_t) width * sizeof(double));
    }
}

void
sde_conv_add_sums(const SdeConvJob *job, size_t n_blocks)
{
    const int channels = job->y->c;
    const size_t width = (size_t) job->n_panels * job->kernels->panel;

    if (job->sums == NULL) {
        return;
    }

    double *to = sde_tensor_peek_sums(job->y);

    memset(to, 0, 2 * (size_t) channels * sizeof(double));
    for (size_t block = 0; block < n_blocks; block++) {
        const double *from = sde_conv_find_sums(job, block);

        for (int c = 0; c < channels; c++) {
            to[c] += from[c];
            to[channels + c] += from[width + (size_t) c];
        }
    }
}

/* Bias and shift in one, padded to whole panels. */
static float *
add_shift(SdeCompute *compute, const SdeConv *conv, const float *shift, int n)
{
    const size_t padded = sde_conv_count_bias(conv);
    const int cout = conv->shape.cout;
    float *addends = sde_arena_alloc(compute->arena, padded * (size_t) n);

    if (sde_compute_is_dry(compute)) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        float *to = addends + (size_t) i * padded;

        memcpy(to, conv->bias, padded * sizeof(float));
        for (int c = 0; shift != NULL && c < cout; c++) {
            to[c] += shift[(size_t) i * cout + c];
        }
    }
    return addends;
}

static void
check_shapes(const SdeConv *conv, const SdeConvInput *input, const SdeTensor *y)
{
    const SdeConvShape *s = &conv->shape;
    const SdeTensor *x = input->x;
    const int c2 = input->x2 == NULL ? 0 : input->x2->c;

    g_assert(x->c + c2 == s->cin && y->c == s->cout && x->n == y->n);
    g_assert(y->h == (x->h * s->upsample + s->stride - 1) / s->stride);
    g_assert(y->w == (x->w * s->upsample + s->stride - 1) / s->stride);
    g_assert(input->x2 == NULL || s->side == 1 || input->norm != NULL);
}

/* Normalises x and x2 to a map of their own, unless that is done block by block. */
static void
normalise_first(SdeCompute *compute, SdeConvJob *job, SdeConvInput *input, SdeTensor *a)
{
    const SdeTensor *x = input->x;

    if (input->norm == NULL ||
        (job->conv->winograd != 0 && sde_winograd_takes_norm(job))) {
        return;
    }
    *a = sde_compute_alloc(compute, x->n, x->h, x->w, job->conv->shape.cin);
    sde_scale_shift_run(compute, input->norm, x, input->x2, a);
    input->x = a;
    input->x2 = NULL;
    input->norm = NULL;
}

void
sde_conv_run(SdeCompute *compute, const SdeConv *conv, const SdeConvInput *input,
             SdeTensor *y)
{
    const size_t mark = sde_arena_mark(compute->arena);
    SdeConvInput seen = *input;
    SdeTensor normalised;
    SdeConvJob job = {.kernels = sde_kernels_get(),
                      .conv = conv,
                      .input = &seen,
                      .y = y,
                      .scale = input->scale == 0.0f ? 1.0f : input->scale};

    check_shapes(conv, input, y);
    job.n_panels = sde_conv_count_panels(job.kernels, conv->shape.cout);
    normalise_first(compute, &job, &seen, &normalised);
    job.addends = add_shift(compute, conv, input->shift, y->n);
    if (conv->winograd != 0) {
        sde_winograd_run(compute, &job);
    } else {
        run_direct(compute, &job);
    }
    compute->flop += 2.0 * (double) sde_tensor_count(y) * conv->shape.cin *
                     conv->shape.side * conv->shape.side;
    sde_arena_release(compute->arena, mark);
}
