/* The two ends of each phase of each test, as bounds.py says them: the same steps without the interpreter in between.
 * Each test passes eight of these; what is seldom is left to the methods in Python that begin and end call. */
#include "_bounds.h"

#include "../named.h"

enum {
    BOUNDS_CLOCK,
    BOUNDS_WALL,
    BOUNDS_OPEN_RESIDENT,
    BOUNDS_COLLECT,
    BOUNDS_SEED,
    BOUNDS_OBSERVERS,
    BOUNDS_ATTEMPT,
    BOUNDS_GROWN,
    BOUNDS_MADE_REPORTS,
    BOUNDS_HELD,
};

struct bounds {
    PyObject_HEAD
    PyObject *held[BOUNDS_HELD];
    double measuring_seconds;
    bool cheap;
};

static PyTypeObject *bounds_type;

/* As bounds.py says them. */
static PyObject *phase_names, *activities, *usage_kind, *passed_by, *large_phase;
static long long notable_growth;

static PyObject *empty_text, *empty_tuple, *zero;

#define NAMES(X)                                                                                                       \
    X(begin) X(close) X(conclude) X(enter) X(finish) X(leave) X(let_go) X(marked_meanwhile) X(meet) X(phase_ended)     \
    X(takes_usage)
NAMES(DECLARE)

COLLECTED(bounds, BOUNDS_HELD)

static bool is_done(PyObject *answer) {
    Py_XDECREF(answer);
    return answer;
}

static PyObject *never_made(void) {
    PyErr_SetString(PyExc_RuntimeError, "the bounds were never made");
    return NULL;
}

/* The number is given back at once: inside a window, the next one is the same again, and nothing is allocated. */
static bool ask_clock(PyObject *clock, double *seconds) {
    PyObject *now = PyObject_CallNoArgs(clock);
    *seconds = now ? PyFloat_AsDouble(now) : -1;
    Py_XDECREF(now);
    return now && (*seconds != -1 || !PyErr_Occurred());
}

static bool read_clock(const struct bounds *self, double *seconds) {
    return ask_clock(self->held[BOUNDS_CLOCK], seconds);
}

/* Most sessions have one clock for both. */
static bool read_wall(const struct bounds *self, double now, double *seconds) {
    *seconds = now;
    return self->held[BOUNDS_WALL] == self->held[BOUNDS_CLOCK] || ask_clock(self->held[BOUNDS_WALL], seconds);
}

static bool read_phase(PyObject *number, int *phase) {
    long value = PyLong_AsLong(number);
    if (value == -1 && PyErr_Occurred()) return false;
    *phase = (int)value;
    if (value >= 0 && value < PHASES) return true;
    PyErr_Format(PyExc_ValueError, "there is no phase %ld", value);
    return false;
}

/* That of the test, with a plan that knows all of its markers; a new reference. */
static struct attempt *attempt_at(struct bounds *self, PyObject *item) {
    PyObject *attempt = self->held[BOUNDS_ATTEMPT];
    if (is_there(attempt) && ((struct attempt *)attempt)->held[ATTEMPT_ITEM] == item) {
        Py_ssize_t markers = pm_count_markers((struct attempt *)attempt);
        if (markers < 0) return NULL;
        if (markers == ((struct attempt *)attempt)->markers) return (struct attempt *)Py_NewRef(attempt);
    }
    PyObject *met = PyObject_CallMethodOneArg((PyObject *)self, name_meet, item);
    if (met && !pm_is_planned(met)) Py_CLEAR(met);
    return (struct attempt *)met;
}

static bool say_begun(struct bounds *self, const struct attempt *attempt, int phase) {
    PyObject *given[] = {attempt->held[ATTEMPT_ITEM], PyTuple_GET_ITEM(activities, phase), attempt->held[ATTEMPT_NODEID]};
    PyObject *observers = self->held[BOUNDS_OBSERVERS];
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(observers); i++) {
        PyObject *enter = PyObject_GetAttr(PyList_GET_ITEM(observers, i), name_enter);
        PyObject *answer = enter ? PyObject_Vectorcall(enter, given, 3, NULL) : NULL;
        Py_XDECREF(enter);
        if (!is_done(answer)) return false;
    }
    return true;
}

