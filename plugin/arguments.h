/* Arguments that several procedures share: declared here once, read here once.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "procedure.h"

/* Short forms of gimp_procedure_add_*_argument: read-write arguments. */
void sde_arguments_add_int(GimpProcedure *procedure, const char *name, const char *nick,
                           const char *blurb, int min, int max, int value);
/* A fraction 0..1. */
void sde_arguments_add_share(GimpProcedure *procedure, const char *name,
                             const char *nick, const char *blurb, double value);

/* strength, steps and seed; then, for the dialog's second part, what else steers the
 * sampling. The texts of `strength` differ by task. */
void sde_arguments_add_sampling(GimpProcedure *procedure, double strength,
                                const char *strength_blurb);
void sde_arguments_add_sampling_details(GimpProcedure *procedure);
void sde_arguments_read_sampling(GimpProcedureConfig *config, SdeSampling *sampling);

void sde_arguments_add_tiles(GimpProcedure *procedure);
void sde_arguments_read_tiles(GimpProcedureConfig *config, int *size, int *overlap);

/* source, model, threads, memory: every procedure has them. */
void sde_arguments_add_common(GimpProcedure *procedure);
bool sde_arguments_get_visible(GimpProcedureConfig *config);
/* Chooses a seed, where none is given, only once: what is previewed is what is made. */
void sde_arguments_read_run(GimpProcedureConfig *config, bool is_random, SdeRun *run);
