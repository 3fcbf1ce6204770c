/* Follows the tests of a process, as PythonFollower in following_python.py does: the same cells, the same frames.
 *
 * Five hooks of every test come here. In Python what stands around the clock, the cells and the reading of memory was
 * most of what the recorder cost a test.
 */
#include "_cells.h"

#include <string.h>

enum {
    MOST_PHASES = 255, /* a byte counts them */
    NUMBERS = 4,       /* resident bytes at the start, at the end and at the peak; heap peak */
    PHASE_BYTES = 1 + 2 * 8 + NUMBERS * 8,
    FRAME_HEAD = 11,
    TEST_HEAD = 2,
    KIND_TEST = 5,
    MOST_WORKER = 255,
};

static const unsigned char sync_mark[2] = {0xf5, 0x9d};

static const uint64_t absent = UINT64_MAX;

/* Seconds for which a reading of resident memory is good enough: BRIEF in cells.py. */
static const double brief = 1e-4;

struct follower {
    PyObject_HEAD
    struct cells *cells;
    PyObject *worker;      /* bytes */
    PyObject *put, *read;  /* NULL where there is nobody */
    PyObject *nodeid;      /* of the running test, else NULL */
    PyObject *item;        /* whose phases are running, else NULL */
    uint64_t resident;     /* bytes at the last reading */
    double since, read_at; /* beginning of the running phase, and of the last reading */
    bool untouched;        /* a test has begun and none of its phases */
    unsigned char phase;   /* that is running, else 0 */
    Py_ssize_t count;      /* of phases that have ended */
    unsigned char phases[MOST_PHASES * PHASE_BYTES];
};

static PyObject *nodeid_name; /* interned: a text made anew would be looked up anew in every class each time */

static bool failed(double now) { return now < 0 && PyErr_Occurred(); }

static bool read_bytes(PyObject *number, uint64_t *bytes) {
    if (number == Py_None) {
        *bytes = absent;
        return true;
    }
    *bytes = PyLong_AsUnsignedLongLong(number);
    return *bytes != absent || !PyErr_Occurred();
}

static bool read_resident(struct follower *self, uint64_t *peak) {
    PyObject *reader = Py_NewRef(self->read); /* it may be taken away while it works */
    PyObject *said = PyObject_CallNoArgs(reader);
    Py_DECREF(reader);
    if (!said) return false;
    bool pair = PyTuple_Check(said) && PyTuple_GET_SIZE(said) == 2;
    if (!pair) PyErr_SetString(PyExc_TypeError, "a reading is a pair of resident bytes and their peak");
    bool whole = pair && read_bytes(PyTuple_GET_ITEM(said, 0), &self->resident) &&
                 read_bytes(PyTuple_GET_ITEM(said, 1), peak);
    Py_DECREF(said);
    return whole;
}

/* Resident bytes of the phase that ends now. */
static bool read_phase(struct follower *self, double now, uint64_t *numbers) {
    numbers[0] = numbers[1] = numbers[2] = absent;
    if (!self->read || now - self->since <= brief) return true;
    uint64_t start = self->resident, peak;
    if (!read_resident(self, &peak)) return false;
    self->read_at = now;
    numbers[0] = start;
    numbers[1] = self->resident;
    if (peak < start) peak = start; /* ABSENT is above everything */
    numbers[2] = peak < self->resident ? self->resident : peak;
    return true;
}

static void keep_phase(struct follower *self, double now, const uint64_t *numbers) {
    if (self->count < MOST_PHASES) {
        unsigned char *at = self->phases + PHASE_BYTES * self->count++;
        *at = self->phase;
        memcpy(at + 1, &self->since, 8);
        memcpy(at + 9, &now, 8);
        memcpy(at + 17, numbers, NUMBERS * 8);
    }
    self->phase = 0;
}

static bool close_phase(struct follower *self, double now) {
    uint64_t numbers[NUMBERS] = {absent, absent, absent, absent};
    if (!read_phase(self, now, numbers)) return false;
    keep_phase(self, now, numbers);
    return true;
}

