/* What the two halves of the extension share: the cells of a breadcrumb, which _cells.c writes, and who follows the
 * tests, which is _following.c.
 */
#ifndef PYTEST_MEMORY_CELLS_H
#define PYTEST_MEMORY_CELLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "breadcrumbs and journals are little-endian"
#endif

enum { SETUP = 1 }; /* an index of ACTIVITIES; 0 is none */

struct cells; /* a Python object */

extern PyTypeObject *cells_type;

/* CRC-32/ISO-HDLC, which is zlib's; `start` is what zlib.crc32 takes for its second argument. */
uint32_t cells_crc32(uint32_t start, const unsigned char *bytes, size_t length);

/* Monotonic seconds. An exception may be set if they are below 0; so it is with those that follow. */
double cells_look(const struct cells *self);

/* A test begins with this name, or the one that runs goes on with something else; gives the time. */
double cells_write_test(struct cells *self, PyObject *nodeid, unsigned char activity);
double cells_write_activity(struct cells *self, unsigned char activity);

/* The UTF-8 of a text, lone surrogates included. `kept` holds it if it had to be made; NULL with an exception set. */
const unsigned char *cells_utf8(PyObject *text, Py_ssize_t *length, PyObject **kept);

bool cells_read_activity(PyObject *number, unsigned char *activity);

PyObject *follower_make_type(void);

#endif
