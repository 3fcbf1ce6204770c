/* The two ends of each phase of each test, as phase_ends.py says them: the same steps without the interpreter in between.
 * Each test passes eight of these; what is seldom is left to the methods in Python that begin and end call. */
#include "_phase_ends.h"

#include "../named.h"

#include <string.h>
#include <time.h>

enum {
    /* as given */
    ENDS_CLOCK,
    ENDS_WALL,
    ENDS_OPEN_RESIDENT,
    ENDS_COLLECT,
    ENDS_SEED,
    ENDS_OBSERVERS,
    /* as phase_ends.py says them */
    ENDS_NAMES,      /* of the phases */
    ENDS_ACTIVITIES, /* their numbers */
    ENDS_USAGE,      /* what is said of a phase: a kind of named tuple */
    ENDS_PASSED_BY,
    ENDS_LARGE,
    /* the state */
    ENDS_ATTEMPT,
    ENDS_GROWN,
    ENDS_MADE_REPORTS,
    /* the test met last that had the usual plan */
    ENDS_KIND,
    ENDS_PARENT,
    ENDS_PARENTS, /* the attributes of its parents */
    ENDS_LIMITS,  /* names of markers */
    ENDS_USUAL,
    ENDS_HELD,
};

static const char *const said_in_python[] = {"PHASES", "PHASE_ACTIVITIES", "PhaseUsage", "PASSED_BY", "LARGE_PHASE"};

struct ends {
    PyObject_HEAD
    PyObject *held[ENDS_HELD];
    long long notable_growth;
    double measuring_seconds;
    int clock_id, wall_id; /* the system's, or NO_ID */
    bool cheap, made;
};

enum { NO_ID = -1 };

static PyTypeObject *ends_type;
static PyObject *empty_text, *empty_tuple, *zero;

#define NAMES(X)                                                                                                       \
    X(begin) X(close) X(conclude) X(enter) X(finish) X(leave) X(let_go) X(marked_meanwhile) X(meet) X(parent)          \
    X(phase_ended) X(takes_usage)
NAMES(DECLARE)

COLLECTED(ends, ENDS_HELD)

/* Whether a call gave an answer and no exception; the answer itself is not wanted. */
static bool answered(PyObject *answer) {
    bool any = answer != NULL;
    Py_XDECREF(answer);
    return any;
}

static struct ends *made(PyObject *object) {
    struct ends *self = (struct ends *)object;
    if (self->made) return self;
    PyErr_SetString(PyExc_RuntimeError, "PhaseEnds.__init__() was never called");
    return NULL;
}

/* The number is given back at once: inside a window, the next one is the same again, and nothing is allocated. */
static bool ask_clock(PyObject *clock, int id, double *seconds) {
    if (id != NO_ID) {
        struct timespec time;
        clock_gettime((clockid_t)id, &time);
        *seconds = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
        return true;
    }
    PyObject *now = PyObject_CallNoArgs(clock);
    *seconds = now ? PyFloat_AsDouble(now) : -1;
    Py_XDECREF(now);
    return now && (*seconds != -1 || !PyErr_Occurred());
}

static bool read_clock(const struct ends *self, double *seconds) {
    return ask_clock(self->held[ENDS_CLOCK], self->clock_id, seconds);
}

/* Most sessions have one clock for both. */
static bool read_wall(const struct ends *self, double now, double *seconds) {
    *seconds = now;
    return self->held[ENDS_WALL] == self->held[ENDS_CLOCK] ||
           ask_clock(self->held[ENDS_WALL], self->wall_id, seconds);
}

static bool read_phase(PyObject *number, int *phase) {
    long value = PyLong_AsLong(number);
    if (value == -1 && PyErr_Occurred()) return false;
    *phase = (int)value;
    if (value >= 0 && value < PHASES) return true;
    PyErr_Format(PyExc_ValueError, "there is no phase %ld", value);
    return false;
}

/* Whether a test is like the one met before, of the same kind and among the same nodes, and has the usual plan too: nothing
 * that meet() could find out then is new. 1 or 0, or -1 with an exception set. */
