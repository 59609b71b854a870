/* Moving the tones of pictures to those of a style.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/tones.h"

#include <math.h>
#include <string.h>

#include "near.h"
#include "task/task.h"

#define SIDE 64
#define N    (SIDE * SIDE)

typedef struct {
    float rgb[3 * N], levels[N];
    SdeStyleTones tones;
} Fixture;

/* A grey ramp from black to white, tinted by up to `tint` of red and blue. */
static void
fill_ramp(Fixture *fixture, float tint)
{
    for (int i = 0; i < N; i++) {
        float y = (float) i / (N - 1), wave = (i % 16 < 8 ? tint : -tint);

        fixture->rgb[3 * i] = 2.0f * (y + wave) - 1.0f;
        fixture->rgb[3 * i + 1] = 2.0f * y - 1.0f;
        fixture->rgb[3 * i + 2] = 2.0f * (y - wave) - 1.0f;
        fixture->levels[i] = 1.0f;
    }
}

/* Even tones from `dark` to `light`. */
static void
set_tones(SdeStyleTones *tones, float dark, float light)
{
    *tones = (SdeStyleTones) {.known = true};
    for (int i = 0; i < SDE_N_TONES; i++) {
        tones->luma[i] = dark + (light - dark) * ((float) i + 0.5f) / SDE_N_TONES;
    }
}

static void
set_up(Fixture *fixture, const void *data)
{
    fill_ramp(fixture, 0.0f);
    set_tones(&fixture->tones, 0.5f, 0.9f);
}

static void
tear_down(Fixture *fixture, const void *data)
{
}

static double
luma_at(const Fixture *fixture, int i)
{
    return 0.5 * (double) sde_luma(fixture->rgb + 3 * i) + 0.5;
}

static void
move_all(Fixture *fixture, float share)
{
    SdeToning toning =
        sde_tones_find(&fixture->tones, share, fixture->levels, N, fixture->rgb);

    for (int i = 0; i < N; i++) {
        sde_tones_move(&toning, fixture->levels[i], fixture->rgb + 3 * i);
    }
}

static void
test_luma_gets_the_distribution(Fixture *fixture, const void *data)
{
    move_all(fixture, 1.0f);
    for (int i = N / 16; i < N - N / 16; i++) {
        assert_near(luma_at(fixture, i), 0.5 + 0.4 * i / (N - 1), 0.01);
    }
}

static void
test_a_share_goes_a_part_of_the_way(Fixture *fixture, const void *data)
{
    fixture->levels[N / 2] = 0.5f; /* and so does a level */
    move_all(fixture, 0.5f);
    assert_near(luma_at(fixture, N / 4), 0.5 * (0.25 + 0.6), 0.01);
    assert_near(luma_at(fixture, N / 2), 0.75 * 0.5 + 0.25 * 0.7, 0.01);
}

static void
test_what_is_not_masked_does_not_count(Fixture *fixture, const void *data)
{
    for (int i = N / 2; i < N; i++) { /* the light half */
        fixture->levels[i] = 0.0f;
    }
    move_all(fixture, 1.0f);
    assert_near(luma_at(fixture, N / 4), 0.7, 0.01); /* the median of what counts */
}

/* Nearly all is one grey, as in a sky: its shades are not torn apart. */
static void
test_an_even_picture_stays_even(Fixture *fixture, const void *data)
{
    set_tones(&fixture->tones, 0.0f, 1.0f);
    for (int i = 0; i < 3 * N; i++) {
        fixture->rgb[i] = 0.1f + 0.02f * (float) (i / 3) / N;
    }
    move_all(fixture, 1.0f);
    assert_near(luma_at(fixture, N - 1) - luma_at(fixture, 0), 0.01, 0.02);
}

static void
test_a_grey_style_takes_the_colour(Fixture *fixture, const void *data)
{
    fill_ramp(fixture, 0.1f);
    move_all(fixture, 1.0f);
    for (int i = 0; i < N; i++) {
        assert_near((double) fixture->rgb[3 * i], (double) fixture->rgb[3 * i + 1],
                    1e-5);
        assert_near((double) fixture->rgb[3 * i + 2], (double) fixture->rgb[3 * i + 1],
                    1e-5);
    }
}

