/* Writes the cells of a breadcrumb, byte for byte as PythonCells in cells.py does.
 *
 * Four states and a name go with every test. In Python a state took a microsecond, and a name two.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "breadcrumbs are little-endian"
#endif

enum { STATE_BYTES = 29, NAME_HEAD = 12, SETUP = 1 };

struct cells {
    PyObject_HEAD
    Py_buffer memory; /* `obj` is NULL when it was let go */
    Py_ssize_t states[2], names, stride, room;
    PyObject *clock; /* NULL: the system's */
    uint64_t generation;
    uint32_t number;
    double begun;
};

static uint32_t crc_table[256];

static void make_crc_table(void) {
    for (uint32_t value = 0; value < 256; value++) {
        uint32_t remainder = value;
        for (int bit = 0; bit < 8; bit++) remainder = remainder & 1 ? 0xEDB88320u ^ (remainder >> 1) : remainder >> 1;
        crc_table[value] = remainder;
    }
}

/* That of zlib: CRC-32/ISO-HDLC. */
static uint32_t crc32(const unsigned char *bytes, size_t length) {
    uint32_t remainder = 0xFFFFFFFFu;
    for (size_t i = 0; i < length; i++) remainder = crc_table[(remainder ^ bytes[i]) & 0xFF] ^ (remainder >> 8);
    return ~remainder;
}

/* Monotonic seconds; below 0 with an exception set. */
static double look(const struct cells *self) {
    if (!self->clock) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    }
    PyObject *said = PyObject_CallNoArgs(self->clock);
    double now = said ? PyFloat_AsDouble(said) : -1;
    Py_XDECREF(said);
    return now;
}

static bool read_activity(PyObject *number, unsigned char *activity) {
    long value = PyLong_AsLong(number);
    if (value == -1 && PyErr_Occurred()) return false;
    if (value < 0 || value > UCHAR_MAX) {
        PyErr_Format(PyExc_ValueError, "there is no activity %ld", value);
        return false;
    }
    *activity = (unsigned char)value;
    return true;
}

/* To be asked after whatever may run somebody's Python: it might close the breadcrumb. */
static bool writable(const struct cells *self) {
    if (self->memory.obj) return true;
    PyErr_SetString(PyExc_ValueError, "the breadcrumb is closed");
    return false;
}

static void write_state(struct cells *self, unsigned char activity, double now) {
    unsigned char cell[STATE_BYTES + sizeof(uint32_t)];
    uint64_t generation = ++self->generation;
    memcpy(cell, &generation, 8);
    memcpy(cell + 8, &now, 8);
    memcpy(cell + 16, &self->begun, 8);
    memcpy(cell + 24, &self->number, 4);
    cell[28] = activity;
    uint32_t check = crc32(cell, STATE_BYTES);
    memcpy(cell + STATE_BYTES, &check, sizeof check);
    memcpy((char *)self->memory.buf + self->states[generation & 1], cell, sizeof cell);
}

static void write_name(struct cells *self, const char *name, Py_ssize_t length) {
    if (length > self->room) length = self->room;
    uint32_t number = ++self->number;
    uint32_t head[] = {number, (uint32_t)length, crc32((const unsigned char *)name, (size_t)length)};
    char *cell = (char *)self->memory.buf + self->names + (number & 1) * self->stride;
    memcpy(cell, head, NAME_HEAD);
    memcpy(cell + NAME_HEAD, name, (size_t)length);
}

/* The time, written together with what is done from now on. */
static PyObject *write_now(struct cells *self, unsigned char activity, bool begins) {
    double now = look(self);
    if ((now < 0 && PyErr_Occurred()) || !writable(self)) return NULL;
    if (begins) self->begun = now;
    write_state(self, activity, now);
    return PyFloat_FromDouble(now);
}

