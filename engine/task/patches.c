/* Structure from the network, texture from the picture: every patch that touches a hole
 * looks for the known patch most like it, by chance and by what its neighbours found
 * (PatchMatch, Barnes et al. 2009), and every pixel of the hole is then made from the
 * patches over it (Wexler et al. 2007), from a coarse level to the finest. The
 * network's fill is what the coarsest level begins with. Patches also compare how
 * strong the gradients around are, else smooth ones would win (Newson et al. 2014), and
 * pay for a source that many others have, else a few would be repeated in rows (Kaspar
 * et al. 2015). Where pieces meet their colours are made to agree (stitch.h).
 *
 * Rows are searched in stripes, and a stripe knows nothing of the others until the next
 * round: so the threads do not show in the result. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/patches.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "task/blend.h"
#include "task/mask.h"
#include "task/stitch.h"

#define N_FEATURES \
    5 /* three colours, the strength of gradients to the right and down */
#define TEXTURE_WEIGHT 8.0f
#define TEXTURE_RADIUS 2 /* pixels, of three box blurs of the gradients */
#define REACH          2 /* patches have 2 REACH + 1 pixels a side */
#define N_PATCH        ((2 * REACH + 1) * (2 * REACH + 1))
#define MAX_LEVELS     8
#define COARSEST_DEPTH 10.0f /* pixels: a hole deeper than this has a coarser level */
/* Sources for each target that a level must have, else the few repeat all over it.
 */
#define LEAST_SOURCES 0.5
#define N_ROUNDS      2  /* of searching and making anew, at the two finest levels */
#define MORE_ROUNDS   8  /* than at the next finer level: there structure is decided */
#define N_SEARCHES    4  /* sweeps of a round; three times as many to begin with */
#define STRIPE        32 /* rows */
#define N_TRIES       16 /* for a source by chance */
#define CROWD_RADIUS  1  /* pixels, of three box blurs: about a patch */
#define CROWD_WEIGHT  0.5f
/* Pixels: nearer to the rim the network is right; deeper than this it is all texture.
 */
#define FROM_DEPTH   2
#define FULL_DEPTH   6
#define COLOR_RADIUS 5 /* pixels, of three box blurs: coarser is the network's */
/* Pixels: from the first to the second the network's colours, which run into each other
 * and fade to an average, lose their say. */
#define HELD_DEPTH 16
#define FREE_DEPTH 32
/* Of -1..1: so far off, a coarse colour is the same thing in another light. */
#define SMALL_CHANGE 0.2f
#define FAR          1e30f

enum { HOLE = 1, TARGET = 2, SOURCE = 4 };

typedef struct {
    int width, height;
    float *features;      /* N_FEATURES a pixel */
    float *costs;         /* of the match, its crowd included */
    float *crowds;        /* what a source costs more, as it has been copied often */
    int *matches;         /* middle of the best source, as an index of pixels */
    unsigned char *flags; /* TARGET: a hole is in the patch; SOURCE: none, and all of
                           * the patch lies in the picture */
    int n_sources, n_targets;
    int a_source; /* any; -1: none */
} Level;

typedef struct {
    const SdeArea *area;
    SdeTask *task;
    int n_levels;
    Level levels[MAX_LEVELS];
    /* N_FEATURES a pixel of the finest level; in the end what is coarse of the changes
     */
    float *votes;
    float *depth, *padded, *plane, *scratch;
    int *sources; /* of a level's pixels, as indices, when it is done */
    Level *level; /* at hand */
    uint32_t sweep;
    float usual_cost;
    bool is_exact; /* votes choose a source, and take no mean */
} Patches;

static size_t
count(const Level *level)
{
    return (size_t) level->width * (size_t) level->height;
}

static size_t
index_of(const Level *level, int x, int y)
{
    return (size_t) y * (size_t) level->width + (size_t) x;
}

/* ---- memory -----------------------------------------------------------------------
 */

