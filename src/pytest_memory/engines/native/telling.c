#include "telling.h"

#include "../../named.h"
#include "shares.h"

/* Since when the frames that are kept are right, for each ledger. */
static uint32_t generations[PM_LEDGERS];

static PyObject *frame_at(PyObject *frames, const struct pm_place *place) {
    PyObject *key = PyLong_FromUnsignedLongLong((uint64_t)place->code << 32 | (uint32_t)place->line);
    if (!key) return NULL;
    PyObject *frame = Py_XNewRef(PyDict_GetItemWithError(frames, key));
    if (!frame && !PyErr_Occurred()) frame = PyObject_GetItem(frames, key);
    Py_DECREF(key);
    return frame;
}

static PyObject *frames_of(const struct pm_telling *telling, const struct pm_share *share) {
    if (share->stack == PM_STACK_NONE) return Py_NewRef(telling->no_room);
    if (!share->depth) return Py_NewRef(telling->no_python);
    PyObject *stack = PyTuple_New((Py_ssize_t)share->depth);
    for (size_t i = 0; stack && i < share->depth; i++) {
        PyObject *frame = frame_at(telling->frames, &share->places[i]);
        if (!frame) Py_CLEAR(stack);
        if (stack) PyTuple_SET_ITEM(stack, (Py_ssize_t)i, frame);
    }
    if (!stack || telling->renamed == Py_None) return stack;
    PyObject *renamed = PyObject_CallOneArg(telling->renamed, stack);
    Py_DECREF(stack);
    return renamed;
}

static PyObject *sites_of(const struct pm_telling *telling, const struct pm_share *shares, size_t count) {
    PyObject *sites = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; sites && i < count; i++) {
        PyObject *values[] = {PyLong_FromLongLong(shares[i].bytes), PyLong_FromLongLong(shares[i].count),
                              frames_of(telling, &shares[i])};
        PyObject *site = pm_named(telling->kind, 3, values);
        if (!site) Py_CLEAR(sites);
        if (sites) PyTuple_SET_ITEM(sites, (Py_ssize_t)i, site);
    }
    return sites;
}

static size_t read_all(struct pm_session *session, struct pm_site_reading *readings, uint32_t known) {
    size_t count = 0;
    for (uint32_t site = 0; site < known; site++) {
        count += pm_sites_read(&pm_ledgers[session->request.ledger], session->window, site, &readings[count]);
    }
    return count;
}

/* The numbers of code objects may have begun anew since the last window. */
static void forget_old_frames(PyObject *frames, int which) {
    uint32_t generation = pm_stacks_generation(pm_sites_stacks(which));
    if (generation != generations[which]) PyDict_Clear(frames);
    generations[which] = generation;
}

static bool tell(const struct pm_telling *telling, int which, int64_t peak, const struct pm_site_reading *readings,
                 size_t count, struct pm_share *shares, PyObject **at_peak, PyObject **leaked) {
    const struct pm_stacks *stacks = pm_sites_stacks(which);
    forget_old_frames(telling->frames, which);
    size_t found = pm_shares_at_peak(stacks, readings, count, peak, shares);
    if (telling->limit >= 0 && found > (size_t)telling->limit) found = (size_t)telling->limit;
    *at_peak = sites_of(telling, shares, found);
    if (!*at_peak) return false;
    *leaked = sites_of(telling, shares, telling->leaks ? pm_shares_leaked(stacks, readings, count, shares) : 0);
    if (!*leaked) Py_CLEAR(*at_peak);
    if (PyDict_GET_SIZE(telling->frames) > PM_KEPT_FRAMES) PyDict_Clear(telling->frames);
    return *leaked != NULL;
}

bool pm_tell(const struct pm_telling *telling, struct pm_session *session, int64_t peak, PyObject **at_peak,
             PyObject **leaked) {
    enum { FEW = 64 };
    struct pm_site_reading few_readings[FEW], *readings = few_readings;
    struct pm_share few_shares[FEW], *shares = few_shares;
    uint32_t known = pm_sites_known(&pm_ledgers[session->request.ledger]);
    if (known > FEW) {
        readings = PyMem_Malloc(known * sizeof *readings);
        shares = PyMem_Malloc(known * sizeof *shares);
    }
    bool done = readings && shares;
    if (done) {
        size_t count = read_all(session, readings, known);
        done = tell(telling, session->request.ledger, peak, readings, count, shares, at_peak, leaked);
    } else {
        PyErr_NoMemory();
    }
    if (readings != few_readings) PyMem_Free(readings);
    if (shares != few_shares) PyMem_Free(shares);
    return done;
}
