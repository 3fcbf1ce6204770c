/* Call stacks of a window that has closed, as Python objects. */
#ifndef PM_TELLING_H
#define PM_TELLING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "engine.h"

/* Where there are more, none is kept for the next window: they take memory, and time of whoever goes through them. */
enum { PM_KEPT_FRAMES = 4096 };

/* How an opener's windows tell of their stacks. The opener shows all of it to the garbage collector: a class that is held
 * out of its sight holds, through the loader of its module, the whole session. */
struct pm_telling {
    PyObject *frames;    /* a dict by place, which makes those that are missing */
    PyObject *kind;      /* of tuple: a site */
    PyObject *no_python; /* the frames of a stack that has none of Python's */
    PyObject *no_room;   /* those of all that found no room */
    PyObject *renamed;   /* makes of a stack's frames those to be shown, or None */
    Py_ssize_t limit;    /* how many stacks live at the peak; negative for all */
    bool leaks;          /* those with something live at the end, too */
};

/* Two tuples of sites, the largest first: live at the peak, and leaked. False with an exception set. */
bool pm_tell(const struct pm_telling *telling, struct pm_session *session, int64_t peak, PyObject **at_peak,
             PyObject **leaked);

#endif