/* The frame of the test that ends; its phases are forgotten. */
static PyObject *make_frame(struct follower *self) {
    Py_ssize_t length;
    PyObject *kept;
    const unsigned char *name = cells_utf8(self->nodeid, &length, &kept);
    if (!name) return NULL;
    Py_ssize_t worker = PyBytes_GET_SIZE(self->worker), phases = PHASE_BYTES * self->count;
    uint32_t payload = (uint32_t)(TEST_HEAD + worker + phases + length);
    PyObject *frame = PyBytes_FromStringAndSize(NULL, FRAME_HEAD + (Py_ssize_t)payload);
    if (frame) {
        unsigned char *head = (unsigned char *)PyBytes_AS_STRING(frame), *at = head + FRAME_HEAD;
        at[0] = (unsigned char)worker;
        at[1] = (unsigned char)self->count;
        memcpy(at + TEST_HEAD, PyBytes_AS_STRING(self->worker), (size_t)worker);
        memcpy(at + TEST_HEAD + worker, self->phases, (size_t)phases);
        memcpy(at + TEST_HEAD + worker + phases, name, (size_t)length);
        uint32_t check = cells_crc32(KIND_TEST, at, payload);
        memcpy(head, sync_mark, sizeof sync_mark);
        head[2] = KIND_TEST;
        memcpy(head + 3, &payload, 4);
        memcpy(head + 7, &check, 4);
    }
    Py_XDECREF(kept);
    self->count = 0;
    return frame;
}

static bool put_frame(struct follower *self) {
    PyObject *frame = make_frame(self);
    PyObject *put = Py_NewRef(self->put);
    PyObject *answer = frame ? PyObject_CallOneArg(put, frame) : NULL;
    Py_XDECREF(frame);
    Py_DECREF(put);
    Py_XDECREF(answer);
    return answer != NULL;
}

static bool finish(struct follower *self) {
    double now = cells_write_activity(self->cells, 0);
    if (failed(now)) return false;
    if (self->put && self->phase && !close_phase(self, now)) return false;
    if (self->put && self->count && self->nodeid && !put_frame(self)) return false;
    Py_CLEAR(self->nodeid);
    Py_CLEAR(self->item);
    return true;
}

static bool begin(struct follower *self, PyObject *nodeid) {
    if (self->nodeid && !finish(self)) return false; /* nobody said that the one before has ended */
    double now = cells_write_test(self->cells, nodeid, SETUP);
    if (failed(now)) return false;
    self->since = now;
    Py_XSETREF(self->nodeid, PyUnicode_GET_LENGTH(nodeid) ? Py_NewRef(nodeid) : NULL);
    self->untouched = true;
    return true;
}

/* A phase of an item that was not announced, or again the setup of one that was: a rerun, or another plugin's protocol. */
static bool recognise(struct follower *self, PyObject *item, unsigned char phase, PyObject *known_as) {
    PyObject *nodeid = known_as ? Py_NewRef(known_as) : PyObject_GetAttr(item, nodeid_name);
    if (!nodeid) return false;
    int same = self->nodeid ? PyObject_RichCompareBool(nodeid, self->nodeid, Py_EQ) : 0;
    bool known = same > 0 && (phase != SETUP || self->untouched);
    bool done = same >= 0 && (known || begin(self, nodeid));
    Py_DECREF(nodeid);
    if (done) Py_XSETREF(self->item, Py_NewRef(item));
    return done;
}

static bool enter(struct follower *self, PyObject *item, unsigned char phase, PyObject *known_as) {
    if ((phase == SETUP || item != self->item) && !recognise(self, item, phase, known_as)) return false;
    double now = phase == SETUP ? self->since : cells_write_activity(self->cells, phase);
    if (failed(now)) return false;
    self->untouched = false;
    if (!self->put) return true;
    if (self->phase && !close_phase(self, now)) return false;
    self->phase = phase;
    self->since = now;
    if (!self->read || now - self->read_at <= brief) return true;
    uint64_t peak;
    self->read_at = now;
    return read_resident(self, &peak);
}

static PyObject *none_or_error(bool done) { return done ? Py_NewRef(Py_None) : NULL; }

static PyObject *follower_begin(PyObject *object, PyObject *nodeid) {
    return none_or_error(begin((struct follower *)object, nodeid));
}

static PyObject *follower_enter(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    unsigned char phase;
    if (count < 2 || count > 3 || (count == 3 && !PyUnicode_Check(arguments[2]))) {
        PyErr_SetString(PyExc_TypeError, "enter() takes an item, a phase and, if it is known, the node id");
        return NULL;
    }
    if (!cells_read_activity(arguments[1], &phase)) return NULL;
    return none_or_error(enter((struct follower *)object, arguments[0], phase, count == 3 ? arguments[2] : NULL));
}