static void
patches_alloc(Patches *patches, SdeArena *arena)
{
    size_t n = sde_area_count_pixels(patches->area);
    int width = patches->area->width, height = patches->area->height;

    patches->depth = sde_arena_alloc(arena, n);
    patches->padded = sde_arena_alloc(arena, 3 * n);
    patches->plane = sde_arena_alloc(arena, n);
    patches->scratch = sde_arena_alloc(arena, n);
    patches->votes = sde_arena_alloc(arena, N_FEATURES * n);
    patches->sources = (int *) sde_arena_alloc(arena, n);
    for (int i = 0; i < MAX_LEVELS; i++) {
        Level *level = &patches->levels[i];
        size_t pixels = (size_t) width * (size_t) height;

        level->width = width;
        level->height = height;
        level->features = sde_arena_alloc(arena, N_FEATURES * pixels);
        level->costs = sde_arena_alloc(arena, pixels);
        level->crowds = sde_arena_alloc(arena, pixels);
        level->matches = (int *) sde_arena_alloc(arena, pixels);
        level->flags = (unsigned char *) sde_arena_alloc(arena, (pixels + 3) / 4);
        width = sde_divide_up(width, 2);
        height = sde_divide_up(height, 2);
    }
}

static size_t
own_plan(const SdeArea *area)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    Patches patches = {.area = area};

    patches_alloc(&patches, dry);
    return sde_arena_get_peak(dry);
}

size_t
sde_patches_plan(const SdeArea *area)
{
    return own_plan(area) +
           MAX(sde_blend_plan_fill_smooth(area->padded_width, area->padded_height),
               sde_stitch_plan(area->width, area->height));
}

/* ---- levels -----------------------------------------------------------------------
 */

/* How strong the gradients are around every pixel, continued over the holes: red is to
 * the right, green is down. */
static bool
measure_texture(Patches *patches, GError **error)
{
    const SdeArea *area = patches->area;
    int width = area->padded_width, height = area->padded_height;
    size_t pitch = (size_t) width, n = sde_area_count_pixels(area);
    float *holes = patches->scratch;

    for (size_t i = 0; i < n; i++) {
        size_t x = i % pitch, y = i / pitch;
        size_t right = x + 1 < pitch ? i + 1 : i;
        size_t down = y + 1 < (size_t) height ? i + pitch : i;
        float here = sde_luma(area->out + 3 * i);
        bool known = area->levels[i] <= 0.0f && area->levels[right] <= 0.0f &&
                     area->levels[down] <= 0.0f;

        patches->padded[3 * i] = fabsf(sde_luma(area->out + 3 * right) - here);
        patches->padded[3 * i + 1] = fabsf(sde_luma(area->out + 3 * down) - here);
        patches->padded[3 * i + 2] = 0.0f;
        holes[i] = known ? 0.0f : 1.0f;
    }
    if (!sde_blend_fill_smooth(patches->padded, holes, width, height, error)) {
        return false;
    }
    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < n; i++) {
            patches->plane[i] = patches->padded[3 * i + c];
        }
        sde_blend_blur(patches->plane, width, height, TEXTURE_RADIUS, patches->scratch);
        for (size_t i = 0; i < n; i++) {
            patches->padded[3 * i + c] = patches->plane[i];
        }
    }
    return true;
}

static void
load_finest(Patches *patches)
{
    const SdeArea *area = patches->area;
    Level *level = &patches->levels[0];

    for (int y = 0; y < level->height; y++) {
        for (int x = 0; x < level->width; x++) {
            size_t from = (size_t) y * (size_t) area->padded_width + (size_t) x;
            size_t to = index_of(level, x, y);
            float *features = level->features + N_FEATURES * to;

            memcpy(features, area->out + 3 * from, 3 * sizeof(float));
            features[3] = TEXTURE_WEIGHT * patches->padded[3 * from];
            features[4] = TEXTURE_WEIGHT * patches->padded[3 * from + 1];
            level->flags[to] = area->levels[from] > 0.0f ? HOLE : 0;
        }
    }
}

/* Means of 2 × 2; a hole in one of them is a hole. */
static void
load_coarser(const Level *fine, Level *level)
{
    for (int y = 0; y < level->height; y++) {
        for (int x = 0; x < level->width; x++) {
            size_t to = index_of(level, x, y);
            float *sum = level->features + N_FEATURES * to;

            memset(sum, 0, N_FEATURES * sizeof(float));
            level->flags[to] = 0;
            for (int k = 0; k < 4; k++) {
                size_t from = index_of(fine, MIN(2 * x + k % 2, fine->width - 1),
                                       MIN(2 * y + k / 2, fine->height - 1));

                for (size_t c = 0; c < N_FEATURES; c++) {
                    sum[c] += 0.25f * fine->features[N_FEATURES * from + c];
                }
                level->flags[to] |= fine->flags[from] & HOLE;
            }
        }
    }
}