/* A new reference. */
static PyObject *seed_of(struct bounds *self, const struct attempt *attempt, int phase) {
    if (!planned_of(attempt)->sampled[phase]) return Py_NewRef(zero);
    PyObject *given[] = {attempt->held[ATTEMPT_NODEID], PyTuple_GET_ITEM(phase_names, phase)};
    return PyObject_Vectorcall(self->held[BOUNDS_SEED], given, 2, NULL);
}

/* The heap window of a phase is the attempt's, and about to begin. */
static bool take_window(struct bounds *self, struct attempt *attempt, int phase, PyObject **seed) {
    const struct planned *planned = planned_of(attempt);
    Py_XSETREF(attempt->held[ATTEMPT_WINDOW], Py_NewRef(window_of(planned, phase)));
    *seed = seed_of(self, attempt, phase);
    if (!*seed) return false;
    if (!planned->collects[phase] || is_done(PyObject_CallNoArgs(self->held[BOUNDS_COLLECT]))) return true;
    Py_CLEAR(*seed);
    return false;
}

static bool open_window(struct attempt *attempt, PyObject *seed) {
    PyObject *window = Py_NewRef(attempt->held[ATTEMPT_WINDOW]);
    PyObject *answer = PyObject_CallMethodOneArg(window, name_begin, seed);
    Py_DECREF(window);
    Py_DECREF(seed);
    return is_done(answer);
}

static bool close_window(struct attempt *attempt) {
    PyObject *window = Py_NewRef(attempt->held[ATTEMPT_WINDOW]);
    PyObject *reading = PyObject_CallMethodNoArgs(window, name_finish);
    Py_DECREF(window);
    if (!reading) return false;
    Py_XSETREF(attempt->held[ATTEMPT_READING], reading);
    Py_CLEAR(attempt->held[ATTEMPT_WINDOW]);
    return true;
}

static bool begin_phase(struct bounds *self, struct attempt *attempt, int phase) {
    if (!say_begun(self, attempt, phase)) return false;
    Py_CLEAR(attempt->held[ATTEMPT_READING]);
    Py_CLEAR(attempt->held[ATTEMPT_RESIDENT]);
    if (planned_of(attempt)->resident) {
        attempt->held[ATTEMPT_RESIDENT] = PyObject_CallNoArgs(self->held[BOUNDS_OPEN_RESIDENT]);
        if (!attempt->held[ATTEMPT_RESIDENT]) return false;
    }
    if (phase == CALL || !planned_of(attempt)->there[phase]) return true;
    PyObject *seed;
    return take_window(self, attempt, phase, &seed) && open_window(attempt, seed);
}

static PyObject *bounds_begin(PyObject *object, PyObject *const *given, Py_ssize_t count) {
    struct bounds *self = (struct bounds *)object;
    int phase;
    double arrived, began;
    if (!self->held[BOUNDS_CLOCK]) return never_made();
    if (count != 2) return PyErr_Format(PyExc_TypeError, "begin(item, phase)");
    if (!read_phase(given[1], &phase) || !read_clock(self, &arrived)) return NULL;
    if (phase == SETUP) Py_CLEAR(self->held[BOUNDS_ATTEMPT]);
    struct attempt *attempt = attempt_at(self, given[0]);
    if (!attempt) return NULL;
    if (!begin_phase(self, attempt, phase) || !read_clock(self, &began) || !read_wall(self, began, &attempt->began)) {
        Py_DECREF(attempt);
        return NULL;
    }
    self->measuring_seconds += began - arrived;
    return (PyObject *)attempt;
}

/* Sizes that a window over resident memory said: at its start, and at its end. */
static bool read_sizes(PyObject *usage, long long *start, long long *end) {
    if (!PyTuple_Check(usage) || PyTuple_GET_SIZE(usage) < 2) {
        PyErr_SetString(PyExc_TypeError, "resident usage is sizes at the start and at the end");
        return false;
    }
    *start = PyLong_AsLongLong(PyTuple_GET_ITEM(usage, 0));
    *end = PyLong_AsLongLong(PyTuple_GET_ITEM(usage, 1));
    return (*start != -1 && *end != -1) || !PyErr_Occurred();
}

