/* One job in a thread of its own. The engine works there; this thread, which alone may
 * talk to GIMP, runs a main loop and shows from time to time how far the engine is.
 * GIMP's Cancel ends the whole process, so nothing has to be undone here.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "run.h"

#include "intl.h"

#define POLL_MS         100
#define POLLS_PER_CHECK 10

typedef struct {
    const SdeProcedure *procedure;
    SdeJob *job;
    GimpImage *image;
    GMainLoop *loop;
    GCancellable *cancellable;
    int n_polls;
    bool ok;
    GError *error;

    GMutex mutex; /* guards what the worker reports: */
    SdeProgress progress;
} Run;

/* ---- in the worker thread -------------------------------------------------------- */

static void
note_progress(const SdeProgress *progress, void *data)
{
    Run *run = data;

    g_mutex_lock(&run->mutex);
    run->progress = *progress;
    g_mutex_unlock(&run->mutex);
}

static gboolean
quit_loop(void *data)
{
    Run *run = data;

    g_main_loop_quit(run->loop);
    return G_SOURCE_REMOVE;
}

static void *
work(void *data)
{
    Run *run = data;
    g_autoptr(SdeModel) model =
        sde_model_load(run->job->model_folder, run->procedure->precision,
                       run->cancellable, &run->error);

    run->ok = model != NULL && run->procedure->compute(run->job, model, &run->error);
    g_idle_add(quit_loop, run);
    return NULL;
}

/* ---- in the main thread ---------------------------------------------------------- */

static char *
describe_progress(const SdeProgress *progress)
{
    int seconds = (int) MIN(progress->seconds_left + 0.5, 1e6);

    if (progress->n_steps <= 0) {
        return g_strdup(_("Loading the model"));
    }
    if (progress->seconds_left < 0) {
        return g_strdup_printf(_("Step %d of %d"), progress->step, progress->n_steps);
    }
    if (seconds < 90) {
        return g_strdup_printf(ngettext("Step %d of %d, about %d second left",
                                        "Step %d of %d, about %d seconds left",
                                        (unsigned long) seconds),
                               progress->step, progress->n_steps, seconds);
    }
    return g_strdup_printf(ngettext("Step %d of %d, about %d minute left",
                                    "Step %d of %d, about %d minutes left",
                                    (unsigned long) (seconds + 30) / 60),
                           progress->step, progress->n_steps, (seconds + 30) / 60);
}

static gboolean
show_progress(void *data)
{
    Run *run = data;
    SdeProgress progress;
    g_autofree char *text = NULL;

    g_mutex_lock(&run->mutex);
    progress = run->progress;
    g_mutex_unlock(&run->mutex);

    text = describe_progress(&progress);
    gimp_progress_set_text(text);
    gimp_progress_update(progress.fraction);
    if (++run->n_polls % POLLS_PER_CHECK == 0 && !gimp_image_is_valid(run->image)) {
        g_cancellable_cancel(run->cancellable); /* closed: nobody wants the result */
    }
    return G_SOURCE_CONTINUE;
}

bool
sde_run_job(const SdeProcedure *procedure, SdeJob *job, GimpImage *image,
            GError **error)
{
    Run run = {.procedure = procedure, .job = job, .image = image};
    GThread *thread;
    guint timer;

    g_mutex_init(&run.mutex);
    run.loop = g_main_loop_new(NULL, FALSE);
    run.cancellable = g_cancellable_new();
    job->run.cancellable = run.cancellable;
    job->run.progress = note_progress;
    job->run.user_data = &run;

    timer = g_timeout_add(POLL_MS, show_progress, &run);
    thread = g_thread_new("sdedit", work, &run);
    g_main_loop_run(run.loop);
    g_thread_join(thread);
    g_source_remove(timer);
    gimp_progress_update(1.0);

    g_main_loop_unref(run.loop);
    g_object_unref(run.cancellable);
    g_mutex_clear(&run.mutex);
    if (!run.ok) {
        g_propagate_error(error, run.error);
    }
    return run.ok;
}
