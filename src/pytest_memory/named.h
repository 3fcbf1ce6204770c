/* Making named tuples in C: what calling their class does, without the call. */
#ifndef PM_NAMED_H
#define PM_NAMED_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

/* A tuple of that kind, with as many values as the kind has fields. Takes the values over; NULL, with an exception set,
 * if one of them is NULL already. */
static inline PyObject *pm_named(PyObject *kind, Py_ssize_t count, PyObject *const *values) {
    PyTypeObject *type = (PyTypeObject *)kind;
    bool whole = true;
    for (Py_ssize_t i = 0; i < count; i++) whole = whole && values[i];
    PyObject *made = NULL;
    if (whole) made = type == &PyTuple_Type ? PyTuple_New(count) : type->tp_alloc(type, count);
#if PY_VERSION_HEX >= 0x030E0000 /* a tuple keeps its hash, and 0 would be one */
    if (made) ((PyTupleObject *)made)->ob_hash = -1;
#endif
    for (Py_ssize_t i = 0; i < count; i++) {
        if (made) {
            PyTuple_SET_ITEM(made, i, values[i]);
        } else {
            Py_XDECREF(values[i]);
        }
    }
    return made;
}

#endif