/* Setup and teardown of one test: whether it has grown, and whether the one before had, now that it is let go of. */
static bool follow_growth(struct bounds *self, struct attempt *attempt, int phase, PyObject *usage) {
    long long start, end, first;
    if (!read_sizes(usage, &start, &end)) return false;
    if (phase == SETUP) {
        PyObject *resident = PyTuple_GET_ITEM(usage, 0);
        Py_XSETREF(attempt->held[ATTEMPT_START], Py_NewRef(resident));
        if (!is_there(self->held[BOUNDS_GROWN])) return true;
        return is_done(PyObject_CallMethodOneArg((PyObject *)self, name_let_go, resident));
    }
    if (!is_there(attempt->held[ATTEMPT_START])) return true;
    first = PyLong_AsLongLong(attempt->held[ATTEMPT_START]);
    if (end - first < notable_growth) return true;
    PyObject *grown = PyTuple_Pack(2, attempt->held[ATTEMPT_NODEID], PyTuple_GET_ITEM(usage, 1));
    if (!grown) return false;
    Py_XSETREF(self->held[BOUNDS_GROWN], grown);
    return true;
}

/* A new reference; None where resident memory is not read. */
static PyObject *close_resident(struct bounds *self, struct attempt *attempt, int phase) {
    PyObject *open = attempt->held[ATTEMPT_RESIDENT];
    attempt->held[ATTEMPT_RESIDENT] = NULL; /* it holds its reader, which the garbage collector does not see */
    if (!is_there(open)) {
        Py_XDECREF(open);
        Py_RETURN_NONE;
    }
    PyObject *usage = PyObject_CallMethodNoArgs(open, name_close);
    Py_DECREF(open);
    if (usage && phase != CALL && !follow_growth(self, attempt, phase, usage)) Py_CLEAR(usage);
    return usage;
}

/* What is known of a phase that has ended. The parts of a reading are borrowed from the attempt. */
struct ended {
    double seconds;
    PyObject *heap, *sites, *unmeasured;
    PyObject *resident; /* its own */
};

static bool read_heap(const struct attempt *attempt, int phase, struct ended *ended) {
    PyObject *reading = attempt->held[ATTEMPT_READING];
    ended->heap = Py_None;
    ended->sites = empty_tuple;
    ended->unmeasured = passed_by;
    if (is_there(reading)) {
        if (!PyTuple_Check(reading) || PyTuple_GET_SIZE(reading) != 4) {
            PyErr_SetString(PyExc_TypeError, "a reading has four parts");
            return false;
        }
        ended->heap = PyTuple_GET_ITEM(reading, 0);
        ended->sites = PyTuple_GET_ITEM(reading, 1);
        ended->unmeasured = PyTuple_GET_ITEM(reading, 3);
    }
    if (!planned_of(attempt)->there[phase]) ended->unmeasured = empty_text;
    return true;
}

/* A new reference. */
static PyObject *usage_of(const struct ended *ended) {
    PyObject *values[] = {PyFloat_FromDouble(ended->seconds), Py_NewRef(ended->heap), Py_NewRef(ended->resident),
                          Py_NewRef(ended->unmeasured)};
    return pm_named(usage_kind, 4, values);
}

static bool tell_usage(struct bounds *self, const struct ended *ended) {
    PyObject *observers = self->held[BOUNDS_OBSERVERS];
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(observers); i++) {
        PyObject *observer = PyList_GET_ITEM(observers, i), *takes = PyObject_GetAttr(observer, name_takes_usage);
        int truth = takes ? PyObject_IsTrue(takes) : -1;
        Py_XDECREF(takes);
        if (truth < 0) return false;
        if (!truth) continue;
        PyObject *usage = usage_of(ended), *held = Py_NewRef(observer);
        PyObject *answer = usage ? PyObject_CallMethodOneArg(held, name_phase_ended, usage) : NULL;
        Py_DECREF(held);
        Py_XDECREF(usage);
        if (!is_done(answer)) return false;
    }
    return true;
}

