/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/marks/marks.h"

#include <math.h>
#include <string.h>

#include "task/blend.h"
#include "task/marks/contours.h"
#include "task/marks/dabs.h"
#include "task/marks/hatching.h"
#include "task/marks/texture.h"

#define FORM_RADIUS    5       /* pixels, of the blurs that make tones smooth */
#define GRAPHITE_ANGLE (-0.8f) /* radians, of strokes of a pencil */

/* Lines that a technique draws. On average they are as dark as what was painted. */
#define MAX_HATCHINGS 3
typedef struct {
    SdeContours contours;
    float contour;                        /* share of ink in them */
    SdeHatching hatchings[MAX_HATCHINGS]; /* each begins where the last is broadest */
    int n_hatchings;
    float turn;       /* radians by which patches of them differ in direction at most */
    float ink, paper; /* R' = G' = B' */
} Lines;

static const Lines engraving = {
    .contours = {.tone = 0.3f, .sharpness = 12.0f, .paper = 0.0f, .steepness = 5.0f},
    .contour = 1.0f,
    .hatchings = {{.angle = 0.12f,
                   .period = 4.0f,
                   .broadest = 1.0f,
                   .wobble = 0.6f,
                   .bend = 14.0f}},
    .n_hatchings = 1,
    .ink = 0.09f,
    .paper = 0.94f,
};
static const Lines etching = {
    .contours = {.tone = 0.3f, .sharpness = 10.0f, .paper = -0.08f, .steepness = 5.0f},
    .contour = 1.0f,
    .hatchings = {{.angle = 0.61f, .period = 3.7f, .broadest = 0.45f, .wobble = 1.8f},
                  {.angle = -0.7f, .period = 3.9f, .broadest = 0.45f, .wobble = 1.8f},
                  {.angle = 1.4f, .period = 3.4f, .broadest = 1.0f, .wobble = 1.8f}},
    .n_hatchings = 3,
    .turn = 0.5f,
    .ink = 0.1f,
    .paper = 0.95f,
};
static const Lines pen = {
    .contours = {.tone = 0.8f, .sharpness = 12.0f, .paper = 0.2f, .steepness = 10.0f},
    .contour = 1.0f,
    .hatchings = {{.angle = -0.87f, .period = 5.5f, .broadest = 0.7f, .wobble = 2.0f}},
    .n_hatchings = 1,
    .turn = 0.5f,
    .ink = 0.04f,
    .paper = 1.0f,
};
static const Lines pencil = {
    .contours = {.tone = 0.3f, .sharpness = 9.0f, .paper = 0.02f, .steepness = 3.0f},
    .contour = 0.65f,
    .turn = 0.7f,
    .ink = 0.13f,
    .paper = 0.97f,
};
static const Lines woodblock = {
    .contours = {.tone = 0.1f, .sharpness = 10.0f, .paper = -0.11f, .steepness = 6.0f},
    .contour = 0.95f,
    .ink = 0.14f,
};

static const SdeDabs oil = {
    .layers =
        {{.length = 22.0f, .width = 7.0f, .spacing = 6.0f},
         {.length = 14.0f, .width = 4.5f, .spacing = 4.0f, .least_energy = 0.008f},
         {.length = 8.0f, .width = 2.6f, .spacing = 2.4f, .least_energy = 0.03f}},
    .chroma = 1.0f,
    .tint = 0.01f,
    .light = 0.05f,
    .turn = 0.2f,
    .bristles = 0.018f,
};
static const SdeDabs impressionism = {
    .layers =
        {{.length = 16.0f, .width = 5.0f, .spacing = 5.0f},
         {.length = 10.0f, .width = 3.4f, .spacing = 3.5f, .least_energy = 0.008f},
         {.length = 6.5f, .width = 2.2f, .spacing = 2.4f, .least_energy = 0.03f}},
    .chroma = 1.25f,
    .tint = 0.09f,
    .light = 0.11f,
    .turn = 0.4f,
    .bristles = 0.015f,
};

void
sde_marks_alloc(SdeMarks *marks, int width, int height, SdeArena *arena)
{
    size_t n = (size_t) width * (size_t) height;

    marks->width = width;
    marks->height = height;
    sde_flow_alloc(&marks->flow, width, height, arena);
    marks->guide = sde_arena_alloc(arena, SDE_MARKS_GUIDES * n);
    marks->scratch = sde_arena_alloc(arena, 5 * n);
}

static size_t
count_pixels(const SdeMarks *marks)
{
    return (size_t) marks->width * (size_t) marks->height;
}

/* Y' of 0..1. */
static void
find_luma(const float *rgb, size_t n, float *luma)
{
    for (size_t i = 0; i < n; i++) {
        luma[i] = 0.5f * sde_luma(rgb + 3 * i) + 0.5f;
    }
}

