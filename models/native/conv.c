/* Convolutions and their gradients.
 *
 * Forwards, and backwards to the input (a convolution with turned weights), the
 * engine's own kernels do the work. The gradient of 3 × 3 weights is Winograd's
 * F(4×4,3×3) too: from Y = A'[(G g G') . (B' d B)]A follows dg = G'[sum over tiles of
 * (A dY A') . (B' d B)]G, where the sums over tiles are 36 matrix products (Lavin and
 * Gray 2015). Stride 2 is stride 1 with zeros between the pixels of dy.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <cblas.h>
#include <string.h>

#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "train.h"

#define SDE_VARIANT train
#include "kernels/variants/vec.h"

#define MATRICES     36
#define CHUNK_TILES  256 /* whose transforms stay in the last cache */
#define STEP_PADDING 48  /* floats between matrices: powers of two share cache sets */
#define ROW_BLOCK    256 /* pixels of a block of a 1 × 1 convolution */
#define N_SHARES     8   /* sums over pixels are taken in so many parts */

static int
out_side(const SdeTrainConv *shape, int side)
{
    return (side + shape->stride - 1) / shape->stride;
}

static size_t
count_out(const SdeTrainConv *shape)
{
    return (size_t) shape->n * out_side(shape, shape->h) * out_side(shape, shape->w);
}

/* ---- with the engine's kernels ----------------------------------------------------
 */

static SdeConv
choose(int cin, int cout, int stride)
{
    const SdeConvShape shape = {cin, cout, 3, stride, 1, 1};
    SdeConv conv = sde_conv_choose(&shape, 0, SDE_PRECISION_FLOAT);

    conv.winograd = stride == 1 && cin % 16 == 0 ? 4 : 0;
    return conv;
}

static size_t
count_conv(const SdeConv *conv)
{
    return sde_conv_count_weights(conv) + sde_conv_count_bias(conv) + conv->shape.cin;
}

/* The arena for one run of this convolution; it grows when needed. */
static void
ensure_arena(SdeTrain *train, const SdeConv *conv, const SdeTensor *x,
             const SdeTensor *y)
{
    SdeCompute dry = train->compute;
    SdeTensor in = *x, out = *y;
    const SdeConvInput input = {.x = &in};

    dry.arena = sde_arena_new_dry();
    sde_conv_run(&dry, conv, &input, &out);
    if (train->arena_size < sde_arena_get_peak(dry.arena)) {
        train->arena_size = sde_arena_get_peak(dry.arena);
        sde_arena_free(train->compute.arena);
        train->compute.arena = sde_arena_new(train->arena_size, NULL);
        g_assert(train->compute.arena != NULL);
    }
    sde_arena_free(dry.arena);
}

/* Scratch must have been reserved for count_conv(). */
static void
run_conv(SdeTrain *train, SdeConv conv, const SdeTensor *x, const float *weights,
         const float *bias, SdeTensor *y)
{
    const SdeConvInput input = {.x = x};
    const size_t n_bias = sde_conv_count_bias(&conv);

    conv.weights = sde_train_take(train, sde_conv_count_weights(&conv));
    conv.bias = sde_train_take(train, n_bias);
    conv.zeros = sde_train_take(train, (size_t) conv.shape.cin);
    memset(conv.bias, 0, n_bias * sizeof(float));
    memset(conv.zeros, 0, (size_t) conv.shape.cin * sizeof(float));
    if (conv.winograd == 0) {
        memset(conv.weights, 0, sde_conv_count_weights(&conv) * sizeof(float));
    }
    sde_conv_prepare(&conv, weights, bias, conv.shape.cout, 0);
    ensure_arena(train, &conv, x, y);
    sde_conv_run(&train->compute, &conv, &input, y);
}

/* ---- 1 × 1 ------------------------------------------------------------------------
 */

typedef struct {
    const SdeTrainConv *shape;
    const float *x, *weights, *bias, *dy;
    float *y, *dx, *parts;
    size_t n_pixels;
} Pointwise;