static int is_alike(struct ends *self, PyObject *item) {
    if ((PyObject *)Py_TYPE(item) != self->held[ENDS_KIND]) return 0;
    PyObject *parent = PyObject_GetAttr(item, name_parent);
    Py_XDECREF(parent);
    if (!parent || parent != self->held[ENDS_PARENT]) return parent ? 0 : -1;
    PyObject *attributes = PyObject_GenericGetDict(item, NULL);
    PyObject *parents = Py_NewRef(self->held[ENDS_PARENTS]), *names = Py_NewRef(self->held[ENDS_LIMITS]);
    int marked = attributes ? pm_has_marker(attributes, names) : -1;
    for (Py_ssize_t i = 0; !marked && i < PyList_GET_SIZE(parents); i++) {
        marked = pm_has_marker(PyList_GET_ITEM(parents, i), names);
    }
    Py_XDECREF(attributes);
    Py_DECREF(parents);
    Py_DECREF(names);
    return marked < 0 ? -1 : !marked;
}

static struct attempt *attempt_alike(struct ends *self, PyObject *item) {
    struct attempt *attempt = pm_new_attempt(item);
    if (attempt && !pm_follow(attempt, self->held[ENDS_USUAL])) Py_CLEAR(attempt);
    if (attempt) Py_XSETREF(self->held[ENDS_ATTEMPT], Py_NewRef((PyObject *)attempt));
    return attempt;
}

static struct attempt *meet(struct ends *self, PyObject *item) {
    PyObject *met = PyObject_CallMethodOneArg((PyObject *)self, name_meet, item);
    if (met && !pm_has_plan(met)) Py_CLEAR(met);
    return (struct attempt *)met;
}

/* That of the test, with a plan that knows all of its markers; a new reference. */
static struct attempt *attempt_at(struct ends *self, PyObject *item) {
    struct attempt *attempt = (struct attempt *)self->held[ENDS_ATTEMPT];
    if (!is_there((PyObject *)attempt) || attempt->held[ATTEMPT_ITEM] != item) {
        int alike = is_alike(self, item);
        if (alike < 0) return NULL;
        return alike ? attempt_alike(self, item) : meet(self, item);
    }
    Py_INCREF(attempt);
    Py_ssize_t markers = pm_count_markers(attempt);
    if (markers == attempt->markers) return attempt;
    Py_DECREF(attempt);
    return markers < 0 ? NULL : meet(self, item);
}

/* Each of the observers is told something, as long as none of them fails. */
static bool tell(struct ends *self, bool (*something)(PyObject *observer, void *about), void *about) {
    PyObject *observers = self->held[ENDS_OBSERVERS];
    bool well = true;
    for (Py_ssize_t i = 0; well && i < PyList_GET_SIZE(observers); i++) {
        PyObject *observer = Py_NewRef(PyList_GET_ITEM(observers, i)); /* it may leave the list meanwhile */
        well = something(observer, about);
        Py_DECREF(observer);
    }
    return well;
}

/* What is kept in an attribute to be called. */
static bool call_kept(PyObject *observer, PyObject *name, PyObject *const *given, size_t count) {
    PyObject *kept = PyObject_GetAttr(observer, name);
    bool well = kept && answered(PyObject_Vectorcall(kept, given, count, NULL));
    Py_XDECREF(kept);
    return well;
}

static bool say_entered(PyObject *observer, void *about) { return call_kept(observer, name_enter, about, 3); }

static bool say_left(PyObject *observer, void *about) { return call_kept(observer, name_leave, about, 0); }

static bool say_begun(struct ends *self, const struct attempt *attempt, int phase) {
    PyObject *given[] = {attempt->held[ATTEMPT_ITEM], PyTuple_GET_ITEM(self->held[ENDS_ACTIVITIES], phase),
                         attempt->held[ATTEMPT_NODEID]};
    return tell(self, say_entered, given);
}

