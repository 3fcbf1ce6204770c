/* The one place that knows how each CPython lays out its frames. A new version gets a block here.
 *
 * pm_top_frame(thread)   the most recent frame of a thread state, or NULL
 * pm_frame_back(frame)   the frame that called it
 * pm_frame_code(frame)   its code object, or NULL for a frame that runs none (an entry from C)
 * pm_frame_lasti(frame)  byte offset of the instruction it is at
 * pm_code_name(code)     the most telling name of a code object
 * pm_code_line(code, at) the line of the instruction at a byte offset; less than 1 if it has none
 */
#ifndef PM_INTERPRETER_H
#define PM_INTERPRETER_H

#if defined(Py_PYTHON_H)
#error "interpreter.h must come before Python.h: it asks for the internal headers"
#endif
#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE_MODULE 1
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#if PY_VERSION_HEX < 0x030A0000 || PY_VERSION_HEX >= 0x030F0000
#error "pytest-memory's native engine knows CPython 3.10 to 3.14; --memory-engine=auto falls back to another"
#endif

#ifdef Py_GIL_DISABLED
#error "pytest-memory's native engine needs the interpreter's lock"
#endif

/* From 3.12 on an interpreter may have a lock of its own, and so run while another changes what all share. */
enum { PM_OWN_LOCKS = PY_VERSION_HEX >= 0x030C0000 };

/* Whether one may be running beside the main one, whose lock is held. The main one is the last in the list, and nobody
 * begins one meanwhile but who runs in one. The list is not walked: another may end, and be freed, under a look into it. */
static inline bool pm_interpreters_beside(void) {
    return PM_OWN_LOCKS && PyInterpreterState_Head() != PyInterpreterState_Main();
}

#if PY_VERSION_HEX < 0x030B0000 /* 3.10 */

#include <frameobject.h>

typedef PyFrameObject pm_python_frame;

static inline pm_python_frame *pm_top_frame(PyThreadState *thread) { return thread->frame; }
static inline pm_python_frame *pm_frame_back(pm_python_frame *frame) { return frame->f_back; }
static inline PyCodeObject *pm_frame_code(pm_python_frame *frame) { return frame->f_code; }
static inline int pm_frame_lasti(pm_python_frame *frame) { return frame->f_lasti * (int)sizeof(_Py_CODEUNIT); }
static inline PyObject *pm_code_name(PyCodeObject *code) { return code->co_name; }
static inline int pm_code_line(PyCodeObject *code, int offset) { return PyCode_Addr2Line(code, offset); }

#else

#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#else
#include <internal/pycore_frame.h>
#endif

typedef struct _PyInterpreterFrame pm_python_frame;

static inline pm_python_frame *pm_frame_back(pm_python_frame *frame) { return frame->previous; }
static inline PyObject *pm_code_name(PyCodeObject *code) { return code->co_qualname; }

/* What PyCode_Addr2Line() says, for a quarter of the time: it makes a range with all its positions of each entry that it
 * passes. An entry begins with a byte that has the highest bit set, no other byte has: four bits say of what kind it is and
 * three for how many instructions it stands, less one (Objects/locations.md; before 3.12 only the code has it). */
static inline int pm_code_line(PyCodeObject *code, int offset) {
    enum { ONE_LINE = 10, ONE_LINE_LAST = 12, LONG = 14, NONE = 15 };
    const uint8_t *at = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
    const uint8_t *end = at + PyBytes_GET_SIZE(code->co_linetable);
    int line = code->co_firstlineno, left = offset / (int)sizeof(_Py_CODEUNIT);
    if (offset < 0) return line;
    while (at < end) {
        unsigned first = *at++, kind = first >> 3 & 15;
        left -= (int)(first & 7) + 1;
        if (kind <= ONE_LINE_LAST) { /* on the same line, with a byte of columns; or one of the next, with two */
            bool short_form = kind < ONE_LINE;
            line += short_form ? 0 : (int)kind - ONE_LINE;
            at += short_form ? 1 : 2;
        } else if (kind <= LONG) { /* a signed number of six bits a byte, the lowest first */
            unsigned delta = 0, shift = 0;
            while (at < end && shift < 32) {
                delta |= (*at & 63u) << shift;
                shift += 6;
                if (!(*at++ & 64)) break;
            }
            line += delta & 1 ? -(int)(delta >> 1) : (int)(delta >> 1);
        }
        if (left < 0) return kind == NONE ? -1 : line;
        while (at < end && !(*at & 128)) at++;
    }
    return -1;
}

#if PY_VERSION_HEX < 0x030C0000 /* 3.11 */

static inline pm_python_frame *pm_top_frame(PyThreadState *thread) { return thread->cframe->current_frame; }
static inline PyCodeObject *pm_frame_code(pm_python_frame *frame) { return frame->f_code; }
static inline _Py_CODEUNIT *pm_frame_instruction(pm_python_frame *frame) { return frame->prev_instr; }

#elif PY_VERSION_HEX < 0x030D0000 /* 3.12 */

static inline pm_python_frame *pm_top_frame(PyThreadState *thread) { return thread->cframe->current_frame; }
static inline PyCodeObject *pm_frame_code(pm_python_frame *frame) {
    return frame->owner == FRAME_OWNED_BY_CSTACK ? NULL : frame->f_code;
}
static inline _Py_CODEUNIT *pm_frame_instruction(pm_python_frame *frame) { return frame->prev_instr; }

#elif PY_VERSION_HEX < 0x030E0000 /* 3.13 */

static inline pm_python_frame *pm_top_frame(PyThreadState *thread) { return thread->current_frame; }
static inline PyCodeObject *pm_frame_code(pm_python_frame *frame) {
    if (frame->owner == FRAME_OWNED_BY_CSTACK || !frame->f_executable) return NULL;
    return PyCode_Check(frame->f_executable) ? (PyCodeObject *)frame->f_executable : NULL;
}
static inline _Py_CODEUNIT *pm_frame_instruction(pm_python_frame *frame) { return frame->instr_ptr; }

#else /* 3.14: f_executable is a tagged reference */

static inline pm_python_frame *pm_top_frame(PyThreadState *thread) { return thread->current_frame; }
static inline PyCodeObject *pm_frame_code(pm_python_frame *frame) {
    if (frame->owner >= FRAME_OWNED_BY_INTERPRETER || PyStackRef_IsNull(frame->f_executable)) return NULL;
    PyObject *executable = PyStackRef_AsPyObjectBorrow(frame->f_executable);
    return PyCode_Check(executable) ? (PyCodeObject *)executable : NULL;
}
static inline _Py_CODEUNIT *pm_frame_instruction(pm_python_frame *frame) { return frame->instr_ptr; }

#endif

static inline int pm_frame_lasti(pm_python_frame *frame) {
    return (int)((char *)pm_frame_instruction(frame) - (char *)_PyCode_CODE(pm_frame_code(frame)));
}

#endif

#endif