static const Lines *
lines_of(SdeTechnique technique)
{
    switch (technique) {
    case SDE_TECHNIQUE_WOODBLOCK:
        return &woodblock;
    case SDE_TECHNIQUE_ENGRAVING:
        return &engraving;
    case SDE_TECHNIQUE_ETCHING:
        return &etching;
    case SDE_TECHNIQUE_PEN:
        return &pen;
    case SDE_TECHNIQUE_PENCIL:
        return &pencil;
    default:
        return NULL;
    }
}

/* Of techniques that paint in strokes. */
static const SdeDabs *
dabs_of(SdeTechnique technique)
{
    switch (technique) {
    case SDE_TECHNIQUE_OIL:
        return &oil;
    case SDE_TECHNIQUE_DABS:
        return &impressionism;
    default:
        return NULL;
    }
}

bool
sde_marks_have_lines(const SdeMarks *marks)
{
    return marks->share > 0.0f && lines_of(marks->technique) != NULL;
}

/* ---- painting ---------------------------------------------------------------------
 */

/* Even colours with sharp edges: bilateral means along the flow and across it. */
static void
flatten(const SdeMarks *marks, SdePool *pool, int n_rounds, float *rgb)
{
    const SdeFlowMean across = {.across = true, .reach = 5, .range = 0.2f};
    const SdeFlowMean along = {.reach = 6, .range = 0.25f};

    for (int i = 0; i < n_rounds; i++) {
        sde_flow_average(&marks->flow, pool, &across, rgb, 3, marks->scratch);
        sde_flow_average(&marks->flow, pool, &along, marks->scratch, 3, rgb);
    }
}

/* Moves Y' by a share of the way towards the middle of one of so many shades. */
static void
part_shades(float *rgb, size_t n, float n_shades, float share)
{
    for (size_t i = 0; i < n; i++, rgb += 3) {
        float at = (0.5f * sde_luma(rgb) + 0.5f) * n_shades;
        float shade = floorf(at), off = at - shade - 0.5f;
        float shift = 2.0f * (shade + 0.5f + 0.5f * tanhf(8.0f * off) - at) / n_shades;

        for (int c = 0; c < 3; c++) {
            rgb[c] += share * shift;
        }
    }
}

/* Pigment: thicker along edges, in blotches, and in the grain of the paper (Bousseau et
 * al. 2006, "Interactive watercolor rendering"). */
static void
paint_watercolour(const SdeMarks *marks, float *rgb)
{
    float *luma = marks->scratch;
    size_t n = count_pixels(marks);
    uint32_t seed = marks->seed;
    int width = marks->width;

    find_luma(rgb, n, luma);
    sde_blend_blur(luma, width, marks->height, 1, luma + n);
    for (int y = 0; y < marks->height; y++) {
        const float *row = luma + (size_t) y * (size_t) width;
        const float *below = y + 1 < marks->height ? row + width : row;

        for (int x = 0; x < width; x++, rgb += 3) {
            float u = (float) (x + marks->x), v = (float) (y + marks->y);
            float edge = hypotf(row[MIN(x + 1, width - 1)] - row[x], below[x] - row[x]);
            float blotches = 0.35f * sde_texture_at(seed, u / 60.0f, v / 60.0f) +
                             0.25f * sde_texture_at(seed + 1, u / 22.0f, v / 22.0f) +
                             0.15f * sde_texture_at(seed + 2, u / 8.0f, v / 8.0f);
            float grain = sde_texture_paper(seed + 3, u, v);
            float density = 0.5f * blotches + 0.25f * grain + MIN(8.0f * edge, 0.6f);

            for (int c = 0; c < 3; c++) {
                float light = 0.5f * rgb[c] + 0.5f;

                light = 1.0f - 0.92f * (1.0f - light); /* paper shows through */
                rgb[c] = 2.0f * (light - density * (light - light * light)) - 1.0f;
            }
        }
    }
}

/* ---- the guide --------------------------------------------------------------------
 */

/* Tones and contours of what was painted. */
static void
find_guide(const SdeMarks *marks, SdePool *pool, const Lines *lines, const float *luma)
{
    const SdeFlowMean smooth = {.reach = 3};
    size_t n = count_pixels(marks);
    float *tone = marks->scratch + n, *form = tone + n, *found = form + n,
          *rest = found + n;

    sde_flow_average(&marks->flow, pool, &smooth, luma, 1, tone);
    sde_contours_find(&lines->contours, &marks->flow, pool, tone, rest, found);
    memcpy(form, tone, n * sizeof(float));
    sde_blend_blur(form, marks->width, marks->height, FORM_RADIUS, rest);
    for (size_t i = 0; i < n; i++) {
        marks->guide[SDE_MARKS_GUIDES * i] = found[i];
        marks->guide[SDE_MARKS_GUIDES * i + 1] = tone[i];
        marks->guide[SDE_MARKS_GUIDES * i + 2] = form[i];
    }
}

