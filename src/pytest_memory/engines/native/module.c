/* The Python face of the C core: values in, tuples out. What they mean is said in native/__init__.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../../extension.h"
#include "../../named.h"
#include "engine.h"
#include "frames.h"
#include "patch.h"
#include "sites.h"
#include "stacks.h"
#include "telling.h"

/* What opens windows as one request asks. */
struct opener_object {
    PyObject_HEAD
    struct pm_request wanted;
    struct pm_telling telling;
};

struct window_object {
    PyObject_HEAD
    struct pm_session session;
    bool open;
    struct opener_object *opener;
};

static PyObject *refuse(const char *reason) {
    PyErr_SetString(PyExc_RuntimeError, reason);
    return NULL;
}

/* The kinds of tuple that a window answers with. */
static PyObject *usage_type, *reading_type;

static PyObject *usage_of(const struct pm_reading *reading) {
    PyObject *values[] = {PyLong_FromLongLong(reading->peak), PyLong_FromLongLong(reading->allocated),
                          PyLong_FromLongLong(reading->allocations), PyLong_FromLongLong(reading->retained)};
    return pm_named(usage_type, 4, values);
}

static PyObject *reading_of(PyObject *usage, const char *reason) {
    PyObject *values[] = {usage, PyTuple_New(0), PyTuple_New(0), PyUnicode_FromString(reason)};
    return pm_named(reading_type, 4, values);
}

static PyObject *reading_with_sites(struct window_object *self, PyObject *usage, int64_t peak) {
    PyObject *sites, *leaked;
    if (!usage || !pm_tell(&self->opener->telling, &self->session, peak, &sites, &leaked)) {
        Py_XDECREF(usage);
        return NULL;
    }
    PyObject *values[] = {usage, sites, leaked, PyUnicode_FromString("")};
    return pm_named(reading_type, 4, values);
}

static void unmute(void) {
    if (pm_muted(&pm_self)) pm_self.standing -= PM_MUTED; /* a fork in between has unmuted the child */
}

static PyObject *answer(struct window_object *self, const char *reason, const struct pm_reading *reading) {
    if (reason) return reading_of(Py_NewRef(Py_None), reason);
    PyObject *usage = usage_of(reading);
    return self->session.request.sites ? reading_with_sites(self, usage, reading->peak) : reading_of(usage, "");
}

PyDoc_STRVAR(close_doc, "close() -> a reading");

/* Written in C so that closing a window allocates nothing in it, not even a frame. */
static PyObject *window_close(PyObject *object, PyObject *unused) {
    (void)unused;
    struct window_object *self = (struct window_object *)object;
    if (!self->open) return refuse("the window is closed");
    self->open = false;
    struct pm_reading reading = {0};
    const char *reason = pm_engine_close(&self->session, &reading);
    pm_self.standing += PM_MUTED;
    PyObject *result = answer(self, reason, &reading);
    pm_engine_release(&self->session);
    unmute();
    return result;
}

static int window_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((struct window_object *)object)->opener);
    return 0;
}

static int window_clear(PyObject *object) {
    Py_CLEAR(((struct window_object *)object)->opener);
    return 0;
}

static void window_dealloc(PyObject *object) {
    struct window_object *self = (struct window_object *)object;
    PyObject_GC_UnTrack(object);
    if (self->open) { /* nobody will ask */
        struct pm_reading reading;
        pm_engine_close(&self->session, &reading);
        pm_engine_release(&self->session);
    }
    window_clear(object);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef window_methods[] = {
    {"close", window_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot window_slots[] = {
    {Py_tp_dealloc, window_dealloc},
    {Py_tp_traverse, window_traverse},
    {Py_tp_clear, window_clear},
    {Py_tp_methods, window_methods},
    {Py_tp_doc, "An open window; made by Opener.open()."},
    {0, NULL},
};

static PyType_Spec window_spec = {
    .name = "pytest_memory.engines.native._native.Window",
    .basicsize = sizeof(struct window_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = window_slots,
};

static PyTypeObject *window_type;

PyDoc_STRVAR(answers_doc, "answers(reading, usage) -> None\n\n"
                          "The kinds of tuple that windows answer with: a reading is (usage or None, sites, leaked sites,\n"
                          "why there is no usage), a usage (peak, allocated, allocations, retained).");

static PyObject *module_answers(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *reading, *usage;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyType_Type, &reading, &PyType_Type, &usage)) return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)reading, &PyTuple_Type) ||
        !PyType_IsSubtype((PyTypeObject *)usage, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "two kinds of tuple are wanted");
        return NULL;
    }
    Py_XSETREF(reading_type, Py_NewRef(reading));
    Py_XSETREF(usage_type, Py_NewRef(usage));
    Py_RETURN_NONE;
}