static bool
has_hole(const Level *level, int x, int y)
{
    for (int i = MAX(y - REACH, 0); i <= MIN(y + REACH, level->height - 1); i++) {
        for (int j = MAX(x - REACH, 0); j <= MIN(x + REACH, level->width - 1); j++) {
            if (level->flags[index_of(level, j, i)] & HOLE) {
                return true;
            }
        }
    }
    return false;
}

static void
find_sources(Level *level)
{
    level->a_source = -1;
    level->n_sources = level->n_targets = 0;
    for (int y = 0; y < level->height; y++) {
        for (int x = 0; x < level->width; x++) {
            size_t at = index_of(level, x, y);

            if (has_hole(level, x, y)) {
                level->flags[at] |= TARGET;
                level->n_targets++;
            } else if (MIN(x, level->width - 1 - x) >= REACH &&
                       MIN(y, level->height - 1 - y) >= REACH) {
                level->flags[at] |= SOURCE;
                level->a_source = (int) at;
                level->n_sources++;
            }
        }
    }
}

static bool
has_enough_sources(const Level *level)
{
    return level->a_source >= 0 && level->n_sources >= LEAST_SOURCES * level->n_targets;
}

/* The levels that this depth needs and that have something to copy. */
static bool
load_levels(Patches *patches, float deepest, GError **error)
{
    if (!measure_texture(patches, error)) {
        return false;
    }
    load_finest(patches);
    find_sources(&patches->levels[0]);
    patches->n_levels = patches->levels[0].a_source >= 0 ? 1 : 0;
    for (int i = 1; i < MAX_LEVELS && patches->n_levels == i; i++) {
        load_coarser(&patches->levels[i - 1], &patches->levels[i]);
        find_sources(&patches->levels[i]);
        if (deepest >= ldexpf(COARSEST_DEPTH, i - 1) &&
            has_enough_sources(&patches->levels[i])) {
            patches->n_levels++;
        }
    }
    return true;
}

/* ---- matches ----------------------------------------------------------------------
 */

/* Sum of squared differences, of what of the target lies in the picture; anything from
 * `bound` on when it is not below that. */
static float
measure_cost(const Level *level, int x, int y, int source, float bound)
{
    int left = MAX(-REACH, -x), right = MIN(REACH, level->width - 1 - x);
    int up = MAX(-REACH, -y), down = MIN(REACH, level->height - 1 - y);
    int n = (right - left + 1) * N_FEATURES,
        n_pixels = (right - left + 1) * (down - up + 1);
    float scale = (float) N_PATCH / (float) n_pixels, sum = 0.0f;
    const float *features = level->features;

    for (int i = up; i <= down; i++) {
        const float *a = features + N_FEATURES * index_of(level, x + left, y + i);
        const float *b =
            features + N_FEATURES * (size_t) (source + i * level->width + left);

        for (int k = 0; k < n; k++) {
            sum += (a[k] - b[k]) * (a[k] - b[k]);
        }
        if (sum * scale >= bound) {
            break;
        }
    }
    return sum * scale;
}

static void
try_source(Level *level, int x, int y, int source_x, int source_y)
{
    size_t at = index_of(level, x, y);
    float cost;

    if (source_x < 0 || source_x >= level->width || source_y < 0 ||
        source_y >= level->height) {
        return;
    }
    int source = (int) index_of(level, source_x, source_y);
    float left = level->costs[at] - level->crowds[source];

    if (!(level->flags[source] & SOURCE) || source == level->matches[at] ||
        left <= 0.0f) {
        return;
    }
    cost = level->crowds[source] + measure_cost(level, x, y, source, left);
    if (cost < level->costs[at]) {
        level->costs[at] = cost;
        level->matches[at] = source;
    }
}