static int
count_rows(const Pointwise *point, size_t block)
{
    return (int) MIN(ROW_BLOCK, point->n_pixels - block * ROW_BLOCK);
}

static void
forward_rows(size_t block, int thread, void *data)
{
    const Pointwise *point = data;
    const int cin = point->shape->cin, cout = point->shape->cout;
    const int rows = count_rows(point, block);
    float *y = point->y + block * ROW_BLOCK * cout;

    for (int i = 0; i < rows; i++) {
        memcpy(y + (size_t) i * cout, point->bias, (size_t) cout * sizeof(float));
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, cout, cin, 1.0f,
                point->x + block * ROW_BLOCK * cin, cin, point->weights, cin, 1.0f, y,
                cout);
}

static void
backward_rows(size_t block, int thread, void *data)
{
    const Pointwise *point = data;
    const int cin = point->shape->cin, cout = point->shape->cout;

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count_rows(point, block),
                cin, cout, 1.0f, point->dy + block * ROW_BLOCK * cout, cout,
                point->weights, cin, 0.0f, point->dx + block * ROW_BLOCK * cin, cin);
}

static void
weights_share(size_t i, int thread, void *data)
{
    const Pointwise *point = data;
    const int cin = point->shape->cin, cout = point->shape->cout;
    const size_t first = point->n_pixels * i / N_SHARES;
    const size_t end = point->n_pixels * (i + 1) / N_SHARES;

    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, cout, cin, (int) (end - first),
                1.0f, point->dy + first * cout, cout, point->x + first * cin, cin, 0.0f,
                point->parts + i * (size_t) cin * cout, cin);
}

static void
add_parts(const float *parts, size_t n, float *sum)
{
    memcpy(sum, parts, n * sizeof(float));
    for (size_t i = 1; i < N_SHARES; i++) {
        for (size_t j = 0; j < n; j++) {
            sum[j] += parts[i * n + j];
        }
    }
}

static void
pointwise_backward(SdeTrain *train, Pointwise *point, float *dweights)
{
    const size_t n = (size_t) point->shape->cin * point->shape->cout;
    const size_t n_blocks = (point->n_pixels + ROW_BLOCK - 1) / ROW_BLOCK;

    point->parts = sde_train_take(train, N_SHARES * n);
    if (point->dx != NULL) {
        sde_compute_for(&train->compute, n_blocks, backward_rows, point);
    }
    sde_compute_for(&train->compute, N_SHARES, weights_share, point);
    add_parts(point->parts, n, dweights);
}

/* ---- the gradient of 3 × 3 weights ------------------------------------------------
 */

/* As in engine/kernels/winograd.c and variants/transform.c: points 0, ±1/sqrt(2),
 * ±sqrt(2). */
#define S 0.70710678118654752f
static const float G[6][3] = {
    {1, 0, 0},
    {-2.0f / 3, -2.0f / 3 * S, -1.0f / 3},
    {-2.0f / 3, 2.0f / 3 * S, -1.0f / 3},
    {1.0f / 6, S / 3, 1.0f / 3},
    {1.0f / 6, -S / 3, 1.0f / 3},
    {0, 0, 1},
};

typedef struct {
    const SdeTrainConv *shape;
    const float *x, *dy; /* both n × h × w */
    const float *zeros;
    int tiles_x, sample_tiles;
    int first, count; /* tiles of this chunk */
    int cout;         /* in whole vectors */
    float *v, *m;     /* [36][CHUNK_TILES][channels], steps apart */
    float *du;        /* [36][cin][cout], steps apart */
    size_t v_step, m_step, du_step;
    float *dweights;
} Gradient;

/* The n_side² pixels from (y, x) of a sample on; zeros outside. */
static void
list_pixels(const Gradient *gradient, const float *map, int channels, int n, int y,
            int x, int n_side, const float **pixels)
{
    const int h = gradient->shape->h, w = gradient->shape->w;

    for (int i = 0; i < n_side * n_side; i++) {
        const int py = y + i / n_side, px = x + i % n_side;
        const bool inside = py >= 0 && px >= 0 && py < h && px < w;

        pixels[i] = inside ? map + (((size_t) n * h + py) * w + px) * (size_t) channels
                           : gradient->zeros;
    }
}

