/* Objects out of the garbage collector's sight: gc.freeze() for some of them, where that takes all there are.
 *
 * What is hidden is kept alive until it is shown again. To free an untracked object is what the deallocators of many
 * types do not expect; everything else is, since any object may be untracked (see PyObject_GC_UnTrack in the manual).
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

struct hidden {
    PyObject_HEAD
    Py_ssize_t count;
    PyObject **objects;
};

static void show(struct hidden *self) {
    PyObject **objects = self->objects;
    Py_ssize_t count = self->count;
    self->objects = NULL;
    self->count = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyObject_GC_IsTracked(objects[i])) PyObject_GC_Track(objects[i]); /* a dict may be again, by itself */
    }
    for (Py_ssize_t i = 0; i < count; i++) Py_DECREF(objects[i]); /* only now: any of them may free others */
    PyMem_Free(objects);
}

static PyObject *hidden_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *given;
    static char *names[] = {"objects", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!", names, &PyList_Type, &given)) return NULL;
    struct hidden *self = (struct hidden *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->objects = PyMem_New(PyObject *, (size_t)PyList_GET_SIZE(given) + 1);
    if (!self->objects) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(given); i++) {
        PyObject *object = PyList_GET_ITEM(given, i);
        if (!PyObject_IS_GC(object) || !PyObject_GC_IsTracked(object)) continue; /* also one that is there twice */
        PyObject_GC_UnTrack(object);
        self->objects[self->count++] = Py_NewRef(object);
    }
    return (PyObject *)self;
}

static void hidden_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    show((struct hidden *)object);
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
    {Py_tp_doc, "Hidden(objects: list): those of them that the collector tracks, out of its sight until show()."},
    {0, NULL},
};

static PyType_Spec hidden_spec = {
    .name = "pytest_memory._garbage.Hidden",
    .basicsize = sizeof(struct hidden),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = hidden_slots,
};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromSpec(&hidden_spec);
    if (!type) return -1;
    int result = PyModule_AddObjectRef(module, "Hidden", type);
    Py_DECREF(type);
    return result;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_garbage", .m_doc = "Objects out of the collector's sight.", .m_slots = slots,
};

PyMODINIT_FUNC PyInit__garbage(void) { return PyModuleDef_Init(&definition); }
