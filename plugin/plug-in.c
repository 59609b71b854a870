/* The plug-in's entry: a GimpPlugIn subclass that offers the procedures in one table.
 * What a procedure does is in inpaint.c, denoise.c and restyle.c; what all have in
 * common is in procedure.c. SPDX-License-Identifier: GPL-3.0-or-later */
#include "procedure.h"

#include <libgimp/gimp.h>

static const SdeProcedure *const procedures[] = {
    &sde_inpaint_procedure,
    &sde_denoise_procedure,
    &sde_restyle_procedure,
};

#define SDE_TYPE_PLUG_IN (sde_plug_in_get_type())
G_DECLARE_FINAL_TYPE(SdePlugIn, sde_plug_in, SDE, PLUG_IN, GimpPlugIn)

struct _SdePlugIn {
    GimpPlugIn parent_instance;
};

G_DEFINE_FINAL_TYPE(SdePlugIn, sde_plug_in, GIMP_TYPE_PLUG_IN)

static GList *
query_procedures(GimpPlugIn *plug_in)
{
    g_autofree char *folder = g_path_get_dirname(gimp_get_progname());
    g_autoptr(GFile) help = g_file_new_build_filename(folder, "help", NULL);
    GList *names = NULL;

    gimp_plug_in_set_help_domain(plug_in, "sdedit", help);

    for (size_t i = 0; i < G_N_ELEMENTS(procedures); i++) {
        names = g_list_append(names, g_strdup(procedures[i]->name));
    }
    return names;
}

static GimpProcedure *
create_procedure(GimpPlugIn *plug_in, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(procedures); i++) {
        if (g_str_equal(name, procedures[i]->name)) {
            return sde_procedure_new(plug_in, procedures[i]);
        }
    }
    return NULL;
}

/* babl takes the conversion of pixels that was fastest when it tried some that are
 * about right, so a value half way between two of 8 bits went this way or that from one
 * run to the next. Only exact ones give the same pixels again. And its tables of all
 * 8-bit colours take 300 MB and longer to make than photos take to convert. It reads
 * this at the first conversion, which comes after the class. */
static void
set_up_babl(void)
{
    g_setenv("BABL_TOLERANCE", "0.0000000001", FALSE);
    g_setenv("BABL_LUT", "0", FALSE);
}

static void
sde_plug_in_class_init(SdePlugInClass *klass)
{
    GimpPlugInClass *plug_in_class = GIMP_PLUG_IN_CLASS(klass);

    set_up_babl();
    plug_in_class->query_procedures = query_procedures;
    plug_in_class->create_procedure = create_procedure;
}

static void
sde_plug_in_init(SdePlugIn *plug_in)
{
}

GIMP_MAIN(SDE_TYPE_PLUG_IN)