/* The rows of A: what transform_output() in variants/transform.c has the columns of. */
static inline void
transform_line(const Vec y[4], Vec out[6])
{
    const Vec even = y[0] + y[2] * 0.5f, odd = (y[1] + y[3] * 0.5f) * S;
    const Vec far_even = y[0] + y[2] * 2.0f, far_odd = (y[1] + y[3] * 2.0f) * (2 * S);

    out[0] = y[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = far_even + far_odd;
    out[4] = far_even - far_odd;
    out[5] = y[3];
}

/* 16 pixels to A dY A' in m[0], m[step], ...; whole vectors of channels. */
static void
transform_output_gradient(const float *const pixels[16], int channels, float *m,
                          size_t step)
{
    for (int c = 0; c < channels; c += WIDTH) {
        Vec columns[4][6]; /* [x][row of A] */

        for (int x = 0; x < 4; x++) {
            Vec y[4];

            for (int i = 0; i < 4; i++) {
                y[i] = vec_load(pixels[4 * i + x] + c);
            }
            transform_line(y, columns[x]);
        }
        for (int i = 0; i < 6; i++) {
            Vec y[4], out[6];

            for (int x = 0; x < 4; x++) {
                y[x] = columns[x][i];
            }
            transform_line(y, out);
            for (int j = 0; j < 6; j++) {
                vec_store(m + (size_t) (i * 6 + j) * step + c, out[j]);
            }
        }
    }
}

static void
transform_tile(size_t i, int thread, void *data)
{
    const Gradient *gradient = data;
    const int cin = gradient->shape->cin, cout = gradient->cout;
    const int tile = gradient->first + (int) i;
    const int n = tile / gradient->sample_tiles, at = tile % gradient->sample_tiles;
    const int y = at / gradient->tiles_x * 4, x = at % gradient->tiles_x * 4;
    const float *pixels[MATRICES];

    list_pixels(gradient, gradient->x, cin, n, y - 1, x - 1, 6, pixels);
    sde_kernels_get()->winograd4.input(pixels, cin, gradient->v + i * cin,
                                       gradient->v_step);
    list_pixels(gradient, gradient->dy, cout, n, y, x, 4, pixels);
    transform_output_gradient(pixels, cout, gradient->m + i * cout, gradient->m_step);
}

static void
multiply_matrix(size_t i, int thread, void *data)
{
    const Gradient *gradient = data;
    const int cin = gradient->shape->cin, cout = gradient->cout;

    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, cin, cout, gradient->count,
                1.0f, gradient->v + i * gradient->v_step, cin,
                gradient->m + i * gradient->m_step, cout,
                gradient->first == 0 ? 0.0f : 1.0f,
                gradient->du + i * gradient->du_step, cout);
}

/* G' dU G of one input channel, PANEL outputs at a time. */
static void
transform_weights(size_t i, int thread, void *data)
{
    const Gradient *gradient = data;
    const int cin = gradient->shape->cin, cout = gradient->shape->cout;

    for (int first = 0; first < cout; first += WIDTH) {
        const float *du = gradient->du + i * gradient->cout + first;
        Vec rows[3][6];

        for (int y = 0; y < 3; y++) {
            for (int x = 0; x < 6; x++) {
                rows[y][x] = (Vec) {0};
                for (int k = 0; k < 6; k++) {
                    rows[y][x] +=
                        vec_load(du + (size_t) (k * 6 + x) * gradient->du_step) *
                        G[k][y];
                }
            }
        }
        for (int tap = 0; tap < 9; tap++) {
            Vec sum = {0};

            for (int k = 0; k < 6; k++) {
                sum += rows[tap / 3][k] * G[k][tap % 3];
            }
            for (int o = first; o < MIN(first + WIDTH, cout); o++) {
                gradient->dweights[((size_t) o * cin + i) * 9 + tap] = sum[o - first];
            }
        }
    }
}

