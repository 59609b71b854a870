/* Short names for gettext; the domain is bound by libgimp (domain "sdedit", folder
 * locale/ inside the plug-in's own folder). SPDX-License-Identifier: GPL-3.0-or-later
 */
#pragma once

#include <glib/gi18n.h>
