/* Writes the cells of a breadcrumb, byte for byte as PythonCells in cells_python.py does.
 *
 * Four states and a name go with every test. In Python a state took a microsecond, and a name two.
 */
#include "_cells.h"

#include "../extension.h"

#include <limits.h>
#include <string.h>
#include <time.h>

enum { STATE_BYTES = 29, NAME_HEAD = 12 };

struct cells {
    PyObject_HEAD
    Py_buffer memory; /* `obj` is NULL when it was let go */
    Py_ssize_t states[2], names, stride, room;
    PyObject *clock; /* NULL: the system's */
    uint64_t generation;
    uint32_t number;
    double begun;
};

/* The remainder of a byte with 0 to 3 zeros behind it: four bytes are looked up at once. */
static uint32_t crc_table[4][256];

static void make_crc_table(void) {
    for (uint32_t value = 0; value < 256; value++) {
        uint32_t remainder = value;
        for (int bit = 0; bit < 8; bit++) remainder = remainder & 1 ? 0xEDB88320u ^ (remainder >> 1) : remainder >> 1;
        crc_table[0][value] = remainder;
    }
    for (int zeros = 1; zeros < 4; zeros++)
        for (int value = 0; value < 256; value++) {
            uint32_t before = crc_table[zeros - 1][value];
            crc_table[zeros][value] = crc_table[0][before & 0xFF] ^ (before >> 8);
        }
}

uint32_t cells_crc32(uint32_t start, const unsigned char *bytes, size_t length) {
    uint32_t remainder = ~start;
    for (; length >= 4; length -= 4, bytes += 4) {
        uint32_t word;
        memcpy(&word, bytes, sizeof word);
        word ^= remainder;
        remainder = crc_table[3][word & 0xFF] ^ crc_table[2][word >> 8 & 0xFF] ^ crc_table[1][word >> 16 & 0xFF] ^
                    crc_table[0][word >> 24];
    }
    for (; length; length--, bytes++) remainder = crc_table[0][(remainder ^ *bytes) & 0xFF] ^ (remainder >> 8);
    return ~remainder;
}

double cells_look(const struct cells *self) {
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

bool cells_read_activity(PyObject *number, unsigned char *activity) {
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
    uint32_t check = cells_crc32(0, cell, STATE_BYTES);
    memcpy(cell + STATE_BYTES, &check, sizeof check);
    memcpy((char *)self->memory.buf + self->states[generation & 1], cell, sizeof cell);
}

static void write_name(struct cells *self, const unsigned char *name, Py_ssize_t length) {
    if (length > self->room) length = self->room;
    uint32_t number = ++self->number;
    uint32_t head[] = {number, (uint32_t)length, cells_crc32(0, name, (size_t)length)};
    char *cell = (char *)self->memory.buf + self->names + (number & 1) * self->stride;
    memcpy(cell, head, NAME_HEAD);
    memcpy(cell + NAME_HEAD, name, (size_t)length);
}

/* The time, written together with what is done from now on. */
static double write_now(struct cells *self, unsigned char activity, bool begins) {
    double now = cells_look(self);
    if ((now < 0 && PyErr_Occurred()) || !writable(self)) return -1;
    if (begins) self->begun = now;
    write_state(self, activity, now);
    return now;
}

const unsigned char *cells_utf8(PyObject *text, Py_ssize_t *length, PyObject **kept) {
    *kept = NULL;
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        *length = PyUnicode_GET_LENGTH(text);
        return PyUnicode_1BYTE_DATA(text);
    }
    *kept = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass"); /* AsUTF8 would leave what it makes on the text */
    if (!*kept) return NULL;
    *length = PyBytes_GET_SIZE(*kept);
    return (const unsigned char *)PyBytes_AS_STRING(*kept);
}

double cells_write_test(struct cells *self, PyObject *nodeid, unsigned char activity) {
    if (!PyUnicode_Check(nodeid)) {
        PyErr_Format(PyExc_TypeError, "the name of a test is text, not %R", nodeid);
        return -1;
    }
    Py_ssize_t length;
    PyObject *kept;
    const unsigned char *name = cells_utf8(nodeid, &length, &kept);
    bool ready = name && writable(self);
    if (ready) write_name(self, name, length);
    Py_XDECREF(kept);
    return ready ? write_now(self, activity, true) : -1;
}

double cells_write_activity(struct cells *self, unsigned char activity) { return write_now(self, activity, false); }

static PyObject *time_or_error(double now) { return now < 0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(now); }

static PyObject *cells_begin(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    if (count < 1 || count > 2) {
        PyErr_SetString(PyExc_TypeError, "begin() takes a name and an activity");
        return NULL;
    }
    unsigned char activity = SETUP;
    if (count > 1 && !cells_read_activity(arguments[1], &activity)) return NULL;
    return time_or_error(cells_write_test((struct cells *)object, arguments[0], activity));
}

static PyObject *cells_enter(PyObject *object, PyObject *number) {
    unsigned char activity;
    if (!cells_read_activity(number, &activity)) return NULL;
    return time_or_error(cells_write_activity((struct cells *)object, activity));
}

static PyObject *cells_clock(PyObject *object, PyObject *unused) {
    (void)unused;
    return time_or_error(cells_look((struct cells *)object));
}

/* Whether all cells lie inside a memory; else an exception is set. */
static bool fits(const struct cells *self, Py_ssize_t length) {
    Py_ssize_t last = length - STATE_BYTES - (Py_ssize_t)sizeof(uint32_t);
    const Py_ssize_t *states = self->states;
    bool inside = states[0] >= 0 && states[0] <= last && states[1] >= 0 && states[1] <= last;
    inside = inside && self->names >= 0 && self->room >= 0 && self->stride >= self->room + NAME_HEAD;
    if (inside && self->names + 2 * self->stride <= length) return true;
    PyErr_SetString(PyExc_ValueError, "the cells do not fit into the memory");
    return false;
}

/* Writes into another memory from now on, as if nothing had been written before. */
static bool settle(struct cells *self, PyObject *memory) {
    Py_buffer taken;
    if (PyObject_GetBuffer(memory, &taken, PyBUF_WRITABLE) != 0) return false;
    if (!fits(self, taken.len)) {
        PyBuffer_Release(&taken);
        return false;
    }
    Py_buffer before = self->memory;
    self->memory = taken;
    self->generation = 0;
    self->number = 0;
    self->begun = 0;
    PyBuffer_Release(&before);
    return true;
}

static PyObject *cells_move(PyObject *object, PyObject *memory) {
    if (!settle((struct cells *)object, memory)) return NULL;
    Py_RETURN_NONE;
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
    if (settle(self, memory)) return (PyObject *)self;
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
    {"clock", cells_clock, METH_NOARGS, "clock() -> the time"},
    {"move", cells_move, METH_O, "move(memory) -> None; writes into another memory from now on, beginning anew"},
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

PyTypeObject *cells_type;

static int module_exec(PyObject *module) {
    make_crc_table();
    if (!cells_type) cells_type = (PyTypeObject *)PyType_FromSpec(&cells_spec);
    if (pm_offer_type(module, "Cells", Py_XNewRef((PyObject *)cells_type)) < 0) return -1;
    return pm_offer_type(module, "Follower", follower_make_type());
}

PM_EXTENSION(_cells, "The cells of a breadcrumb, and who follows the tests.", NULL, module_exec)
