/* Windows that stand inside each other: what stacked.py says of them, without the interpreter in between. Each test has
 * three. */
#include "extension.h"

#include <stdbool.h>
#include <structmember.h>

struct window {
    PyObject_HEAD
    PyObject *opened;  /* the list of all that are open, the innermost last */
    PyObject *start;   /* opens what measures */
    PyObject *refused; /* makes the answer of a window that measured nothing */
    PyObject *collector;
    PyObject *running; /* what measures, while the window is open */
    PyObject *reading; /* the answer */
    PyTypeObject *kind;
    PyObject *close; /* how what measures is closed, if it is of this kind */
    char nests;
};

static PyTypeObject *window_type;
static PyObject *close_name, *finish_name; /* made once: inside a window they would count */

static struct window *innermost(const struct window *self) {
    Py_ssize_t depth = PyList_GET_SIZE(self->opened);
    return depth ? (struct window *)PyList_GET_ITEM(self->opened, depth - 1) : NULL;
}

static bool is_measuring(struct window *other) {
    return PyObject_TypeCheck((PyObject *)other, window_type) && other->running && other->running != Py_None;
}

static PyObject *caught(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback) PyException_SetTraceback(error, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
#endif
}

/* An error that is a refusal becomes the answer; any other stands. */
static bool answer_refusal(struct window *self) {
    if (!PyErr_ExceptionMatches(PyExc_RuntimeError)) return false;
    PyObject *error = caught(), *reading = PyObject_CallOneArg(self->refused, error);
    Py_DECREF(error);
    Py_XSETREF(self->reading, reading);
    return reading;
}

static PyObject *never_made(void) {
    PyErr_SetString(PyExc_RuntimeError, "the window was never made");
    return NULL;
}

static PyObject *window_begin(PyObject *object, PyObject *seed) {
    struct window *self = (struct window *)object;
    if (!self->start) return never_made();
    struct window *outer = innermost(self);
    bool refused = outer && !self->nests && is_measuring(outer);
    Py_CLEAR(self->reading);
    /* Before what measures is opened: inside it, what this needs would count. */
    if (PyList_Append(self->opened, object) < 0) return NULL;
    if (refused) {
        self->reading = PyObject_CallOneArg(self->refused, Py_None);
        if (!self->reading) return NULL;
        Py_RETURN_NONE;
    }
    PyObject *running = PyObject_CallOneArg(self->start, seed);
    if (!running && !answer_refusal(self)) return NULL;
    Py_XSETREF(self->running, running);
    Py_RETURN_NONE;
}

/* Those left open inside by an exception end with their parent. It may have ended already, with its own. */
static bool end_inner(struct window *self) {
    bool there = false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->opened); i++) {
        there |= PyList_GET_ITEM(self->opened, i) == (PyObject *)self;
    }
    for (struct window *inner; there && (inner = innermost(self)) && inner != self;) {
        PyObject *held = Py_NewRef((PyObject *)inner), *answer = PyObject_CallMethodNoArgs(held, finish_name);
        Py_DECREF(held);
        Py_XDECREF(answer);
        if (!answer) return false;
    }
    return true;
}

/* The type is asked once how: it would take the interpreter as long as all else to find that out anew. */
static PyObject *close_running(struct window *self, PyObject *running) {
    PyTypeObject *kind = Py_TYPE(running);
    if (kind != self->kind) {
        PyObject *close = PyObject_GetAttr((PyObject *)kind, close_name);
        if (!close) return NULL;
        Py_XSETREF(self->close, close);
        Py_XSETREF(self->kind, (PyTypeObject *)Py_NewRef((PyObject *)kind));
    }
    PyObject *close = Py_NewRef(self->close), *answer = PyObject_CallOneArg(close, running);
    Py_DECREF(close);
    return answer;
}

static bool collect(struct window *self) {
    PyObject *found = self->collector == Py_None ? Py_NewRef(Py_None) : PyObject_CallNoArgs(self->collector);
    Py_XDECREF(found);
    return found;
}