static PyObject *follower_end(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    struct follower *self = (struct follower *)object;
    if (count != 2 || (arguments[0] != Py_None && !(PyTuple_Check(arguments[0]) && PyTuple_GET_SIZE(arguments[0]) == 3))) {
        PyErr_SetString(PyExc_TypeError, "end() takes resident bytes at the start, end and peak, and a heap peak");
        return NULL;
    }
    if (!self->put) Py_RETURN_NONE;
    uint64_t numbers[NUMBERS];
    double now = cells_look(self->cells);
    if (failed(now)) return NULL;
    if (arguments[0] == Py_None) {
        if (!read_phase(self, now, numbers)) return NULL;
    } else {
        for (int place = 0; place < 3; place++)
            if (!read_bytes(PyTuple_GET_ITEM(arguments[0], place), &numbers[place])) return NULL;
    }
    if (!read_bytes(arguments[1], &numbers[3])) return NULL;
    keep_phase(self, now, numbers);
    Py_RETURN_NONE;
}

static PyObject *follower_finish(PyObject *object, PyObject *unused) {
    (void)unused;
    return none_or_error(finish((struct follower *)object));
}

static PyObject *follower_running(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(((struct follower *)object)->nodeid != NULL);
}

static PyObject **callable_at(PyObject *object, void *offset) { return (PyObject **)((char *)object + (size_t)offset); }

static PyObject *get_callable(PyObject *object, void *offset) {
    PyObject *value = *callable_at(object, offset);
    return Py_NewRef(value ? value : Py_None);
}

static int set_callable(PyObject *object, PyObject *value, void *offset) {
    PyObject **place = callable_at(object, offset);
    Py_XSETREF(*place, value && value != Py_None ? Py_NewRef(value) : NULL);
    return 0;
}

static PyObject *follower_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    PyObject *cells, *worker;
    if (named && PyDict_GET_SIZE(named)) {
        PyErr_SetString(PyExc_TypeError, "Follower() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "O!S", cells_type, &cells, &worker)) return NULL;
    if (PyBytes_GET_SIZE(worker) > MOST_WORKER) {
        PyErr_SetString(PyExc_ValueError, "the name of a worker has 255 bytes at the most");
        return NULL;
    }
    struct follower *self = (struct follower *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->cells = (struct cells *)Py_NewRef(cells);
    self->worker = Py_NewRef(worker);
    return (PyObject *)self;
}

static void follower_dealloc(PyObject *object) {
    struct follower *self = (struct follower *)object;
    Py_XDECREF(self->cells);
    Py_XDECREF(self->worker);
    Py_XDECREF(self->put);
    Py_XDECREF(self->read);
    Py_XDECREF(self->nodeid);
    Py_XDECREF(self->item);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef follower_methods[] = {
    {"begin", follower_begin, METH_O, "begin(nodeid) -> None; a test begins"},
    {"enter", (PyCFunction)(void (*)(void))follower_enter, METH_FASTCALL, "enter(item, phase, nodeid=item.nodeid) -> None; it begins"},
    {"end", (PyCFunction)(void (*)(void))follower_end, METH_FASTCALL, "end(resident, heap_peak) -> None; a phase ends"},
    {"finish", follower_finish, METH_NOARGS, "finish() -> None; the test has ended"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef follower_attributes[] = {
    {"running", follower_running, NULL, "Whether a test is running.", NULL},
    {"put", get_callable, set_callable, "Takes frames.", (void *)offsetof(struct follower, put)},
    {"read", get_callable, set_callable, "Reads resident memory.", (void *)offsetof(struct follower, read)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot follower_slots[] = {
    {Py_tp_new, follower_new},
    {Py_tp_dealloc, follower_dealloc},
    {Py_tp_methods, follower_methods},
    {Py_tp_getset, follower_attributes},
    {Py_tp_doc, "Follower(cells, worker): see Follower in cells.py."},
    {0, NULL},
};

static PyType_Spec follower_spec = {
    .name = "pytest_memory.recorder._cells.Follower",
    .basicsize = sizeof(struct follower),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = follower_slots,
};

PyObject *follower_make_type(void) {
    if (!nodeid_name) nodeid_name = PyUnicode_InternFromString("nodeid");
    return nodeid_name ? PyType_FromSpec(&follower_spec) : NULL;
}