static size_t
whole_vectors(int channels)
{
    return (size_t) (channels + WIDTH - 1) / WIDTH * WIDTH;
}

static size_t
count_gradient(const SdeTrainConv *shape)
{
    const size_t cin = shape->cin, cout = whole_vectors(shape->cout);

    return MATRICES * (CHUNK_TILES * (cin + cout) + cin * cout + 3 * STEP_PADDING) +
           MAX(cin, cout);
}

/* Vectors are read whole: a map with so many channels more, zeros. */
static const float *
pad_channels(SdeTrain *train, const float *map, size_t n_pixels, int channels,
             int whole)
{
    float *padded = sde_train_take(train, n_pixels * whole);

    for (size_t i = 0; i < n_pixels; i++) {
        float *to = padded + i * whole;

        memcpy(to, map + i * channels, (size_t) channels * sizeof(float));
        memset(to + channels, 0, (size_t) (whole - channels) * sizeof(float));
    }
    return padded;
}

static void
weights_backward(SdeTrain *train, const SdeTrainConv *shape, const float *x,
                 const float *dy, float *dweights)
{
    const size_t cin = shape->cin, cout = whole_vectors(shape->cout);
    Gradient gradient = {
        .shape = shape, .x = x, .dy = dy, .dweights = dweights, .cout = (int) cout};
    float *zeros = sde_train_take(train, MAX(cin, cout));
    int n_tiles;

    if ((int) cout != shape->cout) {
        gradient.dy = pad_channels(train, dy, (size_t) shape->n * shape->h * shape->w,
                                   shape->cout, (int) cout);
    }
    memset(zeros, 0, MAX(cin, cout) * sizeof(float));
    gradient.zeros = zeros;
    gradient.v_step = CHUNK_TILES * cin + STEP_PADDING;
    gradient.m_step = CHUNK_TILES * cout + STEP_PADDING;
    gradient.du_step = cin * cout + STEP_PADDING;
    gradient.v = sde_train_take(train, MATRICES * gradient.v_step);
    gradient.m = sde_train_take(train, MATRICES * gradient.m_step);
    gradient.du = sde_train_take(train, MATRICES * gradient.du_step);
    gradient.tiles_x = (shape->w + 3) / 4;
    gradient.sample_tiles = gradient.tiles_x * ((shape->h + 3) / 4);
    n_tiles = gradient.sample_tiles * shape->n;
    for (; gradient.first < n_tiles; gradient.first += CHUNK_TILES) {
        gradient.count = MIN(CHUNK_TILES, n_tiles - gradient.first);
        sde_compute_for(&train->compute, (size_t) gradient.count, transform_tile,
                        &gradient);
        sde_compute_for(&train->compute, MATRICES, multiply_matrix, &gradient);
    }
    sde_compute_for(&train->compute, cin, transform_weights, &gradient);
}

/* ---- all of it --------------------------------------------------------------------
 */

static void
sum_pixels(const float *dy, size_t n_pixels, int channels, float *sums)
{
    memset(sums, 0, (size_t) channels * sizeof(float));
    for (size_t i = 0; i < n_pixels; i++) {
        for (int c = 0; c < channels; c++) {
            sums[c] += dy[i * channels + c];
        }
    }
}

/* weights[cout][cin][9] to [cin][cout][9], each window turned by half. */
static void
turn_weights(const float *weights, int cin, int cout, float *turned)
{
    for (int o = 0; o < cout; o++) {
        for (int i = 0; i < cin; i++) {
            const float *from = weights + ((size_t) o * cin + i) * 9;
            float *to = turned + ((size_t) i * cout + o) * 9;

            for (int tap = 0; tap < 9; tap++) {
                to[tap] = from[8 - tap];
            }
        }
    }
}