/* A new reference. */
static PyObject *seed_of(struct ends *self, const struct attempt *attempt, int phase) {
    if (!planned_of(attempt)->sampled[phase]) return Py_NewRef(zero);
    PyObject *given[] = {attempt->held[ATTEMPT_NODEID], PyTuple_GET_ITEM(self->held[ENDS_NAMES], phase)};
    return PyObject_Vectorcall(self->held[ENDS_SEED], given, 2, NULL);
}

static bool collect(struct ends *self, const struct attempt *attempt, int phase) {
    return !planned_of(attempt)->collects[phase] || answered(PyObject_CallNoArgs(self->held[ENDS_COLLECT]));
}

/* The heap window of a phase becomes the attempt's and begins. When it was ready to, is said if that is asked: inside, a
 * look at the clock would count, if what it needs was not left by the one before. */
static bool open_window(struct ends *self, struct attempt *attempt, int phase, double *ready) {
    PyObject *window = Py_NewRef(window_of(planned_of(attempt), phase)); /* a collection calls who knows what */
    Py_XSETREF(attempt->held[ATTEMPT_WINDOW], Py_NewRef(window));
    PyObject *seed = seed_of(self, attempt, phase), *answer = NULL;
    if (seed && collect(self, attempt, phase) && (!ready || read_clock(self, ready))) {
        answer = PyObject_CallMethodOneArg(window, name_begin, seed);
    }
    Py_XDECREF(seed);
    Py_DECREF(window);
    return answered(answer);
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

static bool begin_phase(struct ends *self, struct attempt *attempt, int phase) {
    if (!say_begun(self, attempt, phase)) return false;
    Py_CLEAR(attempt->held[ATTEMPT_READING]);
    Py_CLEAR(attempt->held[ATTEMPT_RESIDENT]);
    if (planned_of(attempt)->resident) {
        attempt->held[ATTEMPT_RESIDENT] = PyObject_CallNoArgs(self->held[ENDS_OPEN_RESIDENT]);
        if (!attempt->held[ATTEMPT_RESIDENT]) return false;
    }
    if (phase == CALL || !planned_of(attempt)->has_window[phase]) return true;
    return open_window(self, attempt, phase, NULL);
}

static PyObject *ends_begin(PyObject *object, PyObject *const *given, Py_ssize_t count) {
    struct ends *self = made(object);
    int phase;
    double arrived, began;
    if (!self) return NULL;
    if (count != 2) return PyErr_Format(PyExc_TypeError, "begin() takes an item and a phase (%zd given)", count);
    if (!read_phase(given[1], &phase) || !read_clock(self, &arrived)) return NULL;
    if (phase == SETUP) Py_CLEAR(self->held[ENDS_ATTEMPT]);
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
static bool follow_growth(struct ends *self, struct attempt *attempt, int phase, PyObject *usage) {
    long long start, end, first;
    if (!read_sizes(usage, &start, &end)) return false;
    if (phase == SETUP) {
        PyObject *resident = PyTuple_GET_ITEM(usage, 0);
        Py_XSETREF(attempt->held[ATTEMPT_START], Py_NewRef(resident));
        if (!is_there(self->held[ENDS_GROWN])) return true;
        return answered(PyObject_CallMethodOneArg((PyObject *)self, name_let_go, resident));
    }
    if (!is_there(attempt->held[ATTEMPT_START])) return true;
    first = PyLong_AsLongLong(attempt->held[ATTEMPT_START]);
    if (end - first < self->notable_growth) return true;
    PyObject *grown = PyTuple_Pack(2, attempt->held[ATTEMPT_NODEID], PyTuple_GET_ITEM(usage, 1));
    if (!grown) return false;
    Py_XSETREF(self->held[ENDS_GROWN], grown);
    return true;
}

/* A new reference; None where resident memory is not read. */
static PyObject *close_resident(struct ends *self, struct attempt *attempt, int phase) {
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

/* What is known of a phase that has ended. */
struct ended {
    double seconds;
    PyObject *resident, *reading, *usage; /* its own; the usage is made when it is asked for */
    PyObject *heap, *sites, *unmeasured;  /* parts of the reading */
    PyTypeObject *usage_kind;
};

static bool read_heap(const struct ends *self, const struct attempt *attempt, int phase, struct ended *ended) {
    PyObject *reading = ended->reading;
    ended->heap = Py_None;
    ended->sites = empty_tuple;
    ended->unmeasured = self->held[ENDS_PASSED_BY];
    if (is_there(reading)) {
        if (!PyTuple_Check(reading) || PyTuple_GET_SIZE(reading) != 4) {
            PyErr_SetString(PyExc_TypeError, "a reading has four parts");
            return false;
        }
        ended->heap = PyTuple_GET_ITEM(reading, 0);
        ended->sites = PyTuple_GET_ITEM(reading, 1);
        ended->unmeasured = PyTuple_GET_ITEM(reading, 3);
    }
    if (!planned_of(attempt)->has_window[phase]) ended->unmeasured = empty_text;
    return true;
}

/* Borrowed; NULL with an exception set. */
static PyObject *usage_of(struct ended *ended) {
    if (ended->usage) return ended->usage;
    PyObject *values[] = {PyFloat_FromDouble(ended->seconds), Py_NewRef(ended->heap), Py_NewRef(ended->resident),
                          Py_NewRef(ended->unmeasured)};
    return ended->usage = pm_named((PyObject *)ended->usage_kind, 4, values);
}

static bool say_ended(PyObject *observer, void *about) {
    PyObject *takes = PyObject_GetAttr(observer, name_takes_usage);
    int truth = takes ? PyObject_IsTrue(takes) : -1;
    Py_XDECREF(takes);
    if (truth <= 0) return !truth;
    PyObject *usage = usage_of(about);
    return usage && answered(PyObject_CallMethodOneArg(observer, name_phase_ended, usage));
}

/* Whether anybody will want to know more of it than numbers: 1 or 0, or -1 with an exception set. */
static int asks_for_more(const struct ends *self, const struct attempt *attempt, int phase, const struct ended *ended) {
    if (planned_of(attempt)->judged || self->held[ENDS_MADE_REPORTS] == Py_True) return 1;
    int sites = PyObject_IsTrue(ended->sites);
    if (sites <= 0 || phase == CALL) return sites;
    if (ended->heap == Py_None) return 0;
    PyObject *peak = PySequence_GetItem(ended->heap, 0);
    if (!peak) return -1;
    int large = peak == Py_None ? 0 : PyObject_RichCompareBool(peak, self->held[ENDS_LARGE], Py_GE);
    Py_DECREF(peak);
    return large;
}

/* Most phases: as they are packed, but for the kinds of the tuples. */
static PyObject *keep_numbers(struct attempt *attempt, PyObject *name, const struct ended *ended) {
    PyObject *values[] = {Py_NewRef(name),        PyFloat_FromDouble(ended->seconds), Py_NewRef(ended->unmeasured),
                          Py_NewRef(ended->heap), Py_NewRef(ended->resident),         Py_NewRef(empty_tuple),
                          Py_NewRef(empty_tuple)};
    PyObject *kept = pm_named((PyObject *)&PyTuple_Type, 7, values);
    int failed = kept ? PyObject_SetItem(attempt->held[ATTEMPT_FINISHED], name, kept) : -1;
    Py_XDECREF(kept);
    return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *conclude(struct ends *self, struct attempt *attempt, PyObject *name, struct ended *ended) {
    PyObject *given[] = {(PyObject *)self, (PyObject *)attempt, name, usage_of(ended)};
    return ended->usage ? PyObject_VectorcallMethod(name_conclude, given, 4, NULL) : NULL;
}

static PyObject *settle(struct ends *self, struct attempt *attempt, int phase, struct ended *ended) {
    if (!read_heap(self, attempt, phase, ended) || !tell(self, say_ended, ended)) return NULL;
    if (!planned_of(attempt)->asks_anything) Py_RETURN_NONE;
    int more = asks_for_more(self, attempt, phase, ended);
    if (more < 0) return NULL;
    PyObject *name = PyTuple_GET_ITEM(self->held[ENDS_NAMES], phase);
    return more ? conclude(self, attempt, name, ended) : keep_numbers(attempt, name, ended);
}

static PyObject *end_phase(struct ends *self, struct attempt *attempt, int phase, double seconds) {
    struct ended ended = {.seconds = seconds, .usage_kind = (PyTypeObject *)self->held[ENDS_USAGE]};
    ended.resident = close_resident(self, attempt, phase);
    if (!ended.resident) return NULL;
    ended.reading = Py_XNewRef(attempt->held[ATTEMPT_READING]); /* who is told of it may begin another phase */
    PyObject *answer = settle(self, attempt, phase, &ended);
    Py_DECREF(ended.resident);
    Py_XDECREF(ended.reading);
    Py_XDECREF(ended.usage);
    return answer;
}

/* A plan that was made before the call may know less than all markers now. */
static bool follow_markers(struct ends *self, struct attempt *attempt) {
    Py_ssize_t markers = pm_count_markers(attempt);
    if (markers < 0 || markers == attempt->markers) return markers >= 0;
    return answered(PyObject_CallMethodOneArg((PyObject *)self, name_marked_meanwhile, (PyObject *)attempt));
}

static PyObject *ends_end(PyObject *object, PyObject *const *given, Py_ssize_t count) {
    struct ends *self = made(object);
    int phase;
    double arrived, over, left;
    if (!self) return NULL;
    if (count != 2) return PyErr_Format(PyExc_TypeError, "end() takes an attempt and a phase (%zd given)", count);
    if (!pm_has_plan(given[0]) || !read_phase(given[1], &phase)) return NULL;
    if (!read_clock(self, &arrived) || !read_wall(self, arrived, &over)) return NULL;
    struct attempt *attempt = (struct attempt *)given[0];
    if (is_there(attempt->held[ATTEMPT_WINDOW]) && !close_window(attempt)) return NULL;
    if (phase == CALL && !follow_markers(self, attempt)) return NULL;
    PyObject *answer = end_phase(self, attempt, phase, over - attempt->began);
    if (!answer || !read_clock(self, &left)) {
        Py_XDECREF(answer);
        return NULL;
    }
    self->measuring_seconds += left - arrived;
    return answer;
}

static PyObject *ends_leave(PyObject *object, PyObject *unused) {
    (void)unused;
    struct ends *self = made(object);
    return self && tell(self, say_left, NULL) ? Py_NewRef(Py_None) : NULL;
}

static bool open_call(struct ends *self, struct attempt *attempt) {
    double arrived, ready;
    if (!read_clock(self, &arrived)) return false;
    if (is_there(attempt->held[ATTEMPT_WINDOW]) && !close_window(attempt)) return false;
    if (!open_window(self, attempt, CALL, &ready)) return false;
    if (!self->cheap && !read_clock(self, &ready)) return false;
    self->measuring_seconds += ready - arrived;
    return true;
}

static PyObject *ends_open_call_window(PyObject *object, PyObject *item) {
    struct ends *self = made(object);
    if (!self) return NULL;
    struct attempt *attempt = (struct attempt *)self->held[ENDS_ATTEMPT];
    if (!is_there((PyObject *)attempt) || attempt->held[ATTEMPT_ITEM] != item) Py_RETURN_NONE;
    if (!planned_of(attempt) || !planned_of(attempt)->has_window[CALL]) Py_RETURN_NONE;
    PyObject *window = Py_NewRef(window_of(planned_of(attempt), CALL));
    Py_INCREF(attempt);
    if (!open_call(self, attempt)) Py_CLEAR(window);
    Py_DECREF(attempt);
    return window;
}

static PyObject *ends_close_call_window(PyObject *object, PyObject *window) {
    struct ends *self = made(object);
    double arrived, left;
    if (!self) return NULL;
    if (window == Py_None) Py_RETURN_NONE;
    if (!read_clock(self, &arrived)) return NULL;
    PyObject *reading = PyObject_CallMethodNoArgs(window, name_finish);
    if (!reading || !read_clock(self, &left)) {
        Py_XDECREF(reading);
        return NULL;
    }
    self->measuring_seconds += left - arrived;
    struct attempt *attempt = (struct attempt *)self->held[ENDS_ATTEMPT];
    if (is_there((PyObject *)attempt) && attempt->held[ATTEMPT_WINDOW] == window) {
        PyObject *former = attempt->held[ATTEMPT_READING];
        attempt->held[ATTEMPT_READING] = reading;
        attempt->held[ATTEMPT_WINDOW] = NULL; /* the caller has the window still */
        Py_DECREF(window);
        Py_XDECREF(former);
    } else {
        Py_DECREF(reading);
    }
    Py_RETURN_NONE;
}

/* What phase_ends.py says, and says once more where it was loaded anew. */
static bool learn(struct ends *self) {
    PyObject *python = PyImport_ImportModule("pytest_memory.plugin.phase_ends");
    if (!python) return false;
    for (int i = ENDS_NAMES; i <= ENDS_LARGE; i++) {
        self->held[i] = PyObject_GetAttrString(python, said_in_python[i - ENDS_NAMES]);
        if (!self->held[i]) break;
    }
    PyObject *notable = self->held[ENDS_LARGE] ? PyObject_GetAttrString(python, "NOTABLE_GROWTH") : NULL;
    Py_DECREF(python);
    self->notable_growth = notable ? PyLong_AsLongLong(notable) : -1;
    Py_XDECREF(notable);
    return self->notable_growth != -1;
}

/* The system's own name of a clock of the module time, if it is one of those that sessions have: the interpreter would
 * spend on each look some six times as long as the system. */
static int id_of(PyObject *clock) {
    if (!PyCFunction_CheckExact(clock)) return NO_ID;
    PyCFunctionObject *function = (PyCFunctionObject *)clock;
    if (!function->m_module || !PyUnicode_Check(function->m_module)) return NO_ID;
    if (PyUnicode_CompareWithASCIIString(function->m_module, "time")) return NO_ID;
    if (!strcmp(function->m_ml->ml_name, "perf_counter")) return CLOCK_MONOTONIC;
    return strcmp(function->m_ml->ml_name, "thread_time") ? NO_ID : CLOCK_THREAD_CPUTIME_ID;
}

static int ends_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"clock", "wall", "open_resident", "collect", "seed", "observers", "cheap", NULL};
    struct ends *self = (struct ends *)object;
    PyObject *clock, *wall, *resident, *collect, *seed, *observers;
    int cheap;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOOOO!p", names, &clock, &wall, &resident, &collect, &seed,
                                     &PyList_Type, &observers, &cheap)) {
        return -1;
    }
    if (self->held[ENDS_CLOCK]) { /* what it holds may be in use */
        PyErr_SetString(PyExc_RuntimeError, "PhaseEnds.__init__() was called before");
        return -1;
    }
    PyObject *given[] = {clock, wall, resident, collect, seed, observers};
    for (int i = ENDS_CLOCK; i <= ENDS_OBSERVERS; i++) self->held[i] = Py_NewRef(given[i]);
    self->clock_id = id_of(clock);
    self->wall_id = id_of(wall);
    self->cheap = cheap;
    self->made = learn(self);
    return self->made ? 0 : -1;
}

