/* The Python object allocators (domains OBJ and MEM; RAW reaches malloc), hooked from the first window that counts them on. */
#ifndef PM_PYALLOC_H
#define PM_PYALLOC_H

#include <stdbool.h>

/* The interpreter's lock is held in all of these. */

/* Hook them, unless an allocation already passes through us. NULL, or the reason why that cannot be done now. */
const char *pm_pyalloc_hook(void);

/* Take the hooks out, where nobody stands on top of them and none of those beneath is one that cannot be put back now. */
void pm_pyalloc_unhook(void);

/* Does an allocation pass through the hooks, whoever else stands in the way? */
bool pm_pyalloc_intact(void);

#endif
