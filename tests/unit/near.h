/* Equality of numbers up to a tolerance. GLib's own macro prints long doubles, of which
 * clang warns. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <math.h>

#define assert_near(found, expected, tolerance)                                     \
    do {                                                                            \
        double found_value = (found), expected_value = (expected);                  \
        if (!(fabs(found_value - expected_value) <= (tolerance))) {                 \
            g_error("%s: %s is %.9g, expected %.9g", G_STRLOC, #found, found_value, \
                    expected_value);                                                \
        }                                                                           \
    } while (0)