/* Tests like this one, met with the usual plan, need not be met. */
static PyObject *ends_expect_alike(PyObject *object, PyObject *const *given, Py_ssize_t count) {
    struct ends *self = made(object);
    if (!self) return NULL;
    if (count != 3 || !PyList_Check(given[1])) {
        return PyErr_Format(PyExc_TypeError, "expect_alike() takes an attempt, a list of attributes, and names of markers");
    }
    if (!pm_has_plan(given[0])) return NULL;
    struct attempt *attempt = (struct attempt *)given[0];
    PyObject *item = attempt->held[ATTEMPT_ITEM], *parent = PyObject_GetAttr(item, name_parent);
    if (!parent) return NULL;
    Py_XSETREF(self->held[ENDS_KIND], Py_NewRef((PyObject *)Py_TYPE(item)));
    Py_XSETREF(self->held[ENDS_PARENT], parent);
    Py_XSETREF(self->held[ENDS_PARENTS], Py_NewRef(given[1]));
    Py_XSETREF(self->held[ENDS_LIMITS], Py_NewRef(given[2]));
    Py_XSETREF(self->held[ENDS_USUAL], Py_NewRef((PyObject *)planned_of(attempt)));
    Py_RETURN_NONE;
}

static int ends_set_attempt(PyObject *object, PyObject *attempt, void *unused) {
    (void)unused;
    struct ends *self = (struct ends *)object;
    if (attempt && attempt != Py_None && !pm_is_attempt(attempt)) return -1;
    Py_XSETREF(self->held[ENDS_ATTEMPT], Py_XNewRef(attempt));
    return 0;
}

