/* let_in USER: as the owner of the terminal on its standard input, lets a user open it by an access
   control list, which may outlast that the terminal is its own. */
#include "hostile.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>

/* linux/posix_acl_xattr.h */
enum { VERSION = 2, USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, MASK = 16, OTHER = 32, READ_WRITE = 6 };

int let_in(int argc, char **argv) {
  if (argc < 2) return 2;
  struct {
    uint32_t version;
    struct {
      uint16_t tag, permissions;
      uint32_t id;
    } entries[5];
  } list = {VERSION,
            {{USER_OBJ, READ_WRITE, -1},
             {USER, READ_WRITE, atoi(argv[1])},
             {GROUP_OBJ, READ_WRITE, -1},
             {MASK, READ_WRITE, -1},
             {OTHER, 0, -1}}};
  if (fsetxattr(0, "system.posix_acl_access", &list, sizeof list, 0) == 0) puts("let in");
  return 0;
}
