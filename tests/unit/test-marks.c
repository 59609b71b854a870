/* Strokes, lines and pigment. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/marks/marks.h"

#include <math.h>
#include <string.h>

#include "near.h"
#include "task/marks/contours.h"
#include "task/marks/dabs.h"
#include "task/marks/hatching.h"
#include "task/marks/texture.h"

#define SIDE 96
#define N    (SIDE * SIDE)

typedef struct {
    SdeArena *arena;
    SdeFlow flow;
    float plane[N], out[N], scratch[4 * N];
    float rgb[3 * N];
} Fixture;

static void
set_up(Fixture *fixture, const void *data)
{
    g_autoptr(GError) error = NULL;

    fixture->arena = sde_arena_new(32 << 20, &error);
    g_assert_no_error(error);
    sde_flow_alloc(&fixture->flow, SIDE, SIDE, fixture->arena);
}

static void
tear_down(Fixture *fixture, const void *data)
{
    sde_arena_free(fixture->arena);
}

/* Stripes of 12 pixels that are turned by this angle from the vertical. */
static void
fill_stripes(Fixture *fixture, double angle)
{
    for (int i = 0; i < N; i++) {
        double across = i % SIDE * cos(angle) + i / SIDE * sin(angle);

        fixture->plane[i] = (float) (0.5 + 0.4 * sin(across * G_PI / 6.0));
    }
}

/* Dark to the left of the middle, else light. */
static void
fill_edge(Fixture *fixture)
{
    for (int i = 0; i < N; i++) {
        fixture->plane[i] = i % SIDE < SIDE / 2 ? 0.2f : 0.8f;
    }
}

static void
fill_even(float *values, int n, float value)
{
    for (int i = 0; i < n; i++) {
        values[i] = value;
    }
}

static double
deviation_of(const float *plane)
{
    double sum = 0.0, squares = 0.0;

    for (int y = 24; y < SIDE - 24; y++) {
        for (int x = 24; x < SIDE - 24; x++) {
            double value = (double) plane[y * SIDE + x];

            sum += value;
            squares += value * value;
        }
    }
    sum /= 48 * 48;
    return sqrt(MAX(squares / (48 * 48) - sum * sum, 0.0));
}

/* ---- the flow ---------------------------------------------------------------------
 */

static void
test_the_flow_goes_along_stripes(Fixture *fixture, const void *data)
{
    for (int k = 0; k < 6; k++) {
        double angle = k * G_PI / 6.0;
        int middle = SIDE / 2 * SIDE + SIDE / 2;
        const float *along = fixture->flow.along + 2 * middle;

        fill_stripes(fixture, angle);
        sde_flow_find(&fixture->flow, fixture->plane, fixture->scratch);
        assert_near(
            fabs((double) along[0] * -sin(angle) + (double) along[1] * cos(angle)), 1.0,
            1e-3);
        g_assert_cmpfloat(fixture->flow.coherence[middle], >, 0.98f);
        g_assert_cmpfloat(fixture->flow.energy[middle], >, 0.05f);
    }
    fill_even(fixture->plane, N, 0.3f);
    sde_flow_find(&fixture->flow, fixture->plane, fixture->scratch);
    g_assert_cmpfloat(fixture->flow.coherence[0], ==, 0.0f);
    g_assert_cmpfloat(fixture->flow.energy[0], ==, 0.0f);
}

static void
test_means_along_keep_stripes_and_across_take_them(Fixture *fixture, const void *data)
{
    const SdeFlowMean along = {.reach = 8}, across = {.across = true, .reach = 8};
    const SdeFlowMean guarded = {.across = true, .reach = 8, .range = 0.05f};
    double before;

    fill_stripes(fixture, 0.5);
    before = deviation_of(fixture->plane);
    sde_flow_find(&fixture->flow, fixture->plane, fixture->scratch);
    sde_flow_average(&fixture->flow, NULL, &along, fixture->plane, 1, fixture->out);
    g_assert_cmpfloat(deviation_of(fixture->out), >, 0.9 * before);
    sde_flow_average(&fixture->flow, NULL, &across, fixture->plane, 1, fixture->out);
    g_assert_cmpfloat(deviation_of(fixture->out), <, 0.3 * before);
    fill_edge(fixture);
    sde_flow_find(&fixture->flow, fixture->plane, fixture->scratch);
    sde_flow_average(&fixture->flow, NULL, &guarded, fixture->plane, 1, fixture->out);
    for (int i = 0; i < N; i++) {
        assert_near((double) fixture->out[i], (double) fixture->plane[i], 1e-3);
    }
}