static PyObject *cells_begin(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    struct cells *self = (struct cells *)object;
    if (count < 1 || count > 2 || !PyUnicode_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "begin() takes a name and an activity");
        return NULL;
    }
    unsigned char activity = SETUP;
    if (count > 1 && !read_activity(arguments[1], &activity)) return NULL;
    if (PyUnicode_IS_COMPACT_ASCII(arguments[0])) {
        if (!writable(self)) return NULL;
        write_name(self, (const char *)PyUnicode_1BYTE_DATA(arguments[0]), PyUnicode_GET_LENGTH(arguments[0]));
    } else { /* not PyUnicode_AsUTF8: that would leave what it makes on the text */
        PyObject *encoded = PyUnicode_AsEncodedString(arguments[0], "utf-8", "surrogatepass");
        bool ready = encoded && writable(self);
        if (ready) write_name(self, PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded));
        Py_XDECREF(encoded);
        if (!ready) return NULL;
    }
    return write_now(self, activity, true);
}

static PyObject *cells_enter(PyObject *object, PyObject *number) {
    unsigned char activity;
    return read_activity(number, &activity) ? write_now((struct cells *)object, activity, false) : NULL;
}

static PyObject *cells_release(PyObject *object, PyObject *unused) {
    (void)unused;
    PyBuffer_Release(&((struct cells *)object)->memory); /* a second time it does nothing */
    Py_RETURN_NONE;
}

static PyObject *cells_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *memory, *clock = Py_None;
    Py_ssize_t states[2], names, stride, room;
    if (named && PyDict_GET_SIZE(named)) {
        PyErr_SetString(PyExc_TypeError, "Cells() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "O(nn)nnn|O", &memory, &states[0], &states[1], &names, &stride, &room, &clock))
        return NULL;
    struct cells *self = (struct cells *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->states[0] = states[0];
    self->states[1] = states[1];
    self->names = names;
    self->stride = stride;
    self->room = room;
    self->clock = clock == Py_None ? NULL : Py_NewRef(clock);
    if (PyObject_GetBuffer(memory, &self->memory, PyBUF_WRITABLE) == 0) {
        Py_ssize_t cell = STATE_BYTES + (Py_ssize_t)sizeof(uint32_t), length = self->memory.len;
        bool fits = states[0] >= 0 && states[0] <= length - cell && states[1] >= 0 && states[1] <= length - cell;
        fits = fits && names >= 0 && room >= 0 && stride >= room + NAME_HEAD && names + 2 * stride <= length;
        if (fits) return (PyObject *)self;
        PyErr_SetString(PyExc_ValueError, "the cells do not fit into the memory");
    }
    Py_DECREF(self);
    return NULL;
}

static void cells_dealloc(PyObject *object) {
    struct cells *self = (struct cells *)object;
    PyBuffer_Release(&self->memory);
    Py_XDECREF(self->clock);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef cells_methods[] = {
    {"begin", (PyCFunction)(void (*)(void))cells_begin, METH_FASTCALL, "begin(nodeid, activity=1) -> the time"},
    {"enter", cells_enter, METH_O, "enter(activity) -> the time"},
    {"release", cells_release, METH_NOARGS, "release() -> None; nothing can be written any more"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cells_slots[] = {
    {Py_tp_new, cells_new},
    {Py_tp_dealloc, cells_dealloc},
    {Py_tp_methods, cells_methods},
    {Py_tp_doc, "Cells(memory, states, names, stride, room, clock=None): see Cells in cells.py."},
    {0, NULL},
};

static PyType_Spec cells_spec = {
    .name = "pytest_memory.recorder._cells.Cells",
    .basicsize = sizeof(struct cells),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = cells_slots,
};

static int module_exec(PyObject *module) {
    make_crc_table();
    PyObject *type = PyType_FromSpec(&cells_spec);
    if (!type) return -1;
    int result = PyModule_AddObjectRef(module, "Cells", type);
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
    PyModuleDef_HEAD_INIT, .m_name = "_cells", .m_doc = "The cells of a breadcrumb.", .m_slots = slots,
};

PyMODINIT_FUNC PyInit__cells(void) { return PyModuleDef_Init(&definition); }
