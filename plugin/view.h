/* A part of a layer, which the user moves by dragging and zooms with the wheel or two
 * buttons, and over it what a procedure would make of it. GIMP's own previews show
 * nothing around a selection.
 *
 * Rectangles are in pixels of the layer. Emits "changed" when another part is shown,
 * and when the user asks for the result or no longer wants it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <libgimp/gimpui.h>
#include <stdbool.h>

#define SDE_TYPE_VIEW (sde_view_get_type())
G_DECLARE_FINAL_TYPE(SdeView, sde_view, SDE, VIEW, GtkBox)

/* Takes the pixels, 8 bits a channel. */
GdkPixbuf *sde_view_make_pixbuf(guchar *rgba, int width, int height);

/* Shows the whole layer, in a square of side × side pixels of the screen or less; side
 * <= 500, as GIMP is asked for twice as many and gives 1024. */
SdeView *sde_view_new(GimpDrawable *drawable, int side);
/* A rectangle in the middle, with some of what is around it. */
void sde_view_look_at(SdeView *view, const GeglRectangle *rect);
/* The middle of a rectangle, pixel by pixel. */
void sde_view_look_closely(SdeView *view, const GeglRectangle *rect);

/* What is seen, rounded up to whole pixels; never empty. */
GeglRectangle sde_view_get_shown(SdeView *view);
/* Does the user want to see the result? */
bool sde_view_shows_result(SdeView *view);
/* Pixels that a result should have for one of the layer: 1, or less where that is more
 * than is seen, if drawn between the pixels of the screen. */
double sde_view_get_resolution(SdeView *view);
/* `result` is drawn over `rect` from now on, or nothing (NULL). */
void sde_view_set_result(SdeView *view, GdkPixbuf *result, const GeglRectangle *rect);