/* ---- lines ------------------------------------------------------------------------
 */

static void
test_contours_are_where_lines_are(Fixture *fixture, const void *data)
{
    const SdeContours lines = {.sharpness = 9.0f, .paper = -0.1f, .steepness = 6.0f};
    const SdeContours both = {
        .tone = 1.0f, .sharpness = 9.0f, .paper = 0.5f, .steepness = 6.0f};
    float at[3];

    fill_even(fixture->plane, N, 0.4f);
    for (int y = 0; y < SIDE; y++) {
        fixture->plane[y * SIDE + 40] = 0.1f;
    }
    sde_flow_find(&fixture->flow, fixture->plane, fixture->scratch);
    for (int k = 0; k < 2; k++) {
        sde_contours_find(k ? &both : &lines, &fixture->flow, NULL, fixture->plane,
                          fixture->scratch, fixture->out);
        at[0] = sde_contours_ink(fixture->out[48 * SIDE + 40], 1.0f);
        at[1] = sde_contours_ink(fixture->out[48 * SIDE + 70], 1.0f);
        at[2] = sde_contours_ink(fixture->out[48 * SIDE + 70], 4.0f);
        g_assert_cmpfloat(at[0], >, 0.9f);
        if (k == 0) { /* a grey ground is paper */
            g_assert_cmpfloat(at[1], ==, 0.0f);
        } else { /* or ink, and the larger it is drawn the sharper */
            g_assert_cmpfloat(at[1], >, 0.4f);
            g_assert_cmpfloat(at[2], >, at[1]);
        }
    }
}

static double
mean_ink(const SdeHatching *hatching, float share, float zoom)
{
    double sum = 0.0;

    for (int i = 0; i < N; i++) {
        sum += (double) sde_hatching_ink(hatching, 1, share, 0.5f, 0.3f,
                                         (float) (i % SIDE) / zoom,
                                         (float) (i / SIDE) / zoom, zoom);
    }
    return sum / N;
}

/* Whatever the size, lines cover as much as is asked for. */
static void
test_hatching_covers_its_share(Fixture *fixture, const void *data)
{
    const SdeHatching hatching = {.angle = 0.4f, .period = 5.0f, .wobble = 1.0f};

    for (float zoom = 1.0f; zoom <= 4.0f; zoom *= 2.0f) {
        for (int k = 0; k <= 4; k++) {
            assert_near(mean_ink(&hatching, 0.25f * (float) k, zoom), 0.25 * k, 0.03);
        }
    }
    g_assert_cmpfloat(mean_ink(&hatching, 0.0f, 1.0f), ==, 0.0);
    g_assert_cmpfloat(mean_ink(&hatching, 1.0f, 1.0f), ==, 1.0);
}

/* Drawn four times larger an edge of a line is no broader, counted in pixels. */
static void
test_lines_stay_sharp(Fixture *fixture, const void *data)
{
    const SdeHatching hatching = {.period = 5.0f};

    for (float zoom = 1.0f; zoom <= 4.0f; zoom *= 2.0f) {
        int n_between = 0, n_lines = (int) (400.0f / (5.0f * zoom));

        for (int y = 0; y < 400; y++) {
            float ink = sde_hatching_ink(&hatching, 1, 0.5f, 0.0f, 0.0f, 0.0f,
                                         ((float) y + 0.37f) / zoom, zoom);

            n_between += ink > 0.01f && ink < 0.99f;
        }
        g_assert_cmpint(n_between, <=, 3 * n_lines);
    }
}

static void
test_texture_is_smooth_and_a_matter_of_place(Fixture *fixture, const void *data)
{
    double sum = 0.0, most = 0.0;

    for (int i = -N / 2; i < N / 2; i++) {
        float x = 0.1f * (float) i, found = sde_texture_at(7, x, 0.3f);

        g_assert_cmpfloat(found, ==, sde_texture_at(7, x, 0.3f));
        most = MAX(most, fabs((double) (found - sde_texture_at(7, x + 0.01f, 0.3f))));
        g_assert_cmpfloat(fabsf(found), <=, 1.0f);
        sum += (double) found;
    }
    assert_near(sum / N, 0.0, 0.05);
    g_assert_cmpfloat(most, <, 0.05);
    g_assert_cmpfloat(sde_texture_at(7, 0.5f, 0.5f), !=, sde_texture_at(8, 0.5f, 0.5f));
}

