/* What is the same in every extension of ours: how it becomes a module. */
#ifndef PM_EXTENSION_H
#define PM_EXTENSION_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Add a type to a module, and give up the reference. -1, with an exception set, if there is none or it cannot be done. */
static inline int pm_offer_type(PyObject *module, const char *name, PyObject *type) {
    int result = type ? PyModule_AddObjectRef(module, name, type) : -1;
    Py_XDECREF(type);
    return result;
}

#ifdef Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED
#define PM_ONE_LOCK {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#else
#define PM_ONE_LOCK
#endif

/* The module of a name, filled in by a function; its own functions, or NULL. */
#define PM_EXTENSION(name, documentation, functions, fill)                                                             \
    static PyModuleDef_Slot pm_slots[] = {{Py_mod_exec, fill}, PM_ONE_LOCK{0, NULL}};                                  \
    static struct PyModuleDef pm_definition = {                                                                        \
        PyModuleDef_HEAD_INIT, .m_name = #name, .m_doc = documentation, .m_methods = functions, .m_slots = pm_slots,   \
    };                                                                                                                 \
    PyMODINIT_FUNC PyInit_##name(void) { return PyModuleDef_Init(&pm_definition); }

#endif