/* Sixteen bits as a number of -radius..radius. */
static int
spread_bits(uint32_t bits, int radius)
{
    return (int) (((uint64_t) (bits & 0xffff) * (uint64_t) (2 * radius + 1)) >> 16) -
           radius;
}

static void
search_around(Patches *patches, int x, int y)
{
    Level *level = patches->level;
    int match = level->matches[index_of(level, x, y)];
    int middle_x = match % level->width, middle_y = match / level->width;
    uint32_t counter[4] = {(uint32_t) x, (uint32_t) y, SDE_STREAM_PATCHES,
                           patches->sweep << 8};
    uint32_t bits[4];
    int i = 0;

    for (int radius = MAX(level->width, level->height); radius >= 1; radius /= 2, i++) {
        if (i % 4 == 0) {
            sde_rng_philox(counter, patches->task->seed, bits);
            counter[3]++;
        }
        try_source(level, x, y, middle_x + spread_bits(bits[i % 4], radius),
                   middle_y + spread_bits(bits[i % 4] >> 16, radius));
    }
}

/* What a neighbour found, moved by as much as the neighbour is away. */
static void
follow(Level *level, int x, int y, int step_x, int step_y)
{
    int match = level->matches[index_of(level, x + step_x, y + step_y)];

    try_source(level, x, y, match % level->width - step_x,
               match / level->width - step_y);
}

/* Every other sweep goes backwards, over stripes that lie between the others. */
static void
search_stripe(size_t stripe, int thread, void *data)
{
    Patches *patches = data;
    Level *level = patches->level;
    bool backwards = patches->sweep % 2 == 1;
    int first = (int) stripe * STRIPE - (backwards ? STRIPE / 2 : 0);
    int begin = MAX(first, 0), end = MIN(first + STRIPE, level->height);
    int step = backwards ? 1 : -1;

    for (int i = 0; i < (end - begin) * level->width; i++) {
        int at = backwards ? end * level->width - 1 - i : begin * level->width + i;
        int x = at % level->width, y = at / level->width;

        if (!(level->flags[at] & TARGET)) {
            continue;
        }
        if (x + step >= 0 && x + step < level->width) {
            follow(level, x, y, step, 0);
        }
        if (y + step >= begin && y + step < end) {
            follow(level, x, y, 0, step);
        }
        search_around(patches, x, y);
    }
}

static void
measure_row(size_t row, int thread, void *data)
{
    Patches *patches = data;
    Level *level = patches->level;

    for (int x = 0; x < level->width; x++) {
        size_t at = index_of(level, x, (int) row);

        if (level->flags[at] & TARGET) {
            level->costs[at] =
                measure_cost(level, x, (int) row, level->matches[at], FAR);
        }
    }
}

static void
find_usual_cost(Patches *patches)
{
    const Level *level = patches->level;
    double sum = 0.0;
    size_t n = 0;

    for (size_t i = 0; i < count(level); i++) {
        if (level->flags[i] & TARGET) {
            sum += (double) level->costs[i];
            n++;
        }
    }
    patches->usual_cost = (float) MAX(sum / (double) n, 1e-6);
}

/* What a source costs more where patches are copied more often than all could share.
 * Half of it is that of the round before: all that leave a crowd at once would meet
 * again elsewhere. */
static void
measure_crowds(Patches *patches, bool is_new)
{
    Level *level = patches->level;
    float *copies = patches->plane;
    float fair = MAX((float) level->n_targets / (float) level->n_sources, 1.0f);

    memset(copies, 0, count(level) * sizeof(float));
    for (size_t i = 0; i < count(level); i++) {
        if (level->flags[i] & TARGET) {
            copies[level->matches[i]] += 1.0f;
        }
    }
    sde_blend_blur(copies, level->width, level->height, CROWD_RADIUS, patches->scratch);
    for (size_t i = 0; i < count(level); i++) {
        float excess = MAX(copies[i] / fair - 1.0f, 0.0f);
        float crowd = CROWD_WEIGHT * patches->usual_cost * excess;

        level->crowds[i] = is_new ? crowd : 0.5f * (level->crowds[i] + crowd);
    }
}