/* True if it is worth trying again: other threads were loading something, and are done with it. */
static bool let_loads_finish(const char *reason, int tries) {
    if (reason != pm_unsettled || tries == PM_PATIENCE) return false;
    Py_BEGIN_ALLOW_THREADS
    pm_patch_settle();
    Py_END_ALLOW_THREADS
    return true;
}

PyDoc_STRVAR(open_doc, "open(seed) -> Window\n\nRaises WindowRefused (or its base, RuntimeError, if that cannot be\n"
                       "loaded) with the reason why there is none.");

/* Its class is loaded when there is one: a reference kept here would outlive the interpreter's last collection. */
static PyObject *raise_refusal(const char *reason) {
    PyObject *errors = PyImport_ImportModule("pytest_memory.errors");
    PyObject *kind = errors ? PyObject_GetAttrString(errors, "WindowRefused") : NULL;
    if (!kind && !PyErr_ExceptionMatches(PyExc_Exception)) { /* a Ctrl-C, say */
        Py_XDECREF(errors);
        return NULL;
    }
    if (!kind) PyErr_Clear(); /* most refusals are for want of memory: then it cannot be loaded either */
    PyErr_SetString(kind ? kind : PyExc_RuntimeError, reason);
    Py_XDECREF(kind);
    Py_XDECREF(errors);
    return NULL;
}

/* Called inside windows too, so it takes one argument, for which the interpreter allocates nothing. */
static PyObject *opener_open(PyObject *object, PyObject *seed) {
    struct opener_object *self = (struct opener_object *)object;
    uint64_t value = PyLong_AsUnsignedLongLongMask(seed);
    if (PyErr_Occurred()) return NULL;
    pm_self.standing += PM_MUTED;
    struct window_object *window = (struct window_object *)window_type->tp_alloc(window_type, 0);
    unmute();
    if (!window) return NULL;
    window->opener = (struct opener_object *)Py_NewRef(object);
    window->session.request = self->wanted;
    window->session.request.seed = value;
    const char *reason;
    int tries = 0;
    do {
        reason = pm_engine_open(&window->session);
    } while (reason && let_loads_finish(reason, tries++));
    if (reason) {
        Py_DECREF(window);
        return raise_refusal(reason);
    }
    window->open = true;
    return (PyObject *)window;
}

static int opener_traverse(PyObject *object, visitproc visit, void *arg) {
    struct opener_object *self = (struct opener_object *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->telling.frames);
    Py_VISIT(self->telling.kind);
    Py_VISIT(self->telling.no_python);
    Py_VISIT(self->telling.no_room);
    Py_VISIT(self->telling.renamed);
    return 0;
}

static int opener_clear(PyObject *object) {
    struct opener_object *self = (struct opener_object *)object;
    Py_CLEAR(self->telling.frames);
    Py_CLEAR(self->telling.kind);
    Py_CLEAR(self->telling.no_python);
    Py_CLEAR(self->telling.no_room);
    Py_CLEAR(self->telling.renamed);
    return 0;
}