void
sde_marks_paint(const SdeMarks *marks, SdePool *pool, float *rgb)
{
    size_t n = count_pixels(marks);
    const Lines *lines = lines_of(marks->technique);
    float *luma = marks->scratch;

    find_luma(rgb, n, luma);
    sde_flow_find(&marks->flow, luma, luma + n);
    if (lines != NULL) {
        find_guide(marks, pool, lines, luma);
    }
    switch (marks->technique) {
    case SDE_TECHNIQUE_OIL:
    case SDE_TECHNIQUE_DABS:
        memcpy(marks->scratch, rgb, 3 * n * sizeof(float)); /* for the strokes */
        break;
    case SDE_TECHNIQUE_WATERCOLOUR:
        flatten(marks, pool, 2, rgb);
        part_shades(rgb, n, 7.0f, 0.6f);
        paint_watercolour(marks, rgb);
        break;
    case SDE_TECHNIQUE_WOODBLOCK:
        flatten(marks, pool, 3, rgb);
        part_shades(rgb, n, 6.0f, 0.8f);
        break;
    default: /* lines alone, on paper */
        break;
    }
}

/* ---- drawing ----------------------------------------------------------------------
 */

/* Graphite over this share of the paper, in the grain of two directions. */
static float
graphite(uint32_t seed, float share, float turn, float x, float y)
{
    float angle = GRAPHITE_ANGLE + turn;
    float grain = 0.4f * sde_hatching_grain(angle, 14.0f, seed, x, y) +
                  0.2f * sde_hatching_grain(angle - 0.4f, 14.0f, seed + 1, x, y) +
                  0.4f * sde_texture_paper(seed + 2, x, y);

    return sde_clamp_unit(share * (1.0f + grain));
}

/* The share of a pixel that is ink, where on average `share` shall be. */
static float
find_ink(const SdeMarks *marks, const Lines *lines, const float *guide, float share,
         float x, float y, float zoom)
{
    float bare = 1.0f - lines->contour * sde_contours_ink(guide[0], zoom);
    float turn =
        lines->turn > 0.0f ? lines->turn * sde_hatching_turn(marks->seed, x, y) : 0.0f;

    for (int i = 0; i < lines->n_hatchings && share > 0.0f; i++) {
        const SdeHatching *hatching = &lines->hatchings[i];
        float own = MIN(share, hatching->broadest);

        bare *= 1.0f - sde_hatching_ink(hatching, marks->seed + (uint32_t) i, own,
                                        guide[2], turn, x, y, zoom);
        share = own < 1.0f ? (share - own) / (1.0f - own) : 0.0f;
    }
    if (marks->technique == SDE_TECHNIQUE_PENCIL) {
        bare *= 1.0f - graphite(marks->seed, share, turn, x, y);
    }
    return 1.0f - bare;
}

static void
draw_pixel(const SdeMarks *marks, const Lines *lines, const float *guide, float x,
           float y, float zoom, float *rgb)
{
    float range = lines->paper - lines->ink;
    float share = sde_clamp_unit((lines->paper - guide[1]) / range);
    float ink = find_ink(marks, lines, guide, share, x, y, zoom);

    if (marks->technique == SDE_TECHNIQUE_WOODBLOCK) { /* on its colours, and paper */
        float paper = 0.04f * sde_texture_paper(marks->seed, x, y);

        for (int c = 0; c < 3; c++) {
            rgb[c] += paper + ink * (lines->ink - rgb[c] - paper);
        }
        return;
    }
    rgb[0] = rgb[1] = rgb[2] = lines->paper - ink * range;
}

static void
draw_lines(const SdeMarks *marks, const Lines *lines, const float *guide,
           const SdeStrip *strip)
{
    float *rgb = strip->rgb;

    for (int y = 0; y < strip->height; y++) {
        float v = sde_strip_y(strip, y);

        for (int x = 0; x < strip->width; x++, rgb += 3, guide += SDE_MARKS_GUIDES) {
            draw_pixel(marks, lines, guide, sde_strip_x(strip, x), v, strip->zoom, rgb);
        }
    }
}

void
sde_marks_draw(const SdeMarks *marks, const float *guide, const SdeStrip *strip)
{
    const Lines *lines = lines_of(marks->technique);
    const SdeDabs *dabs = dabs_of(marks->technique);

    if (lines != NULL) {
        draw_lines(marks, lines, guide, strip);
    } else if (dabs != NULL) {
        sde_dabs_paint(dabs, &marks->flow, marks->scratch, marks->x, marks->y,
                       marks->seed, strip);
    }
}