/* What the matches cost, after the pixels have been made anew. */
static void
measure_matches(Patches *patches, bool is_new, GCancellable *cancellable)
{
    Level *level = patches->level;

    sde_parallel_for(patches->task->pool, (size_t) level->height, cancellable,
                     measure_row, patches);
    find_usual_cost(patches);
    measure_crowds(patches, is_new);
    for (size_t i = 0; i < count(level); i++) {
        if (level->flags[i] & TARGET) {
            level->costs[i] += level->crowds[level->matches[i]];
        }
    }
}

/* ---- from matches to pixels -------------------------------------------------------
 */

/* What the patch around (px, py) copies to pixel (x, y), and how much that counts: near
 * patches more. */
static float
read_vote(const Patches *patches, int px, int py, int x, int y, int *source)
{
    const Level *level = patches->level;
    size_t at = index_of(level, px, py);

    *source = level->matches[at] + (y - py) * level->width + (x - px);
    return expf(-0.5f * level->costs[at] / patches->usual_cost);
}

/* The mean of what the patches over a pixel copy there. */
static void
find_mean(const Patches *patches, int x, int y, float *out)
{
    const Level *level = patches->level;
    float sum[N_FEATURES] = {0}, weights = 0.0f;

    for (int i = MAX(y - REACH, 0); i <= MIN(y + REACH, level->height - 1); i++) {
        for (int j = MAX(x - REACH, 0); j <= MIN(x + REACH, level->width - 1); j++) {
            int source;
            float weight = read_vote(patches, j, i, x, y, &source);

            for (size_t c = 0; c < N_FEATURES; c++) {
                sum[c] += weight * level->features[N_FEATURES * (size_t) source + c];
            }
            weights += weight;
        }
    }
    for (size_t c = 0; weights > 0.0f && c < N_FEATURES; c++) {
        out[c] = sum[c] / weights;
    }
}

/* What most of the patches over a pixel copy there: means are soft, and what the
 * nearest of them alone copies is cut from pixel to pixel. */
static int
choose_source(const Patches *patches, int x, int y)
{
    const Level *level = patches->level;
    int sources[N_PATCH] = {level->matches[index_of(level, x, y)]}, n = 0, best = 0;
    float weights[N_PATCH] = {0};

    for (int i = MAX(y - REACH, 0); i <= MIN(y + REACH, level->height - 1); i++) {
        for (int j = MAX(x - REACH, 0); j <= MIN(x + REACH, level->width - 1); j++) {
            int k = 0;
            float weight = read_vote(patches, j, i, x, y, &sources[n]);

            while (sources[k] != sources[n]) { /* a new one is found at n */
                k++;
            }
            weights[k] += weight;
            n += k == n;
        }
    }
    for (int k = 1; k < n; k++) {
        best = weights[k] > weights[best] ? k : best;
    }
    return sources[best];
}

static void
vote_row(size_t row, int thread, void *data)
{
    Patches *patches = data;
    Level *level = patches->level;

    for (int x = 0; x < level->width; x++) {
        size_t at = index_of(level, x, (int) row);
        float *out = patches->votes + N_FEATURES * at;

        patches->sources[at] = (int) at;
        if (!(level->flags[at] & HOLE)) {
            continue;
        }
        if (patches->is_exact) {
            int source = choose_source(patches, x, (int) row);

            patches->sources[at] = source;
            memcpy(out, level->features + N_FEATURES * (size_t) source,
                   N_FEATURES * sizeof(float));
        } else {
            find_mean(patches, x, (int) row, out);
        }
    }
}

/* Sources are known, so no pixel that is made is read by another one. */
static void
vote(Patches *patches, bool is_exact)
{
    Level *level = patches->level;
    SdePool *pool = patches->task->pool;

    find_usual_cost(patches);
    patches->is_exact = is_exact;
    memcpy(patches->votes, level->features, N_FEATURES * count(level) * sizeof(float));
    sde_parallel_for(pool, (size_t) level->height, NULL, vote_row, patches);
    memcpy(level->features, patches->votes, N_FEATURES * count(level) * sizeof(float));
}

/* ---- from level to level ----------------------------------------------------------
 */

