/* hostile ATTACK ARGUMENT...: all attackers in one static program, so that an image needs no
   library. */
#include "hostile.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  int (*attack)(int argc, char **argv);
} ATTACKS[] = {
    {"blind", blind},
    {"breed", breed},
    {"call_control", call_control},
    {"calls", make_calls},
    {"calls_32", make_calls_32},
    {"exchange", exchange},
    {"exchange_late", exchange_late},
    {"exchange_made", exchange_made},
    {"flood_syslog", flood_syslog},
    {"hoard", hoard},
    {"leaderless", leaderless},
    {"linger", linger},
    {"let_in", let_in},
    {"list_writable", list_writable},
    {"meddle", meddle},
    {"outgrow", outgrow},
    {"outlive", outlive},
    {"reach", reach_from},
    {"regrow", regrow},
    {"hold", hold_processes},
    {"stop_next", stop_next},
    {"read_key", read_key},
    {"siblings", siblings},
    {"spoil", spoil_programs},
    {"take_terminals", take_terminals},
    {"trace", trace},
};

int main(int argc, char **argv) {
  /* Each line is one write: of several processes that print, none comes between. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (unsigned i = 0; argc > 1 && i < sizeof ATTACKS / sizeof *ATTACKS; i++)
    if (strcmp(ATTACKS[i].name, argv[1]) == 0) return ATTACKS[i].attack(argc - 1, argv + 1);
  fprintf(stderr, "hostile: no such attack\n");
  return 2;
}