/* The wave of red against blue is half as strong in the style, on yellowish paper. */
static void
test_colours_get_the_deviation_and_the_paper(Fixture *fixture, const void *data)
{
    const float paper[3] = {0.02f, 0.01f, -0.1f};
    SdeStyleTones *tones = &fixture->tones;

    fill_ramp(fixture, 0.2f);
    memcpy(tones->chroma_mean, paper, sizeof paper);
    tones->chroma_deviation = 0.5f * 0.2f * sqrtf(2.0f / 3.0f);
    move_all(fixture, 1.0f);
    for (int i = N / 4; i < 3 * N / 4; i++) { /* where nothing leaves 0..1 */
        const float *rgb = fixture->rgb + 3 * i;
        double wave = i % 16 < 8 ? 0.1 : -0.1;

        assert_near(0.5 * (double) (rgb[0] - rgb[1]), wave + 0.01, 0.01);
        assert_near(0.5 * (double) (rgb[2] - rgb[1]), -wave - 0.11, 0.01);
    }
}

/* What the walk changed loses its colours where the style has none, and only there. */
static void
test_changes_are_grey_in_grey_styles(Fixture *fixture, const void *data)
{
    SdeToning grey = {.share = 0.5f}, coloured = {.share = 1.0f, .gain = 1.0f};
    float change[3] = {0.2f, -0.1f, 0.3f}, kept[3], luma = sde_luma(change);

    memcpy(kept, change, sizeof kept);
    sde_tones_move_change(&coloured, 1.0f, kept);
    g_assert_true(memcmp(kept, change, sizeof kept) == 0);
    sde_tones_move_change(&grey, 1.0f, kept);
    for (int c = 0; c < 3; c++) {
        assert_near((double) kept[c], 0.5 * (double) (change[c] + luma), 1e-6);
    }
}

/* Nearly grey: at most half as much again. */
static void
test_pale_photos_stay_pale(Fixture *fixture, const void *data)
{
    fill_ramp(fixture, 0.01f);
    fixture->tones.chroma_deviation = 0.2f;
    move_all(fixture, 1.0f);
    for (int i = 0; i < N; i++) {
        const float *rgb = fixture->rgb + 3 * i;

        assert_near(0.5 * fabs((double) (rgb[0] - rgb[1])), 0.015, 0.001);
    }
}

static void
test_classes_mix(Fixture *fixture, const void *data)
{
    SdeStyleTones known[3] = {{0}};
    const SdeDenoiser denoiser = {.tones = known}, without = {0};
    SdeClasses classes = {.label = 1, .second = 2, .mix = 0.25f};
    SdeStyleTones mixed;
    float share;

    set_tones(&known[1], 0.0f, 0.4f);
    set_tones(&known[2], 0.4f, 0.8f);
    mixed = sde_tones_of(&denoiser, &classes, &share);
    assert_near((double) share, 1.0, 1e-6);
    assert_near((double) mixed.luma[SDE_N_TONES / 2], 0.3, 1e-6);
    classes.label = 0; /* of which nothing is known */
    mixed = sde_tones_of(&denoiser, &classes, &share);
    assert_near((double) share, 0.25, 1e-6);
    assert_near((double) mixed.luma[SDE_N_TONES / 2], 0.6, 1e-6);
    sde_tones_of(&without, &classes, &share);
    g_assert_cmpfloat(share, ==, 0.0f);
    classes = (SdeClasses) {.label = -1};
    sde_tones_of(&denoiser, &classes, &share);
    g_assert_cmpfloat(share, ==, 0.0f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) \
    g_test_add("/tones/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("luma", test_luma_gets_the_distribution);
    ADD("share", test_a_share_goes_a_part_of_the_way);
    ADD("mask", test_what_is_not_masked_does_not_count);
    ADD("even", test_an_even_picture_stays_even);
    ADD("grey", test_a_grey_style_takes_the_colour);
    ADD("colours", test_colours_get_the_deviation_and_the_paper);
    ADD("changes", test_changes_are_grey_in_grey_styles);
    ADD("pale", test_pale_photos_stay_pale);
    ADD("mix", test_classes_mix);
#undef ADD
    return g_test_run();
}
