/* Reads what Linux counts of this process's resident memory, and keeps windows over it.
 *
 * The same as ProcFiles in procfs.py and KernelWindows in kernel_windows.py, which say what it means and serve where this file
 * was not compiled. Both ends of every phase of every test are read: in Python, what stands around the system calls took
 * longer than those.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../extension.h"
#include "../named.h"

enum { STATM, STATUS, CLEAR, FILES };

static const struct {
    const char *name;
    int flags;
} files[FILES] = {{"statm", O_RDONLY}, {"status", O_RDONLY}, {"clear_refs", O_WRONLY}};

/* Two counters of the kernel that differ by less are taken for equal: it counts in batches. */
static const long long batch = 1024 * 1024;

/* How many forks lie between this process and the first that loaded us: asking for the process id is a system call. */
static unsigned long generation;

static void count_fork(void) { generation++; }

/* A descriptor that stays open while tests run, and the file that it was opened for. */
struct held {
    int number; /* below 0 where there is none */
    dev_t device;
    ino_t inode;
};

/* A test may close every descriptor that it finds, ours among them. The files that it opens next get their numbers: what we
   wrote would be in its files, and what we closed would be closed to it. So this is asked before either; it is dear in /proc,
   and reading, which changes nothing, looks at what was read. */
static bool is_ours(const struct held *held) {
    struct stat now;
    return held->number >= 0 && fstat(held->number, &now) == 0 && now.st_dev == held->device && now.st_ino == held->inode;
}

static bool hold(struct held *held, const char *path, int flags) {
    struct stat opened;
    held->number = open(path, flags | O_CLOEXEC);
    if (held->number < 0 || fstat(held->number, &opened) != 0) return false;
    held->device = opened.st_dev;
    held->inode = opened.st_ino;
    return true;
}

/* A number that is somebody else's by now is forgotten and not closed. */
static void let_go(struct held *held) {
    if (is_ours(held)) close(held->number);
    held->number = -1;
}

struct window;

struct kernel {
    PyObject_HEAD
    struct window *innermost; /* borrowed: a window that goes takes itself out */
    PyObject *usage;          /* what closing a window makes of (start, end, peak): a kind of tuple */
    PyObject *folder;
    struct held held[FILES];
    unsigned long generation; /* of the process that opened the files */
    long long page;
    long long trusted; /* ru_maxrss shows the mark from this value upwards */
    unsigned int forks;
};

static PyObject *fail(struct kernel *self, int file) {
    int number = errno; /* building the path may change it */
    PyObject *path = PyUnicode_FromFormat("%U/%s", self->folder, files[file].name);
    errno = number;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    Py_XDECREF(path);
    return NULL;
}

static void disconnect(struct kernel *self) {
    for (int file = 0; file < FILES; file++) let_go(&self->held[file]);
}

static bool open_files(struct kernel *self) {
    const char *folder = PyUnicode_AsUTF8(self->folder);
    if (!folder) return false;
    for (int file = 0; file < FILES; file++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, files[file].name);
        if (hold(&self->held[file], path, files[file].flags)) continue;
        fail(self, file);
        disconnect(self);
        return false;
    }
    return true;
}

/* That a file is at hand, whatever tests did; false with an exception set. The mark stays as it is: it may be read next. */
static bool at_hand(struct kernel *self, int file) {
    if (is_ours(&self->held[file])) return true;
    disconnect(self);
    return open_files(self);
}

static bool restart(struct kernel *self) {
    if (!at_hand(self, CLEAR)) return false;
    if (pwrite(self->held[CLEAR].number, "5", 1, 0) == 1) return true;
    fail(self, CLEAR);
    return false;
}

static bool connect_here(struct kernel *self) {
    if (!open_files(self)) return false;
    self->generation = generation;
    self->trusted = LLONG_MAX; /* a fork takes the constant away, or leaves another */
    if (restart(self)) return true;
    disconnect(self);
    return false;
}

static bool read_once(struct kernel *self, int file, char *text, size_t room) {
    ssize_t length = pread(self->held[file].number, text, room - 1, 0);
    text[length < 0 ? 0 : length] = 0;
    return length >= 0;
}

/* Once more, if it was not read or was no such file: it may be somebody else's by now. False with an exception set. */
static bool read_again(struct kernel *self, int file, char *text, size_t room) {
    if (!at_hand(self, file)) return false;
    if (read_once(self, file, text, room)) return true;
    fail(self, file);
    return false;
}

/* A window; while it is open it stands in its reader's stack. */
struct window {
    PyObject_HEAD
    struct kernel *reader;
    struct window *outer; /* borrowed, like `innermost` */
    bool open;
    long long start, highest;
};

