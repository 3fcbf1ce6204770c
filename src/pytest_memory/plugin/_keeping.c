/* Attempts in which nothing went wrong, as bytes; what they look like is said in keeping.py, which reads them. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../extension.h"
#include "../named.h"

enum { PHASES = 3, FIELDS = 7, COUNTERS = 4, SIZES = 3, MOST_SITES = UINT8_MAX, CALL = 1 };

static const char *const phase_names[PHASES] = {"setup", "call", "teardown"};

struct phase {
    double seconds;
    int64_t heap[COUNTERS];
    int64_t resident[SIZES];
};

/* A zero, with which nothing marshalled begins, how many call stacks follow, and which phases have what. */
struct head {
    uint8_t zero, sites, heaps, residents, unused[4];
    struct phase phases[PHASES];
};

struct site {
    int64_t bytes, count;
    uint64_t depth;
};

/* A frame stands in many stacks, so it is kept once, and each stack has its number. Frames are told apart by where they
 * lie: those of the engine are the same objects from test to test. */
struct packer {
    PyObject_HEAD
    PyObject *frames; /* a list */
    uint32_t *slots;  /* numbers, from 1 */
    size_t room;      /* a power of two */
    int64_t notable;
    Py_ssize_t deepest;
};

static bool is_tuple(PyObject *object, Py_ssize_t size) {
    return PyTuple_Check(object) && PyTuple_GET_SIZE(object) == size;
}

static bool is_empty(PyObject *object) {
    return PyTuple_Check(object) ? !PyTuple_GET_SIZE(object) : PyList_Check(object) && !PyList_GET_SIZE(object);
}

static bool read_integer(PyObject *object, int64_t *value) {
    if (!PyLong_CheckExact(object)) return false;
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(object, &overflow);
    return !overflow;
}

/* None is usual, another count of numbers, or what is no number, is not. */
static bool read_integers(PyObject *object, Py_ssize_t count, int64_t *values, bool *present) {
    *present = object != Py_None;
    if (!*present) return true;
    if (!is_tuple(object, count)) return false;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!read_integer(PyTuple_GET_ITEM(object, i), &values[i])) return false;
    }
    return true;
}

static bool read_phase(PyObject *kept, int number, struct head *head) {
    if (!is_tuple(kept, FIELDS)) return false;
    PyObject *name = PyTuple_GET_ITEM(kept, 0), *seconds = PyTuple_GET_ITEM(kept, 1), *why = PyTuple_GET_ITEM(kept, 2);
    if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, phase_names[number])) return false;
    if (!PyFloat_CheckExact(seconds) || !PyUnicode_Check(why) || PyUnicode_GET_LENGTH(why)) return false;
    if (!is_empty(PyTuple_GET_ITEM(kept, 6)) || (number != CALL && !is_empty(PyTuple_GET_ITEM(kept, 5)))) return false;
    struct phase *phase = &head->phases[number];
    bool heap, resident;
    phase->seconds = PyFloat_AS_DOUBLE(seconds);
    if (!read_integers(PyTuple_GET_ITEM(kept, 3), COUNTERS, phase->heap, &heap)) return false;
    if (!read_integers(PyTuple_GET_ITEM(kept, 4), SIZES, phase->resident, &resident)) return false;
    head->heaps |= (uint8_t)(heap << number);
    head->residents |= (uint8_t)(resident << number);
    return true;
}

static size_t slot_of(const struct packer *self, PyObject *frame) {
    uint64_t spread = (uint64_t)(uintptr_t)frame * 0x9e3779b97f4a7c15u;
    size_t slot = (size_t)(spread >> 32) & (self->room - 1);
    while (self->slots[slot] && PyList_GET_ITEM(self->frames, self->slots[slot] - 1) != frame) {
        slot = (slot + 1) & (self->room - 1);
    }
    return slot;
}

static bool make_room(struct packer *self) {
    size_t used = (size_t)PyList_GET_SIZE(self->frames), room = self->room ? 2 * self->room : 1024;
    if (2 * used < self->room) return true;
    uint32_t *slots = PyMem_Calloc(room, sizeof *slots);
    if (!slots || used >= UINT32_MAX / 2) {
        PyMem_Free(slots);
        PyErr_NoMemory();
        return false;
    }
    PyMem_Free(self->slots);
    self->slots = slots;
    self->room = room;
    for (size_t i = 0; i < used; i++) slots[slot_of(self, PyList_GET_ITEM(self->frames, (Py_ssize_t)i))] = (uint32_t)i + 1;
    return true;
}

/* From 0 on; false with an exception set. */
static bool number_of(struct packer *self, PyObject *frame, uint32_t *number) {
    if (!make_room(self)) return false;
    size_t slot = slot_of(self, frame);
    if (!self->slots[slot]) {
        if (PyList_Append(self->frames, frame) < 0) return false;
        self->slots[slot] = (uint32_t)PyList_GET_SIZE(self->frames);
    }
    *number = self->slots[slot] - 1;
    return true;
}

static Py_ssize_t depth_of(const struct packer *self, PyObject *frames) {
    Py_ssize_t depth = PyTuple_GET_SIZE(frames);
    return depth < self->deepest ? depth : self->deepest;
}

