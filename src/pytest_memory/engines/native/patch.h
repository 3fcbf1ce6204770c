/* Put the hooks into the import tables of every loaded object, and notice when somebody takes them out. */
#ifndef PM_PATCH_H
#define PM_PATCH_H

#include <stdbool.h>
#include <stddef.h>

/* The reason for which something cannot be done before pm_patch_settle(), told apart by its address. */
extern const char pm_unsettled[];

/* How often to try again after that. */
enum { PM_PATIENCE = 16 };

/* Patch everything that is loaded, once. `interpreter` is any address inside the interpreter's own object.
 * Returns NULL, or why it cannot be done. */
const char *pm_patch_install(const void *interpreter);

/* Patch what was loaded since; cheap if nothing was. With `thorough`, look at every object again. False if something may
 * not have been loaded to its end: then nothing is seen to. */
bool pm_patch_refresh(bool thorough);

/* Wait for threads that load something. Not with the interpreter's lock, which what they load may be waiting for; but behind
 * dlopen(), which has just waited for the same. */
void pm_patch_settle(void);

/* Something may be loaded without our seeing when it is done. */
void pm_patch_expect(void);

/* Patch at once what was just loaded. */
void pm_patch_again(void);

/* Are the hooks still in the tables of the interpreter and of the C library? */
bool pm_patch_intact(void);

/* Call back with the path of each loaded object. */
void pm_patch_objects(void (*each)(const char *path, void *context), void *context);

void pm_patch_forked(void);

#endif