static void end_windows(struct kernel *self, struct window *until) {
    while (self->innermost != until) {
        self->innermost->open = false;
        self->innermost = self->innermost->outer;
    }
}

/* The descriptors held by a fork are those of its parent, and so are the windows. */
static bool at_home(struct kernel *self) {
    if (self->generation == generation && self->held[STATM].number >= 0) return true;
    if (self->generation != generation) {
        self->forks++;
        end_windows(self, NULL);
    }
    disconnect(self);
    return connect_here(self);
}

/* Seven numbers of pages in one line, of which the second counts those that are resident. Looked through once, twice for
 * each phase of each test. */
static bool read_pages(const char *text, unsigned long long *resident) {
    unsigned long long number = 0;
    for (int numbers = 1; ; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (digit < 10) {
            number = 10 * number + digit;
            continue;
        }
        if (numbers == 2) *resident = number;
        if (*text != ' ') return numbers == 7 && text[0] == '\n' && !text[1];
        numbers++;
        number = 0;
    }
}

static long long resident_now(struct kernel *self) {
    char text[128];
    unsigned long long pages = 0;
    if (!read_once(self, STATM, text, sizeof text) || !read_pages(text, &pages)) {
        if (!read_again(self, STATM, text, sizeof text)) return -1;
        (void)read_pages(text, &pages);
    }
    return (long long)pages * self->page;
}

static long long maximum_now(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024LL : 0;
}

static long long field(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* Resident bytes and the mark as status has them. */
static bool read_status(struct kernel *self, long long *resident, long long *mark) {
    char text[4096];
    bool whole = read_once(self, STATUS, text, sizeof text) && strstr(text, "VmHWM:") && strstr(text, "VmRSS:");
    if (!whole && !read_again(self, STATUS, text, sizeof text)) return false;
    *resident = field(text, "VmRSS:");
    *mark = field(text, "VmHWM:");
    return true;
}

static PyObject *kernel_begin(PyObject *object, PyObject *unused) {
    (void)unused;
    struct kernel *self = (struct kernel *)object;
    if (!at_home(self)) return NULL;
    long long resident = resident_now(self);
    return resident < 0 || !restart(self) ? NULL : PyLong_FromLongLong(resident);
}

/* Resident bytes now and the mark, which is never below them. */
static bool read_both(struct kernel *self, long long *resident, long long *mark) {
    if (!at_home(self)) return false;
    long long maximum = maximum_now();
    if (maximum >= self->trusted) {
        *resident = resident_now(self);
        if (*resident < 0) return false;
        *mark = maximum;
    } else {
        if (!read_status(self, resident, mark)) return false;
        if (maximum - *mark < batch) self->trusted = maximum;
    }
    if (*mark < *resident) *mark = *resident;
    return true;
}

static PyObject *kernel_read(PyObject *object, PyObject *unused) {
    (void)unused;
    long long resident, mark;
    return read_both((struct kernel *)object, &resident, &mark) ? Py_BuildValue("(LL)", resident, mark) : NULL;
}

static PyObject *kernel_quick(PyObject *object, PyObject *unused) {
    (void)unused;
    struct kernel *self = (struct kernel *)object;
    if (!at_home(self)) return NULL;
    long long resident = resident_now(self), mark = maximum_now();
    if (resident < 0) return NULL;
    if (mark > resident && !restart(self)) return NULL; /* else the mark is at this level already */
    return Py_BuildValue("(LL)", resident, mark);
}

static PyTypeObject *window_type;

/* How high the mark stood goes to every window that it belongs to: an inner one lets it start anew. */
static void pass_on(struct kernel *self, long long mark) {
    for (struct window *window = self->innermost; window; window = window->outer)
        if (window->highest < mark) window->highest = mark;
}

static PyObject *kernel_open(PyObject *object, PyObject *unused) {
    (void)unused;
    struct kernel *self = (struct kernel *)object;
    long long resident, mark;
    if (!at_home(self)) return NULL;
    if (self->innermost) {
        if (!read_both(self, &resident, &mark)) return NULL;
        pass_on(self, mark);
    } else {
        resident = resident_now(self);
        if (resident < 0) return NULL;
    }
    if (!restart(self)) return NULL;
    struct window *window = (struct window *)window_type->tp_alloc(window_type, 0);
    if (!window) return NULL;
    window->reader = (struct kernel *)Py_NewRef(object);
    window->start = resident;
    window->open = true;
    window->outer = self->innermost;
    self->innermost = window;
    return (PyObject *)window;
}

static PyObject *window_close(PyObject *object, PyObject *unused) {
    (void)unused;
    struct window *window = (struct window *)object;
    struct kernel *reader = window->reader;
    long long end, mark;
    if (!read_both(reader, &end, &mark)) return NULL;
    if (window->open) end_windows(reader, window->outer); /* those left open inside it too */
    pass_on(reader, mark);
    long long peak = mark > window->highest ? mark : window->highest;
    if (peak < window->start) peak = window->start;
    PyObject *values[] = {PyLong_FromLongLong(window->start), PyLong_FromLongLong(end), PyLong_FromLongLong(peak)};
    return pm_named(reader->usage, 3, values);
}

static void window_dealloc(PyObject *object) {
    struct window *window = (struct window *)object;
    if (window->open) {
        struct window **place = &window->reader->innermost;
        while (*place != window) place = &(*place)->outer;
        *place = window->outer;
    }
    Py_DECREF(window->reader);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef window_methods[] = {
    {"close", window_close, METH_NOARGS, "close() -> the usage from then to now; ends those left open inside it too"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot window_slots[] = {
    {Py_tp_dealloc, window_dealloc},
    {Py_tp_methods, window_methods},
    {Py_tp_doc, "An open window; made by Kernel.open()."},
    {0, NULL},
};

static PyType_Spec window_spec = {
    .name = "pytest_memory.instruments._kernel.Window",
    .basicsize = sizeof(struct window),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = window_slots,
};

static PyObject *kernel_close(PyObject *object, PyObject *unused) {
    (void)unused;
    disconnect((struct kernel *)object);
    Py_RETURN_NONE;
}

static PyObject *kernel_forks(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(((struct kernel *)object)->forks);
}

static PyObject *kernel_new(PyTypeObject *type, PyObject *arguments, PyObject *named) {
    static char *names[] = {"folder", "usage", NULL};
    PyObject *folder, *usage = (PyObject *)&PyTuple_Type;
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "U|O!", names, &folder, &PyType_Type, &usage)) return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)usage, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "usage must be a kind of tuple");
        return NULL;
    }
    struct kernel *self = (struct kernel *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->folder = Py_NewRef(folder);
    self->usage = Py_NewRef(usage);
    self->page = sysconf(_SC_PAGESIZE);
    for (int file = 0; file < FILES; file++) self->held[file].number = -1; /* 0 is a descriptor */
    if (connect_here(self)) return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

/* The class of the answers holds its module, through its methods, and so half of the program: where the collector cannot
 * see who holds it, nothing of all that ever goes. */
static int kernel_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((struct kernel *)object)->usage);
    return 0;
}