/* ---- strokes ----------------------------------------------------------------------
 */

static const SdeDabs plain = {
    .layers = {{.length = 16.0f, .width = 6.0f, .spacing = 4.0f},
               {.length = 8.0f, .width = 3.0f, .spacing = 2.5f, .least_energy = 0.01f},
               {.length = 5.0f, .width = 2.0f, .spacing = 2.0f, .least_energy = 0.03f}},
    .chroma = 1.0f};

static void
fill_colours(Fixture *fixture)
{
    for (int i = 0; i < 3 * N; i++) {
        fixture->rgb[i] =
            0.8f * sinf(0.002f * (float) (i % (3 * SIDE)) * (float) i / SIDE);
        fixture->plane[i / 3] = 0.5f * fixture->rgb[i] + 0.5f;
    }
}

/* A strip of the picture, drawn `zoom` times larger, on a grey ground. */
static SdeStrip
make_strip(int left, int top, int width, int height, float zoom)
{
    size_t n = 3 * (size_t) width * (size_t) height;
    SdeStrip strip = {left, top, width, height, zoom, g_new(float, n)};

    fill_even(strip.rgb, (int) n, 0.5f);
    return strip;
}

static void
test_strokes_cover_all_and_keep_an_edge(Fixture *fixture, const void *data)
{
    for (int zoom = 1; zoom <= 3; zoom += 2) {
        SdeStrip strip = make_strip(0, 0, zoom * SIDE, zoom * SIDE, (float) zoom);

        fill_edge(fixture);
        for (int i = 0; i < 3 * N; i++) {
            fixture->rgb[i] = 2.0f * fixture->plane[i / 3] - 1.0f;
        }
        sde_flow_find(&fixture->flow, fixture->plane, fixture->scratch);
        sde_dabs_paint(&plain, &fixture->flow, fixture->rgb, 0, 0, 3, &strip);
        for (int i = 0; i < 3 * zoom * zoom * N; i++) {
            int x = i / 3 % (zoom * SIDE) / zoom;

            if (abs(x - SIDE / 2) > 12) {
                assert_near((double) strip.rgb[i], x < SIDE / 2 ? 0.2 : 0.8, 0.005);
            }
        }
        g_free(strip.rgb);
    }
}

/* Strokes of a strip are those of the whole, also where the colours are of a part. */
static void
test_strokes_are_a_matter_of_place(Fixture *fixture, const void *data)
{
    const SdeDabs dabs = {.layers = {{.length = 16.0f, .width = 6.0f, .spacing = 4.0f}},
                          .chroma = 1.2f,
                          .tint = 0.1f,
                          .light = 0.1f,
                          .turn = 0.3f,
                          .bristles = 0.05f};
    const int left = 16, top = 24;
    g_autofree float *cut = g_new0(float, 3 * N);
    SdeStrip whole = make_strip(0, 0, 2 * SIDE, 2 * SIDE, 2.0f);
    SdeStrip strip = make_strip(80, 90, 60, 32, 2.0f);
    SdeFlow flow = fixture->flow;

    fill_colours(fixture);
    sde_flow_find(&fixture->flow, fixture->plane, fixture->scratch);
    sde_dabs_paint(&dabs, &fixture->flow, fixture->rgb, 0, 0, 3, &whole);
    flow.width = SIDE - left;
    flow.height = SIDE - top;
    for (int y = 0; y < flow.height; y++) {
        for (int x = 0; x < flow.width; x++) {
            int from = (y + top) * SIDE + x + left, to = y * flow.width + x;

            memcpy(cut + 3 * to, fixture->rgb + 3 * from, 3 * sizeof(float));
            memmove(flow.along + 2 * to, flow.along + 2 * from, 2 * sizeof(float));
            flow.coherence[to] = flow.coherence[from];
            flow.energy[to] = flow.energy[from];
        }
    }
    sde_dabs_paint(&dabs, &flow, cut, left, top, 3, &strip);
    for (int y = 0; y < strip.height; y++) {
        for (int x = 0; x < strip.width; x++) {
            assert_near((double) strip.rgb[3 * (y * strip.width + x)],
                        (double) whole.rgb[3 * ((y + 90) * whole.width + x + 80)],
                        1e-4);
        }
    }
    g_free(whole.rgb);
    g_free(strip.rgb);
}