static PyObject *ends_attempt(PyObject *object, void *unused) {
    (void)unused;
    PyObject *attempt = ((struct ends *)object)->held[ENDS_ATTEMPT];
    return Py_NewRef(attempt ? attempt : Py_None);
}

static PyMethodDef ends_methods[] = {
    {"begin", (PyCFunction)(void (*)(void))ends_begin, METH_FASTCALL, "begin(item, phase) -> the attempt"},
    {"end", (PyCFunction)(void (*)(void))ends_end, METH_FASTCALL, "end(attempt, phase) -> what is to be judged"},
    {"expect_alike", (PyCFunction)(void (*)(void))ends_expect_alike, METH_FASTCALL, "expect_alike(attempt, parents, names)"},
    {"leave", ends_leave, METH_NOARGS, "leave() -> None"},
    {"open_call_window", ends_open_call_window, METH_O, "open_call_window(item) -> the window"},
    {"close_call_window", ends_close_call_window, METH_O, "close_call_window(window) -> None"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef ends_members[] = {
    {"grown", T_OBJECT, SLOT(ends, ENDS_GROWN), 0, "The test that seems to have grown."},
    {"made_reports", T_OBJECT, SLOT(ends, ENDS_MADE_REPORTS), 0, "Reports carry measurements when made."},
    {"measuring_seconds", T_DOUBLE, offsetof(struct ends, measuring_seconds), READONLY, "What this took so far."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef ends_attributes[] = {
    {"attempt", ends_attempt, ends_set_attempt, "That at the running test.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot ends_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, ends_init},
    {Py_tp_dealloc, ends_dealloc},
    {Py_tp_traverse, ends_traverse},
    {Py_tp_clear, ends_clear},
    {Py_tp_methods, ends_methods},
    {Py_tp_members, ends_members},
    {Py_tp_getset, ends_attributes},
    {Py_tp_doc, "PhaseEnds(clock, wall, open_resident, collect, seed, observers, cheap): see phase_ends.py."},
    {0, NULL},
};

static PyType_Spec ends_spec = {
    .name = "pytest_memory.plugin._phase_ends.PhaseEnds",
    .basicsize = sizeof(struct ends),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = ends_slots,
};

static int module_exec(PyObject *module) {
    NAMES(INTERN)
    if (!empty_text && !(empty_text = PyUnicode_FromString(""))) return -1;
    if (!empty_tuple && !(empty_tuple = PyTuple_New(0))) return -1;
    if (!zero && !(zero = PyLong_FromLong(0))) return -1;
    if (!ends_type && !(ends_type = (PyTypeObject *)PyType_FromSpec(&ends_spec))) return -1;
    if (pm_offer_attempt(module) < 0) return -1;
    return pm_offer_type(module, "PhaseEnds", Py_NewRef((PyObject *)ends_type));
}

PM_EXTENSION(_phase_ends, "The two ends of each phase of each test.", NULL, module_exec)