static void opener_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    opener_clear(object);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef opener_methods[] = {
    {"open", opener_open, METH_O, open_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot opener_slots[] = {
    {Py_tp_dealloc, opener_dealloc},
    {Py_tp_traverse, opener_traverse},
    {Py_tp_clear, opener_clear},
    {Py_tp_methods, opener_methods},
    {Py_tp_doc, "What opens windows as one request asks; made by opener()."},
    {0, NULL},
};

static PyType_Spec opener_spec = {
    .name = "pytest_memory.engines.native._native.Opener",
    .basicsize = sizeof(struct opener_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = opener_slots,
};

static PyTypeObject *opener_type;

PyDoc_STRVAR(opener_doc, "opener(ledger, every, thread_only, outside, stacks, limit, leaks, coarse=False) -> Opener\n\n"
                         "stacks: None to capture no call stacks, or what they are told as, (frames, site, no_python,\n"
                         "no_room, renamed). frames: a dict of the frames known so far by (code << 32 | line), which makes\n"
                         "those that are missing. site: a kind of tuple, of (bytes, count, frames). no_python, no_room: the\n"
                         "frames of a stack without any of Python's, and of all those that found no room. renamed: makes of\n"
                         "a stack's frames those to be shown, or None.\n"
                         "limit: how many stacks live at the peak are told of; negative for all. leaks: those with\n"
                         "something live at the end are, too. coarse: a sample is to be small.");

static bool tell_as(struct pm_telling *telling, PyObject *stacks) {
    PyObject *frames, *kind, *no_python, *no_room, *renamed;
    if (!PyTuple_Check(stacks) || !PyArg_ParseTuple(stacks, "O!O!O!O!O", &PyDict_Type, &frames, &PyType_Type, &kind,
                                                    &PyTuple_Type, &no_python, &PyTuple_Type, &no_room, &renamed)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "None or a tuple says what call stacks are told as");
        return false;
    }
    if (!PyType_IsSubtype((PyTypeObject *)kind, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "a site is a kind of tuple");
        return false;
    }
    telling->frames = Py_NewRef(frames);
    telling->kind = Py_NewRef(kind);
    telling->no_python = Py_NewRef(no_python);
    telling->no_room = Py_NewRef(no_room);
    telling->renamed = Py_NewRef(renamed);
    return true;
}

static PyObject *module_opener(PyObject *module, PyObject *arguments) {
    (void)module;
    int ledger, every, thread_only, outside, leaks, coarse = 0;
    Py_ssize_t limit;
    PyObject *stacks;
    if (!PyArg_ParseTuple(arguments, "ippiOnp|p", &ledger, &every, &thread_only, &outside, &stacks, &limit, &leaks,
                          &coarse)) {
        return NULL;
    }
    if (ledger < 0 || ledger >= PM_LEDGERS) return refuse("there is no such ledger");
    if (!reading_type) return refuse("answers() has not said what windows answer with");
    struct opener_object *opener = (struct opener_object *)opener_type->tp_alloc(opener_type, 0);
    if (!opener) return NULL;
    bool sites = stacks != Py_None;
    opener->wanted = (struct pm_request){
        .ledger = ledger, .sites = sites, .every = every, .thread_only = thread_only, .coarse = coarse, .outside = outside};
    opener->telling = (struct pm_telling){.limit = limit, .leaks = leaks};
    if (sites && !tell_as(&opener->telling, stacks)) Py_CLEAR(opener);
    return (PyObject *)opener;
}

PyDoc_STRVAR(code_doc, "code(ledger, number) -> (filename, name)");

static PyObject *module_code(PyObject *module, PyObject *arguments) {
    (void)module;
    unsigned int number;
    int ledger;
    if (!PyArg_ParseTuple(arguments, "iI", &ledger, &number)) return NULL;
    struct pm_stacks *stacks = ledger >= 0 && ledger < PM_LEDGERS ? pm_sites_stacks(ledger) : NULL;
    struct pm_text filename, name;
    if (!stacks || !pm_stacks_code(stacks, number, &filename, &name)) return refuse("there is no such code");
    PyObject *first = PyUnicode_DecodeUTF8(filename.bytes, (Py_ssize_t)filename.length, "surrogatepass");
    PyObject *second = first ? PyUnicode_DecodeUTF8(name.bytes, (Py_ssize_t)name.length, "surrogatepass") : NULL;
    if (!second) {
        Py_XDECREF(first);
        return NULL;
    }
    return Py_BuildValue("(NN)", first, second);
}

PyDoc_STRVAR(line_doc, "line(code, offset) -> int\n\nOf the instruction at a byte offset, as it is shown.");

static PyObject *module_line(PyObject *module, PyObject *arguments) {
    (void)module;
    struct pm_frame frame = {0};
    PyObject *code;
    int offset;
    if (!PyArg_ParseTuple(arguments, "O!i", &PyCode_Type, &code, &offset)) return NULL;
    frame.code = code;
    frame.first_line = ((PyCodeObject *)code)->co_firstlineno;
    frame.instruction = offset;
    return PyLong_FromLong(pm_frames_line(&frame));
}

PyDoc_STRVAR(generation_doc, "generation(ledger) -> int\n\nMoves when the numbers of code objects begin anew.");

static PyObject *module_generation(PyObject *module, PyObject *argument) {
    (void)module;
    long ledger = PyLong_AsLong(argument);
    if (ledger == -1 && PyErr_Occurred()) return NULL;
    struct pm_stacks *stacks = ledger >= 0 && ledger < PM_LEDGERS ? pm_sites_stacks((int)ledger) : NULL;
    return PyLong_FromUnsignedLong(stacks ? pm_stacks_generation(stacks) : 0);
}

static PyObject *module_aside(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    pm_engine_aside();
    Py_RETURN_NONE;
}

static PyObject *module_shutdown(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    pm_engine_shutdown();
    Py_RETURN_NONE;
}

static PyObject *module_held(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    size_t total = 0;
    for (int which = 0; which < PM_LEDGERS; which++) {
        total += pm_shadow_resident(&pm_ledgers[which].blocks) + pm_shadow_resident(&pm_ledgers[which].marks);
        total += pm_sites_resident(&pm_ledgers[which]);
    }
    return PyLong_FromSize_t(total);
}

struct paths {
    char *text;
    size_t used, room;
};

/* The loader's lock is held: nothing may be allocated that a hook of another thread could be waiting with. */
static void collect_path(const char *path, void *context) {
    struct paths *paths = context;
    size_t length = strlen(path) + 1;
    if (paths->used + length <= paths->room) memcpy(paths->text + paths->used, path, length);
    if (paths->used + length <= paths->room) paths->used += length;
}

static PyObject *module_libraries(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    struct paths paths = {PyMem_RawMalloc(1 << 20), 0, 1 << 20};
    if (!paths.text) return PyErr_NoMemory();
    pm_patch_objects(collect_path, &paths);
    PyObject *list = PyList_New(0);
    for (size_t at = 0; list && at < paths.used; at += strlen(paths.text + at) + 1) {
        PyObject *item = PyUnicode_DecodeFSDefault(paths.text + at);
        if (!item || PyList_Append(list, item) < 0) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    PyMem_RawFree(paths.text);
    return list;
}

PyDoc_STRVAR(install_doc, "install() -> None\n\nRaises RuntimeError with the reason why the engine cannot run here.");

static PyObject *module_install(PyObject *module, PyObject *unused) {
    (void)unused;
    /* Windows would answer with kinds of tuple that are another's, and go with it. */
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) return refuse("this is an interpreter inside another");
    const char *reason;
    int tries = 0;
    do {
        reason = pm_engine_install((const void *)&PyObject_Malloc);
    } while (reason && let_loads_finish(reason, tries++));
    if (reason) return refuse(reason);
    static bool registered;
    if (registered) Py_RETURN_NONE;
    PyObject *hooks = PyImport_ImportModule("atexit");
    PyObject *shutdown = hooks ? PyObject_GetAttrString(module, "shutdown") : NULL;
    PyObject *result = shutdown ? PyObject_CallMethod(hooks, "register", "O", shutdown) : NULL;
    registered = result != NULL;
    Py_XDECREF(hooks);
    Py_XDECREF(shutdown);
    Py_XDECREF(result);
    if (!registered) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"install", module_install, METH_NOARGS, install_doc},
    {"answers", module_answers, METH_VARARGS, answers_doc},
    {"opener", module_opener, METH_VARARGS, opener_doc},
    {"code", module_code, METH_VARARGS, code_doc},
    {"line", module_line, METH_VARARGS, line_doc},
    {"generation", module_generation, METH_O, generation_doc},
    {"aside", module_aside, METH_NOARGS, "Unhook the Python allocators, if no window needs them."},
    {"shutdown", module_shutdown, METH_NOARGS, "Stop counting for good."},
    {"held", module_held, METH_NOARGS, "Resident bytes of the engine's own tables. Slow."},
    {"libraries", module_libraries, METH_NOARGS, "Paths of the loaded shared objects."},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module) {
    if (!window_type && !(window_type = (PyTypeObject *)PyType_FromSpec(&window_spec))) return -1;
    if (!opener_type && !(opener_type = (PyTypeObject *)PyType_FromSpec(&opener_spec))) return -1;
    return PyModule_AddIntConstant(module, "MALLOC", PM_MALLOC) < 0 ||
                   PyModule_AddIntConstant(module, "PYTHON", PM_PYTHON) < 0 ||
                   PyModule_AddIntConstant(module, "KEPT_FRAMES", PM_KEPT_FRAMES) < 0
               ? -1
               : 0;
}

PM_EXTENSION(_native, "The C core of the native heap engine.", methods, module_exec)