/* ---- techniques -------------------------------------------------------------------
 */

/* What a technique makes of a grey ramp; the mean brightness of its left, dark, and
 * right half. */
static void
draw_ramp(Fixture *fixture, SdeTechnique technique, float zoom, double *halves)
{
    SdeMarks marks = {.technique = technique, .share = 1.0f, .seed = 5};
    size_t mark = sde_arena_mark(fixture->arena);
    int side = (int) (zoom * SIDE);
    g_autofree float *guide = NULL;
    SdeStrip strip;

    for (int i = 0; i < 3 * N; i++) {
        fixture->rgb[i] = 1.6f * (float) (i / 3 % SIDE) / SIDE - 0.8f;
    }
    sde_marks_alloc(&marks, SIDE, SIDE, fixture->arena);
    memset(marks.guide, 0, SDE_MARKS_GUIDES * N * sizeof(float));
    sde_marks_paint(&marks, NULL, fixture->rgb);
    strip = make_strip(0, 0, side, side, zoom);
    guide = g_new(float, SDE_MARKS_GUIDES *side *side);
    for (int i = 0; i < side * side; i++) {
        int x = (int) ((float) (i % side) / zoom),
            y = (int) ((float) (i / side) / zoom);

        for (int c = 0; c < 3; c++) {
            int at = 3 * (y * SIDE + x) + c;

            strip.rgb[3 * i + c] = 0.5f * fixture->rgb[at] + 0.5f;
            guide[3 * i + c] = marks.guide[at];
        }
    }
    sde_marks_draw(&marks, guide, &strip);
    halves[0] = halves[1] = 0.0;
    for (int i = 0; i < side * side; i++) {
        float value = strip.rgb[3 * i + 1];

        g_assert_true(value > -0.2f && value < 1.2f);
        halves[i % side >= side / 2] += (double) value / (side * side / 2);
    }
    g_free(strip.rgb);
    sde_arena_release(fixture->arena, mark);
}

static void
test_every_technique_is_darker_where_it_is_dark(Fixture *fixture, const void *data)
{
    for (int k = SDE_TECHNIQUE_NONE; k < SDE_N_TECHNIQUES; k++) {
        double halves[2], larger[2];

        draw_ramp(fixture, (SdeTechnique) k, 1.0f, halves);
        draw_ramp(fixture, (SdeTechnique) k, 3.0f, larger);
        g_assert_cmpfloat(halves[0], <, halves[1] - 0.15);
        assert_near(larger[0], halves[0], 0.05);
        assert_near(larger[1], halves[1], 0.05);
    }
}

static void
test_no_technique_changes_nothing(Fixture *fixture, const void *data)
{
    double halves[2];

    draw_ramp(fixture, SDE_TECHNIQUE_NONE, 1.0f, halves);
    assert_near(halves[0], 0.5 - 0.2, 0.01);
    for (int i = 0; i < 3 * N; i++) {
        g_assert_cmpfloat(fixture->rgb[i], ==,
                          1.6f * (float) (i / 3 % SIDE) / SIDE - 0.8f);
    }
}

#define ADD(name, func) \
    g_test_add("/marks/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("flow/direction", test_the_flow_goes_along_stripes);
    ADD("flow/means", test_means_along_keep_stripes_and_across_take_them);
    ADD("contours", test_contours_are_where_lines_are);
    ADD("hatching/share", test_hatching_covers_its_share);
    ADD("hatching/sharp", test_lines_stay_sharp);
    ADD("texture", test_texture_is_smooth_and_a_matter_of_place);
    ADD("dabs/cover", test_strokes_cover_all_and_keep_an_edge);
    ADD("dabs/place", test_strokes_are_a_matter_of_place);
    ADD("techniques/tone", test_every_technique_is_darker_where_it_is_dark);
    ADD("techniques/none", test_no_technique_changes_nothing);
    return g_test_run();
}