/* What a collection calls may end the window, and give it its answer. */
static bool end(struct window *self) {
    if (!is_measuring(self)) return true;
    if (!collect(self)) return false;
    if (!is_measuring(self)) return true;
    PyObject *running = Py_NewRef(self->running), *answer = close_running(self, running);
    Py_DECREF(running);
    if (!answer) return false;
    Py_CLEAR(self->running);
    if (self->reading && self->reading != Py_None) {
        Py_DECREF(answer);
    } else {
        Py_XSETREF(self->reading, answer);
    }
    return true;
}

static PyObject *window_finish(PyObject *object, PyObject *unused) {
    (void)unused;
    struct window *self = (struct window *)object;
    if (!self->start) return never_made();
    if (innermost(self) != self && !end_inner(self)) return NULL;
    if (!end(self)) return NULL;
    /* Only now: shrinking the list would count as an allocation. */
    Py_ssize_t depth = PyList_GET_SIZE(self->opened);
    if (innermost(self) == self && PyList_SetSlice(self->opened, depth - 1, depth, NULL) < 0) return NULL;
    if (self->reading) return Py_NewRef(self->reading);
    PyErr_SetString(PyExc_RuntimeError, "the window was never opened");
    return NULL;
}

static int window_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"opened", "start", "refused", "collector", "nests", NULL};
    struct window *self = (struct window *)object;
    PyObject *opened, *start, *refused, *collector;
    int nests;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!OOOp", names, &PyList_Type, &opened, &start, &refused,
                                     &collector, &nests)) {
        return -1;
    }
    Py_XSETREF(self->opened, Py_NewRef(opened));
    Py_XSETREF(self->start, Py_NewRef(start));
    Py_XSETREF(self->refused, Py_NewRef(refused));
    Py_XSETREF(self->collector, Py_NewRef(collector));
    self->nests = (char)nests;
    return 0;
}

static int window_traverse(PyObject *object, visitproc visit, void *arg) {
    struct window *self = (struct window *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->opened);
    Py_VISIT(self->start);
    Py_VISIT(self->refused);
    Py_VISIT(self->collector);
    Py_VISIT(self->running);
    Py_VISIT(self->reading);
    Py_VISIT((PyObject *)self->kind);
    Py_VISIT(self->close);
    return 0;
}

static int window_clear(PyObject *object) {
    struct window *self = (struct window *)object;
    Py_CLEAR(self->opened);
    Py_CLEAR(self->start);
    Py_CLEAR(self->refused);
    Py_CLEAR(self->collector);
    Py_CLEAR(self->running);
    Py_CLEAR(self->reading);
    Py_CLEAR(self->kind);
    Py_CLEAR(self->close);
    return 0;
}

static void window_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    window_clear(object);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef window_methods[] = {
    {"begin", window_begin, METH_O, "begin(seed) -> None"},
    {"finish", window_finish, METH_NOARGS, "finish() -> the reading"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef window_members[] = {
    {"running", T_OBJECT, offsetof(struct window, running), 0, "What measures, while the window is open."},
    {"reading", T_OBJECT, offsetof(struct window, reading), 0, "The answer."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot window_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, window_init},
    {Py_tp_dealloc, window_dealloc},
    {Py_tp_traverse, window_traverse},
    {Py_tp_clear, window_clear},
    {Py_tp_methods, window_methods},
    {Py_tp_members, window_members},
    {Py_tp_doc, "StackedWindow(opened, start, refused, collector, nests): see stacked.py."},
    {0, NULL},
};

static PyType_Spec window_spec = {
    .name = "pytest_memory._stacked.StackedWindow",
    .basicsize = sizeof(struct window),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = window_slots,
};

static int module_exec(PyObject *module) {
    if (!close_name && !(close_name = PyUnicode_InternFromString("close"))) return -1;
    if (!finish_name && !(finish_name = PyUnicode_InternFromString("finish"))) return -1;
    if (!window_type && !(window_type = (PyTypeObject *)PyType_FromSpec(&window_spec))) return -1;
    return pm_offer_type(module, "StackedWindow", Py_NewRef((PyObject *)window_type));
}

PM_EXTENSION(_stacked, "Windows that stand inside each other.", NULL, module_exec)
