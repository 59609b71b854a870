/* Errors as people read them: the engine says in plain English exactly what it found,
 * the sentence in front says in the user's language what to do. Errors of the plug-in
 * itself (GIMP_PLUG_IN_ERROR) are such sentences already. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "message.h"

#include "intl.h"
#include "sde.h"

static const char *
explain_engine_error(int code)
{
    switch ((SdeError) code) {
    case SDE_ERROR_FORMAT:
        return _("The model cannot be read: a file is damaged or missing. Copy or "
                 "download the model folder again.");
    case SDE_ERROR_UNSUPPORTED:
        return _("This model does not fit: the plug-in cannot run it for this task. "
                 "Choose another model.");
    case SDE_ERROR_TOO_LARGE:
        return _("Not enough memory. Select a smaller area, set a smaller tile size or "
                 "largest side, or raise the memory limit.");
    case SDE_ERROR_NUMERIC:
        return _(
            "The calculation failed: the picture or the model holds values that are "
            "not numbers.");
    case SDE_ERROR_INPUT:
        return _("These settings do not fit the picture, the selection or the model.");
    }
    return NULL;
}

void
sde_message_explain(GError **error)
{
    const char *sentence = NULL;

    if (error == NULL || *error == NULL) {
        return;
    }
    if ((*error)->domain == SDE_ERROR) {
        sentence = explain_engine_error((*error)->code);
    } else if ((*error)->domain == G_FILE_ERROR || (*error)->domain == G_IO_ERROR) {
        sentence = _("A file of the model cannot be opened.");
    }
    if (sentence != NULL) {
        g_prefix_error(error, "%s\n", sentence);
    }
}