static int
source_by_chance(const Patches *patches, int x, int y)
{
    const Level *level = patches->level;

    for (uint32_t i = 0; i < N_TRIES; i++) {
        const uint32_t counter[4] = {(uint32_t) x, (uint32_t) y, SDE_STREAM_PATCHES,
                                     UINT32_MAX - i};
        uint32_t bits[4];
        size_t source;

        sde_rng_philox(counter, patches->task->seed, bits);
        source = index_of(level, (int) (bits[0] % (uint32_t) level->width),
                          (int) (bits[1] % (uint32_t) level->height));
        if (level->flags[source] & SOURCE) {
            return (int) source;
        }
    }
    return level->a_source;
}

/* A known patch is its own source. `coarse` NULL: all others by chance. */
static void
begin_matches(Patches *patches, const Level *coarse)
{
    Level *level = patches->level;

    for (int y = 0; y < level->height; y++) {
        for (int x = 0; x < level->width; x++) {
            size_t at = index_of(level, x, y);
            int match = -1;

            level->costs[at] = 0.0f;
            level->matches[at] = (int) at;
            if (!(level->flags[at] & TARGET)) {
                continue;
            }
            if (coarse != NULL) {
                size_t above = index_of(coarse, x / 2, y / 2);
                int from = coarse->matches[above];
                int source_x = 2 * (from % coarse->width) + x % 2;
                int source_y = 2 * (from / coarse->width) + y % 2;

                level->costs[at] = coarse->costs[above];
                if (source_x < level->width && source_y < level->height) {
                    match = (int) index_of(level, source_x, source_y);
                }
            }
            if (match < 0 || !(level->flags[match] & SOURCE)) {
                match = source_by_chance(patches, x, y);
            }
            level->matches[at] = match;
        }
    }
}

static bool
search(Patches *patches, int n_sweeps, const SdeSpan *span, GError **error)
{
    const Level *level = patches->level;
    GCancellable *cancellable = span != NULL ? span->cancellable : NULL;
    size_t n_stripes = (size_t) sde_divide_up(level->height, STRIPE) + 1;

    for (int i = 0; i < n_sweeps; i++) {
        if (!sde_span_step(span, i, n_sweeps, error)) {
            return false;
        }
        sde_parallel_for(patches->task->pool, n_stripes, cancellable, search_stripe,
                         patches);
        patches->sweep++;
    }
    return sde_span_step(span, n_sweeps, n_sweeps, error);
}

static bool
fill_level(Patches *patches, int i, const SdeSpan *span, GError **error)
{
    bool is_coarsest = i == patches->n_levels - 1;
    int n_rounds = N_ROUNDS + MORE_ROUNDS * MAX(i - 1, 0);

    patches->level = &patches->levels[i];
    begin_matches(patches, is_coarsest ? NULL : &patches->levels[i + 1]);
    if (!is_coarsest) { /* what the coarser level found, in this level's pixels */
        vote(patches, true);
    }
    for (int round = 0; round < n_rounds; round++) {
        SdeSpan part = sde_span_part(span, round, n_rounds);
        bool is_first = is_coarsest && round == 0;

        measure_matches(patches, round == 0, span != NULL ? span->cancellable : NULL);
        if (!search(patches, is_first ? 3 * N_SEARCHES : N_SEARCHES, &part, error)) {
            return false;
        }
        vote(patches, round == n_rounds - 1);
    }
    return true;
}

static bool
stitch_finest(const Patches *patches, GError **error)
{
    const Level *level = &patches->levels[0];
    const SdeStitch stitch = {.width = level->width,
                              .height = level->height,
                              .n_values = N_FEATURES,
                              .values = level->features,
                              .sources = patches->sources};

    return sde_stitch_run(&stitch, patches->task->pool, error);
}

/* ---- the result -------------------------------------------------------------------
 */

static float
share_at(float depth)
{
    return CLAMP((depth - FROM_DEPTH) / (FULL_DEPTH - FROM_DEPTH), 0.0f, 1.0f);
}

/* How much the coarse colours so deep in the hole are the network's. */
static float
held_at(float depth)
{
    return CLAMP((FREE_DEPTH - depth) / (FREE_DEPTH - HELD_DEPTH), 0.0f, 1.0f);
}