/* Whether anybody will want to know more of it than numbers: 1 or 0, or -1 with an exception set. */
static int has_more(const struct bounds *self, const struct attempt *attempt, int phase, const struct ended *ended) {
    if (planned_of(attempt)->judged || self->held[BOUNDS_MADE_REPORTS] == Py_True) return 1;
    int sites = PyObject_IsTrue(ended->sites);
    if (sites <= 0 || phase == CALL) return sites;
    if (ended->heap == Py_None) return 0;
    PyObject *peak = PySequence_GetItem(ended->heap, 0);
    if (!peak) return -1;
    int large = peak == Py_None ? 0 : PyObject_RichCompareBool(peak, large_phase, Py_GE);
    Py_DECREF(peak);
    return large;
}

/* Most phases: as they are packed, but for the kinds of the tuples. */
static PyObject *keep_numbers(struct attempt *attempt, PyObject *phase, const struct ended *ended) {
    PyObject *values[] = {Py_NewRef(phase),           PyFloat_FromDouble(ended->seconds), Py_NewRef(ended->unmeasured),
                          Py_NewRef(ended->heap),     Py_NewRef(ended->resident),         Py_NewRef(empty_tuple),
                          Py_NewRef(empty_tuple)};
    PyObject *kept = pm_named((PyObject *)&PyTuple_Type, 7, values);
    int failed = kept ? PyObject_SetItem(attempt->held[ATTEMPT_FINISHED], phase, kept) : -1;
    Py_XDECREF(kept);
    return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *conclude(struct bounds *self, struct attempt *attempt, PyObject *phase, const struct ended *ended) {
    PyObject *usage = usage_of(ended);
    PyObject *given[] = {(PyObject *)self, (PyObject *)attempt, phase, usage};
    PyObject *answer = usage ? PyObject_VectorcallMethod(name_conclude, given, 4, NULL) : NULL;
    Py_XDECREF(usage);
    return answer;
}

static PyObject *end_phase(struct bounds *self, struct attempt *attempt, int phase, struct ended *ended) {
    if (!read_heap(attempt, phase, ended) || !tell_usage(self, ended)) return NULL;
    if (!planned_of(attempt)->anything) Py_RETURN_NONE;
    int more = has_more(self, attempt, phase, ended);
    if (more < 0) return NULL;
    PyObject *name = PyTuple_GET_ITEM(phase_names, phase);
    return more ? conclude(self, attempt, name, ended) : keep_numbers(attempt, name, ended);
}

/* A plan that was made before the call may know less than all markers now. */
static bool follow_markers(struct bounds *self, struct attempt *attempt) {
    Py_ssize_t markers = pm_count_markers(attempt);
    if (markers < 0 || markers == attempt->markers) return markers >= 0;
    return is_done(PyObject_CallMethodOneArg((PyObject *)self, name_marked_meanwhile, (PyObject *)attempt));
}

static PyObject *bounds_end(PyObject *object, PyObject *const *given, Py_ssize_t count) {
    struct bounds *self = (struct bounds *)object;
    int phase;
    double arrived, over, left;
    if (!self->held[BOUNDS_CLOCK]) return never_made();
    if (count != 2) return PyErr_Format(PyExc_TypeError, "end(attempt, phase)");
    if (!pm_is_planned(given[0]) || !read_phase(given[1], &phase)) return NULL;
    if (!read_clock(self, &arrived) || !read_wall(self, arrived, &over)) return NULL;
    struct attempt *attempt = (struct attempt *)given[0];
    if (is_there(attempt->held[ATTEMPT_WINDOW]) && !close_window(attempt)) return NULL;
    if (phase == CALL && !follow_markers(self, attempt)) return NULL;
    struct ended ended = {.seconds = over - attempt->began, .resident = close_resident(self, attempt, phase)};
    PyObject *answer = ended.resident ? end_phase(self, attempt, phase, &ended) : NULL;
    Py_XDECREF(ended.resident);
    if (!answer || !read_clock(self, &left)) {
        Py_XDECREF(answer);
        return NULL;
    }
    self->measuring_seconds += left - arrived;
    return answer;
}

static PyObject *bounds_leave(PyObject *object, PyObject *unused) {
    (void)unused;
    struct bounds *self = (struct bounds *)object;
    if (!self->held[BOUNDS_CLOCK]) return never_made();
    PyObject *observers = self->held[BOUNDS_OBSERVERS];
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(observers); i++) {
        PyObject *leave = PyObject_GetAttr(PyList_GET_ITEM(observers, i), name_leave);
        PyObject *answer = leave ? PyObject_CallNoArgs(leave) : NULL;
        Py_XDECREF(leave);
        if (!is_done(answer)) return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *open_call(struct bounds *self, struct attempt *attempt) {
    double arrived, ready;
    PyObject *seed, *window = Py_NewRef(window_of(planned_of(attempt), CALL));
    if (is_there(attempt->held[ATTEMPT_WINDOW]) && !close_window(attempt)) goto failed;
    if (!read_clock(self, &arrived) || !take_window(self, attempt, CALL, &seed)) goto failed;
    /* Inside the window another look at the clock would count, if what it needs was not left by this one. */
    if (!read_clock(self, &ready)) {
        Py_DECREF(seed);
        goto failed;
    }
    if (!open_window(attempt, seed)) goto failed;
    if (!self->cheap && !read_clock(self, &ready)) goto failed;
    self->measuring_seconds += ready - arrived;
    return window;
failed:
    Py_DECREF(window);
    return NULL;
}

static PyObject *bounds_open_call_window(PyObject *object, PyObject *item) {
    struct bounds *self = (struct bounds *)object;
    struct attempt *attempt = (struct attempt *)self->held[BOUNDS_ATTEMPT];
    if (!self->held[BOUNDS_CLOCK]) return never_made();
    if (!is_there((PyObject *)attempt) || attempt->held[ATTEMPT_ITEM] != item) Py_RETURN_NONE;
    if (!planned_of(attempt) || !planned_of(attempt)->there[CALL]) Py_RETURN_NONE;
    Py_INCREF(attempt);
    PyObject *window = open_call(self, attempt);
    Py_DECREF(attempt);
    return window;
}

static PyObject *bounds_close_call_window(PyObject *object, PyObject *window) {
    struct bounds *self = (struct bounds *)object;
    double arrived, left;
    if (!self->held[BOUNDS_CLOCK]) return never_made();
    if (window == Py_None) Py_RETURN_NONE;
    if (!read_clock(self, &arrived)) return NULL;
    PyObject *reading = PyObject_CallMethodNoArgs(window, name_finish);
    if (!reading || !read_clock(self, &left)) {
        Py_XDECREF(reading);
        return NULL;
    }
    self->measuring_seconds += left - arrived;
    struct attempt *attempt = (struct attempt *)self->held[BOUNDS_ATTEMPT];
    if (is_there((PyObject *)attempt) && attempt->held[ATTEMPT_WINDOW] == window) {
        Py_CLEAR(attempt->held[ATTEMPT_WINDOW]);
        Py_XSETREF(attempt->held[ATTEMPT_READING], reading);
    } else {
        Py_DECREF(reading);
    }
    Py_RETURN_NONE;
}

static int bounds_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"clock", "wall", "open_resident", "collect", "seed", "observers", "cheap", NULL};
    struct bounds *self = (struct bounds *)object;
    PyObject *clock, *wall, *resident, *collect, *seed, *observers;
    int cheap;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOOOO!p", names, &clock, &wall, &resident, &collect,
                                     &seed, &PyList_Type, &observers, &cheap)) {
        return -1;
    }
    PyObject *given[] = {clock, wall, resident, collect, seed, observers};
    for (int i = BOUNDS_CLOCK; i <= BOUNDS_OBSERVERS; i++) Py_XSETREF(self->held[i], Py_NewRef(given[i]));
    self->cheap = cheap;
    return 0;
}