/* How many bytes the stacks take; -1 if they are not what they should be. */
static Py_ssize_t size_of_sites(const struct packer *self, PyObject *sites) {
    if (!PyTuple_Check(sites) || PyTuple_GET_SIZE(sites) > MOST_SITES) return -1;
    Py_ssize_t total = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sites); i++) {
        PyObject *site = PyTuple_GET_ITEM(sites, i);
        int64_t value;
        if (PyTuple_CheckExact(site)) return -1; /* it has travelled, and its frames are objects of its own */
        if (!is_tuple(site, 3) || !PyTuple_Check(PyTuple_GET_ITEM(site, 2))) return -1;
        if (!read_integer(PyTuple_GET_ITEM(site, 0), &value) || !read_integer(PyTuple_GET_ITEM(site, 1), &value)) return -1;
        total += (Py_ssize_t)sizeof(struct site) +
                 (Py_ssize_t)sizeof(uint32_t) * depth_of(self, PyTuple_GET_ITEM(site, 2));
    }
    return total;
}

static bool write_sites(struct packer *self, PyObject *sites, char *at) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sites); i++) {
        PyObject *given = PyTuple_GET_ITEM(sites, i), *frames = PyTuple_GET_ITEM(given, 2);
        struct site site = {0, 0, (uint64_t)depth_of(self, frames)};
        (void)read_integer(PyTuple_GET_ITEM(given, 0), &site.bytes);
        (void)read_integer(PyTuple_GET_ITEM(given, 1), &site.count);
        memcpy(at, &site, sizeof site);
        at += sizeof site;
        for (Py_ssize_t j = 0; j < (Py_ssize_t)site.depth; j++, at += sizeof(uint32_t)) {
            uint32_t number;
            if (!number_of(self, PyTuple_GET_ITEM(frames, j), &number)) return false;
            memcpy(at, &number, sizeof number);
        }
    }
    return true;
}

static PyObject *write_attempt(struct packer *self, struct head *head, PyObject *sites) {
    Py_ssize_t size = size_of_sites(self, sites);
    if (size < 0) Py_RETURN_NONE;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)sizeof *head + size);
    if (!bytes) return NULL;
    head->sites = (uint8_t)PyTuple_GET_SIZE(sites);
    memcpy(PyBytes_AS_STRING(bytes), head, sizeof *head);
    if (!write_sites(self, sites, PyBytes_AS_STRING(bytes) + sizeof *head)) Py_CLEAR(bytes);
    return bytes;
}

/* As Tally.add() sums up. */
static PyObject *summed_up(const struct packer *self, const struct head *head, PyObject *bytes) {
    double seconds = 0;
    int64_t highest = 0, first = 0, last = 0;
    bool any = false;
    for (int i = 0; i < PHASES; i++) {
        const struct phase *phase = &head->phases[i];
        seconds += phase->seconds;
        int64_t peak = head->heaps >> i & 1 ? phase->heap[0] : 0;
        if (peak > highest && (i == CALL || peak >= self->notable)) highest = peak;
        if (!(head->residents >> i & 1)) continue;
        if (!any) first = phase->resident[0];
        last = phase->resident[1];
        any = true;
    }
    PyObject *values[] = {bytes, PyFloat_FromDouble(seconds), PyLong_FromLongLong(highest), PyLong_FromLongLong(last - first)};
    return pm_named((PyObject *)&PyTuple_Type, 4, values);
}

PyDoc_STRVAR(pack_doc, "pack(phases) -> (bytes, seconds, peak, growth), or None if there is more to them than numbers");

static PyObject *packer_pack(PyObject *object, PyObject *phases) {
    struct packer *self = (struct packer *)object;
    struct head head = {0};
    if (!PyList_Check(phases) || PyList_GET_SIZE(phases) != PHASES) Py_RETURN_NONE;
    for (int i = 0; i < PHASES; i++) {
        if (!read_phase(PyList_GET_ITEM(phases, i), i, &head)) Py_RETURN_NONE;
    }
    PyObject *bytes = write_attempt(self, &head, PyTuple_GET_ITEM(PyList_GET_ITEM(phases, CALL), 5));
    return !bytes || bytes == Py_None ? bytes : summed_up(self, &head, bytes);
}

static PyObject *packer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"notable", "deepest", NULL};
    long long notable;
    Py_ssize_t deepest;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Ln", names, &notable, &deepest)) return NULL;
    if (deepest < 0) {
        PyErr_SetString(PyExc_ValueError, "a stack has no less than 0 frames");
        return NULL;
    }
    struct packer *self = (struct packer *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->notable = notable;
    self->deepest = deepest;
    self->frames = PyList_New(0);
    if (!self->frames) Py_CLEAR(self);
    return (PyObject *)self;
}

static int packer_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((struct packer *)object)->frames);
    return 0;
}

static void packer_dealloc(PyObject *object) {
    struct packer *self = (struct packer *)object;
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->frames);
    PyMem_Free(self->slots);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *packer_frames(PyObject *object, void *unused) {
    (void)unused;
    return Py_NewRef(((struct packer *)object)->frames);
}

static PyMethodDef packer_methods[] = {
    {"pack", packer_pack, METH_O, pack_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef packer_attributes[] = {
    {"frames", packer_frames, NULL, "All frames so far, by number; to be read only.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot packer_slots[] = {
    {Py_tp_new, packer_new},
    {Py_tp_dealloc, packer_dealloc},
    {Py_tp_traverse, packer_traverse},
    {Py_tp_methods, packer_methods},
    {Py_tp_getset, packer_attributes},
    {Py_tp_doc, "Packer(notable, deepest): see keeping.py."},
    {0, NULL},
};

static PyType_Spec packer_spec = {
    .name = "pytest_memory.plugin._keeping.Packer",
    .basicsize = sizeof(struct packer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = packer_slots,
};

static int module_exec(PyObject *module) {
    return pm_offer_type(module, "Packer", PyType_FromSpec(&packer_spec));
}

PM_EXTENSION(_keeping, "Attempts in which nothing went wrong, as bytes.", NULL, module_exec)