/* What the patches change in a channel. */
static void
find_change(const Patches *patches, size_t c, float *change)
{
    const SdeArea *area = patches->area;
    const Level *level = &patches->levels[0];
    size_t pitch = (size_t) area->padded_width;

    memset(change, 0, sde_area_count_pixels(area) * sizeof(float));
    for (int y = 0; y < level->height; y++) {
        for (int x = 0; x < level->width; x++) {
            size_t at = (size_t) y * pitch + (size_t) x;

            change[at] = level->features[N_FEATURES * index_of(level, x, y) + c] -
                         area->out[3 * at + c];
        }
    }
}

/* The coarse part of the changes, a plane for each channel. */
static void
find_coarse(Patches *patches, float *coarse)
{
    const SdeArea *area = patches->area;

    for (size_t c = 0; c < 3; c++, coarse += sde_area_count_pixels(area)) {
        find_change(patches, c, coarse);
        sde_blend_blur(coarse, area->padded_width, area->padded_height, COLOR_RADIUS,
                       patches->scratch);
    }
}

/* Small coarse changes near the rim, continued inwards: patches of a sky that is a
 * little darker elsewhere. Great ones are another thing, and end there. */
static bool
find_film(Patches *patches, const float *coarse, float *film, GError **error)
{
    const SdeArea *area = patches->area;
    size_t n = sde_area_count_pixels(area);
    float *inside = patches->scratch;

    for (size_t i = 0; i < n; i++) {
        inside[i] = patches->depth[i] > HELD_DEPTH ? 1.0f : 0.0f;
        for (size_t c = 0; c < 3; c++) {
            float change = coarse[c * n + i], share = change / SMALL_CHANGE;

            film[3 * i + c] = change * expf(-share * share);
        }
    }
    return sde_blend_fill_smooth(film, inside, area->padded_width, area->padded_height,
                                 error);
}

/* The change, in the measure of the depth, without what is coarse of it near the rim,
 * where the network knows better, and without the film deeper down. */
static bool
take_changes(Patches *patches, GError **error)
{
    const SdeArea *area = patches->area;
    size_t n = sde_area_count_pixels(area);
    float *coarse = patches->votes, *film = patches->padded, *change = patches->plane;

    find_coarse(patches, coarse);
    if (!find_film(patches, coarse, film, error)) {
        return false;
    }
    for (size_t c = 0; c < 3; c++) {
        find_change(patches, c, change);
        for (size_t i = 0; i < n; i++) {
            float share = share_at(patches->depth[i]);
            float held = held_at(patches->depth[i]);
            float shift = held * coarse[c * n + i] + (1.0f - held) * film[3 * i + c];

            if (share > 0.0f) {
                float value = area->out[3 * i + c] + share * (change[i] - shift);

                area->out[3 * i + c] = CLAMP(value, -1.0f, 1.0f);
            }
        }
    }
    return true;
}

static bool
patches_run(Patches *patches, const SdeSpan *span, GError **error)
{
    const SdeArea *area = patches->area;
    float deepest = 0.0f;

    sde_mask_measure_depth(area->levels, area->padded_width, area->padded_height,
                           patches->depth);
    for (int y = 0; y < area->height; y++) {
        for (int x = 0; x < area->width; x++) {
            size_t at = (size_t) y * (size_t) area->padded_width + (size_t) x;

            deepest = MAX(deepest, patches->depth[at]);
        }
    }
    if (deepest <= FROM_DEPTH) {
        return true;
    }
    if (!load_levels(patches, deepest, error)) {
        return false;
    }
    for (int i = patches->n_levels - 1; i >= 0; i--) {
        SdeSpan part =
            sde_span_part(span, patches->n_levels - 1 - i, patches->n_levels);

        if (!fill_level(patches, i, &part, error)) {
            return false;
        }
    }
    return patches->n_levels == 0 ||
           (stitch_finest(patches, error) && take_changes(patches, error));
}

bool
sde_patches_fill(const SdeArea *area, SdeTask *task, const SdeSpan *span,
                 GError **error)
{
    Patches patches = {.area = area, .task = task};
    g_autoptr(SdeArena) arena = sde_arena_new(own_plan(area), error);

    if (arena == NULL) {
        return false;
    }
    patches_alloc(&patches, arena);
    return patches_run(&patches, span, error);
}
