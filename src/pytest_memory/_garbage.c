/* A package's code out of the garbage collector's sight: gc.freeze() for some objects, where that takes all there are.
 *
 * What is hidden is kept alive until it is shown again. To free an untracked object is what the deallocators of many
 * types do not expect; everything else is, since any object may be untracked (see PyObject_GC_UnTrack in the manual).
 */
#include "extension.h"

#include <stdbool.h>

struct hidden {
    PyObject_HEAD
    PyObject *package;  /* its name */
    PyObject **objects; /* each of them referred to */
    Py_ssize_t count, room;
    PyObject *inside;             /* what is being looked through */
    PyObject *globals, *builtins; /* where it runs, if it is a function: a decorator's may be another module's */
};

static void show(struct hidden *self) {
    while (self->count) {
        PyObject *object = self->objects[--self->count];
        if (!PyObject_GC_IsTracked(object)) PyObject_GC_Track(object); /* a dict may be again, by itself */
        Py_DECREF(object);
    }
    PyMem_Free(self->objects);
    self->objects = NULL;
    self->room = 0;
}

/* Once: what is hidden is not tracked any more. */
static bool hide(struct hidden *self, PyObject *object) {
    if (!PyObject_IS_GC(object) || !PyObject_GC_IsTracked(object)) return true;
    if (self->count == self->room) {
        Py_ssize_t room = 2 * self->room + 1024;
        PyObject **objects = PyMem_Realloc(self->objects, (size_t)room * sizeof *objects);
        if (!objects) {
            PyErr_NoMemory();
            return false;
        }
        self->objects = objects;
        self->room = room;
    }
    PyObject_GC_UnTrack(object);
    self->objects[self->count++] = Py_NewRef(object);
    return true;
}

static bool is_code(PyObject *object) { return PyFunction_Check(object) || PyType_Check(object); }

static bool is_of_package(struct hidden *self, PyObject *object) {
    PyObject *name = NULL;
    if (PyFunction_Check(object)) name = PyFunction_GET_MODULE(object);
    if (PyType_Check(object) && PyType_HasFeature((PyTypeObject *)object, Py_TPFLAGS_HEAPTYPE)) { /* others have no dict */
        name = PyDict_GetItemString(((PyTypeObject *)object)->tp_dict, "__module__");
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(self->package);
    return name && PyUnicode_Check(name) && PyUnicode_Tailmatch(name, self->package, 0, PY_SSIZE_T_MAX, -1) == 1 &&
           (PyUnicode_GET_LENGTH(name) == length || PyUnicode_READ_CHAR(name, length) == '.');
}

/* What functions and classes consist of: containers (not those that lie in them), descriptors, functions and classes. */
static int hide_part(PyObject *part, void *argument) {
    struct hidden *self = argument;
    if (part == self->globals || part == self->builtins) return 0;
    bool container = PyDict_CheckExact(part) || PyTuple_CheckExact(part);
    bool mine = is_code(part) ? is_of_package(self, part)
                : container   ? is_code(self->inside)
                              : PyCell_Check(part) || Py_TYPE(part)->tp_descr_get;
    return mine && !hide(self, part) ? -1 : 0;
}

static bool look_through(struct hidden *self, PyObject *object) {
    bool function = PyFunction_Check(object);
    self->inside = object;
    self->globals = function ? PyFunction_GET_GLOBALS(object) : NULL;
    self->builtins = function ? ((PyFunctionObject *)object)->func_builtins : NULL;
    return Py_TYPE(object)->tp_traverse(object, hide_part, self) == 0;
}

static bool hide_members(struct hidden *self, PyObject *globals) {
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(globals, &position, &key, &value)) {
        if (is_code(value) && is_of_package(self, value) && !hide(self, value)) return false;
    }
    return true;
}

static bool hide_code(struct hidden *self, PyObject *modules, PyObject *others) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(others); i++) {
        if (!hide(self, PyList_GET_ITEM(others, i))) return false;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(modules); i++) {
        PyObject *module = PyList_GET_ITEM(modules, i);
        if (!PyModule_Check(module)) {
            PyErr_SetString(PyExc_TypeError, "modules are wanted");
            return false;
        }
        if (!hide(self, module) || !hide(self, PyModule_GetDict(module))) return false;
    }
    Py_ssize_t next = self->count; /* of what was hidden so far, no more than the functions and classes of the modules */
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(modules); i++) {
        if (!hide_members(self, PyModule_GetDict(PyList_GET_ITEM(modules, i)))) return false;
    }
    for (; next < self->count; next++) { /* it grows meanwhile */
        if (!look_through(self, self->objects[next])) return false;
    }
    return true;
}

static PyObject *hidden_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *package, *modules, *others;
    static char *names[] = {"package", "modules", "others", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "UO!O!", names, &package, &PyList_Type, &modules, &PyList_Type,
                                     &others)) {
        return NULL;
    }
    struct hidden *self = (struct hidden *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->package = Py_NewRef(package);
    if (!hide_code(self, modules, others)) Py_CLEAR(self);
    return (PyObject *)self;
}

static void hidden_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    show((struct hidden *)object);
    Py_XDECREF(((struct hidden *)object)->package);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_ssize_t hidden_length(PyObject *object) { return ((struct hidden *)object)->count; }

PyDoc_STRVAR(show_doc, "show() -> None\n\nShow them to the collector again; a second call does nothing.");

static PyObject *hidden_show(PyObject *object, PyObject *nothing) {
    (void)nothing;
    show((struct hidden *)object);
    Py_RETURN_NONE;
}

static PyMethodDef hidden_methods[] = {
    {"show", hidden_show, METH_NOARGS, show_doc},
    {NULL, NULL, 0, NULL},
};

/* It takes no part in collections itself: what it holds would be seen through it. */
static PyType_Slot hidden_slots[] = {
    {Py_tp_new, hidden_new},
    {Py_tp_dealloc, hidden_dealloc},
    {Py_tp_methods, hidden_methods},
    {Py_sq_length, hidden_length},
    {Py_tp_doc, "Hidden(package, modules, others)\n\n"
                "These modules of a package, their functions and classes and what those consist of, and these other\n"
                "objects, out of the collector's sight until show() is called or this object goes."},
    {0, NULL},
};

static PyType_Spec hidden_spec = {
    .name = "pytest_memory._garbage.Hidden",
    .basicsize = sizeof(struct hidden),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = hidden_slots,
};

static int module_exec(PyObject *module) {
    return pm_offer_type(module, "Hidden", PyType_FromSpec(&hidden_spec));
}

PM_EXTENSION(_garbage, "A package's code out of the collector's sight.", NULL, module_exec)
