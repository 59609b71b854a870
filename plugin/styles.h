/* Names of styles for people. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/* What a style is called in the user's language, if it is one of the default model's;
 * others keep their name, with spaces for underscores. The caller frees it. */
char *sde_style_label(const char *style);
