/* The command line as plain values. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sde.h"
#include "verify/bench.h"

typedef enum {
    SDE_COMMAND_DENOISE,
    SDE_COMMAND_INPAINT,
    SDE_COMMAND_RESTYLE,
    SDE_COMMAND_NOISE,
    SDE_COMMAND_INFO,
    SDE_COMMAND_GOLDEN,
    SDE_COMMAND_BENCH,
    SDE_N_COMMANDS
} SdeCommand;

typedef struct {
    SdeCommand command;
    char **names;               /* what is not an option: files and folders */
    char *model;                /* nullable: the default model */
    char *mask;                 /* nullable */
    char *style, *second_style; /* nullable */
    SdePrecision precision;
    SdeQuality quality; /* of inpainting */
    bool quiet;
    /* else what suits the model counts, not what the params have */
    bool steps_given, resample_given, guidance_given;
    uint64_t seed;
    int n_threads;
    size_t memory_limit;
    SdeInpaintParams inpaint;
    SdeDenoiseParams denoise;
    SdeRestyleParams restyle;
    SdeBenchParams bench;
    int width, height; /* info: of a picture */
} SdeOptions;

/* NULL with an error; also NULL, without one, when help or the version was asked for
 * and printed. */
SdeOptions *sde_options_parse(int argc, char **argv, GError **error);
void sde_options_free(SdeOptions *options); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeOptions, sde_options_free)