static void kernel_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    disconnect((struct kernel *)object);
    Py_XDECREF(((struct kernel *)object)->folder);
    Py_XDECREF(((struct kernel *)object)->usage);
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef kernel_methods[] = {
    {"begin", kernel_begin, METH_NOARGS, "begin() -> resident bytes now; the mark starts anew from there"},
    {"read", kernel_read, METH_NOARGS, "read() -> (resident bytes now, the mark)"},
    {"quick", kernel_quick, METH_NOARGS, "quick() -> (resident bytes now, ru_maxrss); the mark starts anew if it is higher"},
    {"open", kernel_open, METH_NOARGS, "open() -> Window; the mark starts anew from what is resident now"},
    {"close", kernel_close, METH_NOARGS, "close() -> None; it opens again by itself"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef kernel_attributes[] = {
    {"forks", kernel_forks, NULL, "How often it noticed that it is in a fork of the process before.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot kernel_slots[] = {
    {Py_tp_new, kernel_new},
    {Py_tp_dealloc, kernel_dealloc},
    {Py_tp_traverse, kernel_traverse},
    {Py_tp_methods, kernel_methods},
    {Py_tp_getset, kernel_attributes},
    {Py_tp_doc, "Kernel(folder, usage=tuple): the counters of this process in a folder such as /proc/self."},
    {0, NULL},
};

static PyType_Spec kernel_spec = {
    .name = "pytest_memory.instruments._kernel.Kernel",
    .basicsize = sizeof(struct kernel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = kernel_slots,
};

static int module_exec(PyObject *module) {
    static bool watching;
    if (!watching && pthread_atfork(NULL, NULL, count_fork) != 0) {
        PyErr_SetString(PyExc_ImportError, "fork cannot be watched");
        return -1;
    }
    watching = true;
    if (!window_type && !(window_type = (PyTypeObject *)PyType_FromSpec(&window_spec))) return -1;
    return pm_offer_type(module, "Kernel", PyType_FromSpec(&kernel_spec));
}

PM_EXTENSION(_kernel, "Resident memory of this process.", NULL, module_exec)
