/* What a procedure of this plug-in is made of, and the job that one run of it fills in.
 * A new task is one more file that defines an SdeProcedure, and a line in plug-in.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sde.h"
#include <libgimp/gimp.h>

typedef union {
    SdeInpaintParams inpaint;
    SdeDenoiseParams denoise;
    SdeRestyleParams restyle;
} SdeParams;

/* What a partly selected pixel means. */
typedef enum { SDE_MASK_SOFT, SDE_MASK_HARD } SdeMaskMode;

/* How a procedure finds the pixels that it may change. */
typedef enum {
    SDE_REGION_HOLE,     /* the selection; without one, the transparent pixels */
    SDE_REGION_SELECTION /* the selection; without one, the whole layer */
} SdeRegion;

/* What the dialog shows of the result first; the user can zoom and move. */
typedef enum {
    SDE_PREVIEW_DETAIL, /* the middle of what may change, pixel by pixel */
    SDE_PREVIEW_WHOLE   /* all of that, and some of what is around */
} SdePreviewKind;

/* Everything the worker thread needs: plain values, no GIMP object. */
typedef struct {
    SdeParams params;
    char *model_folder;
    /* restyle: names of styles; NULL or "": the model's own choice, and none */
    char *style, *second_style;
    SdeRun run;
    SdeImage source, result;
    SdeMask mask;          /* levels NULL: the whole picture */
    SdeMaskMode mask_mode; /* how the mask was read */
    SdeNoise noise;        /* denoise: given or estimated, for people */
    bool knows_noise;      /* it was estimated before: with this picture and model */
    SdeQuality quality;    /* inpaint */
} SdeJob;

typedef struct {
    const char *name;       /* in the procedure database */
    const char *menu_label; /* these four: translatable, marked with N_() */
    const char *blurb;
    const char *help;
    const char *progress_title;
    SdeRegion region;
    bool is_random; /* has the argument "seed" */
    SdePreviewKind preview;
    const char *const *main_arguments;    /* always seen in the dialog */
    const char *const *further_arguments; /* in its "More options" part */

    void (*add_arguments)(GimpProcedure *procedure);
    void (*read_arguments)(GimpProcedureConfig *config, SdeJob *job);
    /* How many pixels around the region the engine should see, beyond the usual. */
    int (*get_context)(const SdeJob *job);
    SdePrecision precision; /* that the model is loaded with */
    /* Runs in the worker thread. */
    bool (*compute)(SdeJob *job, SdeModel *model, GError **error);
    char *(*name_layer)(const SdeJob *job);
    /* Both nullable, for previews: what is needed of the whole before a part of it is
     * computed, and what to tell people then. */
    bool (*prepare)(SdeJob *job, SdeModel *model, GError **error);
    char *(*describe)(const SdeJob *job);
} SdeProcedure;

void sde_job_clear(SdeJob *job);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SdeJob, sde_job_clear)

extern const SdeProcedure sde_inpaint_procedure;
extern const SdeProcedure sde_denoise_procedure;
extern const SdeProcedure sde_restyle_procedure;

/* Registers the procedure: menu, documentation, arguments, return values. */
GimpProcedure *sde_procedure_new(GimpPlugIn *plug_in, const SdeProcedure *description);
