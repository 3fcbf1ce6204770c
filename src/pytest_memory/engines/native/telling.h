/* Call stacks of a window that has closed, as Python objects. */
#ifndef PM_TELLING_H
#define PM_TELLING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "engine.h"

/* Where there are more, none is kept for the next window: they take memory, and time of whoever goes through them. */
enum { PM_KEPT_FRAMES = 4096 };

/* How an opener's windows tell of their stacks. */
struct pm_telling {
    PyObject *frames;  /* a dict by place, which makes those that are missing */
    Py_ssize_t limit;  /* how many stacks live at the peak; negative for all */
    bool leaks;        /* those with something live at the end, too */
};

/* What stacks are told as: a kind of tuple, the frames of a stack that has none and of those that found no room, and what
 * makes other frames of a stack's, or None. */
bool pm_telling_as(PyObject *kind, PyObject *no_python, PyObject *no_room, PyObject *renamed);
bool pm_telling_ready(void);

/* Two tuples of sites, the largest first: live at the peak, and leaked. False with an exception set. */
bool pm_tell(const struct pm_telling *telling, struct pm_session *session, int64_t peak, PyObject **at_peak,
             PyObject **leaked);

#endif