static int bounds_set_attempt(PyObject *object, PyObject *attempt, void *unused) {
    (void)unused;
    struct bounds *self = (struct bounds *)object;
    if (attempt && attempt != Py_None && !pm_is_attempt(attempt)) return -1;
    Py_XSETREF(self->held[BOUNDS_ATTEMPT], Py_XNewRef(attempt));
    return 0;
}

static PyObject *bounds_attempt(PyObject *object, void *unused) {
    (void)unused;
    PyObject *attempt = ((struct bounds *)object)->held[BOUNDS_ATTEMPT];
    return Py_NewRef(attempt ? attempt : Py_None);
}

static PyMethodDef bounds_methods[] = {
    {"begin", (PyCFunction)(void (*)(void))bounds_begin, METH_FASTCALL, "begin(item, phase) -> the attempt"},
    {"end", (PyCFunction)(void (*)(void))bounds_end, METH_FASTCALL, "end(attempt, phase) -> what is to be judged"},
    {"leave", bounds_leave, METH_NOARGS, "leave() -> None"},
    {"open_call_window", bounds_open_call_window, METH_O, "open_call_window(item) -> the window"},
    {"close_call_window", bounds_close_call_window, METH_O, "close_call_window(window) -> None"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef bounds_members[] = {
    {"grown", T_OBJECT, SLOT(bounds, BOUNDS_GROWN), 0, "The test that seems to have grown."},
    {"made_reports", T_OBJECT, SLOT(bounds, BOUNDS_MADE_REPORTS), 0, "Reports carry measurements when made."},
    {"measuring_seconds", T_DOUBLE, offsetof(struct bounds, measuring_seconds), READONLY, "What this took so far."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef bounds_attributes[] = {
    {"attempt", bounds_attempt, bounds_set_attempt, "That at the running test.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot bounds_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, bounds_init},
    {Py_tp_dealloc, bounds_dealloc},
    {Py_tp_traverse, bounds_traverse},
    {Py_tp_clear, bounds_clear},
    {Py_tp_methods, bounds_methods},
    {Py_tp_members, bounds_members},
    {Py_tp_getset, bounds_attributes},
    {Py_tp_doc, "Bounds(clock, wall, open_resident, collect, seed, observers, cheap): see bounds.py."},
    {0, NULL},
};

static PyType_Spec bounds_spec = {
    .name = "pytest_memory.plugin._bounds.Bounds",
    .basicsize = sizeof(struct bounds),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = bounds_slots,
};

/* bounds.py has begun to load, and has said what we share with it. */
static PyObject *said_in_python(const char *name) {
    PyObject *loaded = PyImport_ImportModule("pytest_memory.plugin.bounds");
    PyObject *value = loaded ? PyObject_GetAttrString(loaded, name) : NULL;
    Py_XDECREF(loaded);
    return value;
}

static bool read_number(const char *name, long long *number) {
    PyObject *value = said_in_python(name);
    *number = value ? PyLong_AsLongLong(value) : -1;
    Py_XDECREF(value);
    return *number != -1;
}

/* What does not depend on the module, once. */
static bool prepare(void) {
    if (bounds_type) return true;
    if (!(phase_names = said_in_python("PHASES")) || !(activities = said_in_python("PHASE_ACTIVITIES"))) return false;
    if (!(usage_kind = said_in_python("PhaseUsage")) || !(passed_by = said_in_python("PASSED_BY"))) return false;
    if (!(large_phase = said_in_python("LARGE_PHASE")) || !read_number("NOTABLE_GROWTH", &notable_growth)) return false;
    if (!(empty_text = PyUnicode_FromString("")) || !(empty_tuple = PyTuple_New(0))) return false;
    if (!(zero = PyLong_FromLong(0))) return false;
    bounds_type = (PyTypeObject *)PyType_FromSpec(&bounds_spec);
    return bounds_type;
}

static int module_exec(PyObject *module) {
    NAMES(INTERN)
    if (!prepare() || pm_offer_attempt(module) < 0) return -1;
    return pm_offer_type(module, "Bounds", Py_NewRef((PyObject *)bounds_type));
}

PM_EXTENSION(_bounds, "The two ends of each phase of each test.", NULL, module_exec)
