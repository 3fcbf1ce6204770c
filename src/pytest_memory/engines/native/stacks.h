/* The table of distinct call stacks of a ledger. Everything here runs under the ledger's lock. */
#ifndef PM_STACKS_H
#define PM_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frames kept of one stack, most recent first. */
enum { PM_STACK_DEPTH = 512, PM_STACKS = 1 << 18, PM_STACK_NONE = 0 };

/* What identifies a frame while the program runs. The name and the first line guard against a code object whose
 * address was another's before. */
struct pm_frame {
    const void *code;
    const void *name;
    int32_t first_line;
    int32_t instruction;
};

struct pm_place {
    uint32_t code; /* number of a code object's record */
    int32_t line;
};

struct pm_text {
    const char *bytes; /* UTF-8; lone surrogates as themselves */
    size_t length;
};

struct pm_stacks;

struct pm_stacks *pm_stacks_make(void);

/* Begin anew; a frame that is `outside`, and its callers, are in no stack from now on. */
void pm_stacks_clear(struct pm_stacks *stacks, const void *outside);

/* The number of the calling thread's stack; PM_STACK_NONE if the tables are full. */
uint32_t pm_stacks_find(struct pm_stacks *stacks);
uint32_t pm_stacks_count(const struct pm_stacks *stacks);

/* The frames of a stack, most recent first; the names of a code object, false if there is none of that number. */
size_t pm_stacks_places(const struct pm_stacks *stacks, uint32_t stack, const struct pm_place **places);
bool pm_stacks_code(const struct pm_stacks *stacks, uint32_t code, struct pm_text *filename, struct pm_text *name);

/* Moves when the records of code objects are forgotten, and their numbers given anew. */
uint32_t pm_stacks_generation(const struct pm_stacks *stacks);

size_t pm_stacks_resident(const struct pm_stacks *stacks);

#endif
