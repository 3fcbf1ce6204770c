/* What stands in the import tables in place of the originals. */
#ifndef PM_HOOKS_H
#define PM_HOOKS_H

#include "real.h"

#define PM_DECLARE(name, result, parameters) result pm_hook_##name parameters;
PM_FUNCTIONS(PM_DECLARE)
#undef PM_DECLARE

#endif