/* dy of stride 2 with zeros where stride 1 would have had more pixels. */
static void
dilate(const SdeTrainConv *shape, const float *dy, float *to)
{
    const size_t row = (size_t) shape->w * shape->cout;
    const size_t pixel = (size_t) shape->cout;

    memset(to, 0, (size_t) shape->n * shape->h * row * sizeof(float));
    for (int y = 0; y < shape->n * shape->h; y += 2) {
        for (int x = 0; x < shape->w; x += 2) {
            memcpy(to + (size_t) y * row + (size_t) x * pixel, dy,
                   pixel * sizeof(float));
            dy += pixel;
        }
    }
}

void
sde_train_conv(SdeTrain *train, const SdeTrainConv *shape, const float *x,
               const float *weights, const float *bias, float *y)
{
    if (shape->side == 1) {
        Pointwise point = {.shape = shape,
                           .x = x,
                           .weights = weights,
                           .bias = bias,
                           .y = y,
                           .n_pixels = count_out(shape)};

        sde_compute_for(&train->compute, (point.n_pixels + ROW_BLOCK - 1) / ROW_BLOCK,
                        forward_rows, &point);
        return;
    }

    const SdeConv conv = choose(shape->cin, shape->cout, shape->stride);
    const SdeTensor in = {.data = (float *) x,
                          .n = shape->n,
                          .h = shape->h,
                          .w = shape->w,
                          .c = shape->cin};
    SdeTensor out = {.data = y,
                     .n = shape->n,
                     .h = out_side(shape, shape->h),
                     .w = out_side(shape, shape->w),
                     .c = shape->cout};

    sde_train_reserve(train, count_conv(&conv));
    run_conv(train, conv, &in, weights, bias, &out);
}

static void
input_backward(SdeTrain *train, const SdeTrainConv *shape, const float *weights,
               const float *dy, float *dx)
{
    const SdeConv conv = choose(shape->cout, shape->cin, 1);
    const SdeTensor in = {.data = (float *) dy,
                          .n = shape->n,
                          .h = shape->h,
                          .w = shape->w,
                          .c = shape->cout};
    SdeTensor out = {
        .data = dx, .n = shape->n, .h = shape->h, .w = shape->w, .c = shape->cin};
    float *turned = sde_train_take(train, (size_t) shape->cin * shape->cout * 9);
    float *bias = sde_train_take(train, (size_t) shape->cin);

    turn_weights(weights, shape->cin, shape->cout, turned);
    memset(bias, 0, (size_t) shape->cin * sizeof(float));
    run_conv(train, conv, &in, turned, bias, &out);
}

static size_t
count_backward(const SdeTrainConv *shape)
{
    const size_t cin = shape->cin, cout = shape->cout;
    const SdeConv turned = choose(shape->cout, shape->cin, 1);
    const size_t dilated = (size_t) shape->n * shape->h * shape->w * cout;

    if (shape->side == 1) {
        return N_SHARES * cin * cout;
    }
    return count_conv(&turned) + cin * cout * 9 + cin + count_gradient(shape) +
           (shape->stride == 2 ? dilated : 0) +
           (size_t) shape->n * shape->h * shape->w * whole_vectors(shape->cout);
}

void
sde_train_conv_backward(SdeTrain *train, const SdeTrainConv *shape, const float *x,
                        const float *weights, const float *dy, float *dx,
                        float *dweights, float *dbias)
{
    sde_train_reserve(train, count_backward(shape));
    sum_pixels(dy, count_out(shape), shape->cout, dbias);
    if (shape->side == 1) {
        Pointwise point = {.shape = shape,
                           .x = x,
                           .weights = weights,
                           .dy = dy,
                           .dx = dx,
                           .n_pixels = count_out(shape)};

        pointwise_backward(train, &point, dweights);
        return;
    }
    if (shape->stride == 2) {
        float *dilated = sde_train_take(train, (size_t) shape->n * shape->h * shape->w *
                                                   shape->cout);

        dilate(shape, dy, dilated);
        dy = dilated;
    }
    if (dx != NULL) {
        input_backward(train, shape, weights, dy, dx);
    }
    weights_backward(train, shape, x, dy, dweights);
}
