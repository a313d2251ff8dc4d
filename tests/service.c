/*
 * A service that a service manager has started: sd_notify(3), sd_listen_fds(3).
 *
 *   service tell MESSAGE…   sends each message, and waits until all have been read
 *   service flood COUNT     sends so many statuses, and waits until all have been read
 *   service give NAME:tcp|udp:PORT… -- PROGRAM ARGUMENT…
 *                           executes a program that is given sockets
 *   service serve           prints which sockets it was given, and answers one client of each
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_SOCKET 3

static void fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(1);
}

static int connect_manager(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path) {
        puts("nobody to tell");
        exit(1);
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    if (*path == '@') address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, size)) fail(path);
    return fd;
}

static void tell(int fd, const char *message) {
    if (send(fd, message, strlen(message), MSG_NOSIGNAL) < 0) fail("send");
}

/* As sd_notify_barrier(3): the reader closes a pipe that is sent to it. */
static void await_reader(int fd) {
    int ends[2];
    if (pipe(ends)) fail("pipe");
    static char text[] = "BARRIER=1";
    struct iovec data = {text, sizeof text - 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &ends[1], sizeof(int));
    struct msghdr message = {0, 0, &data, 1, &control, sizeof control, 0};
    if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) fail("sendmsg");
    close(ends[1]);
    struct pollfd hangup = {ends[0], 0, 0};
    if (poll(&hangup, 1, 20000) != 1) fail("nobody reads");
}

static void serve(void) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    int is_own = pid && atoi(pid) == getpid();
    printf("%s process, %s sockets: %s\n", is_own ? "this" : pid ? "another" : "no",
           count ? count : "no", names ? names : "no names");
    fflush(stdout);
    for (int i = 0; count && i < atoi(count); i++) {
        int type, fd;
        socklen_t size = sizeof type;
        getsockopt(FIRST_SOCKET + i, SOL_SOCKET, SO_TYPE, &type, &size);
        printf("socket %d is of %s\n", FIRST_SOCKET + i, type == SOCK_STREAM ? "tcp" : "udp");
        if (type != SOCK_STREAM) continue;
        fd = accept(FIRST_SOCKET + i, 0, 0);
        if (fd < 0) fail("accept");
        dprintf(fd, "hello by socket %d\n", FIRST_SOCKET + i);
        close(fd);
    }
    printf("further descriptor: %s\n", fcntl(FIRST_SOCKET + (count ? atoi(count) : 0), 1) < 0 ? "none" : "open");
}

/* Opens a socket, which gets the lowest free number. */
static void open_socket(const char *protocol, int port) {
    int is_tcp = !strcmp(protocol, "tcp");
    int fd = socket(AF_INET6, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    /* A test opens it again, for its next pod. */
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) fail("bind");
    if (is_tcp && listen(fd, 5)) fail("listen");
}

static void give(char **arguments) {
    char names[256] = "", number[16];
    int count = 0;
    for (; strcmp(*arguments, "--"); arguments++, count++) {
        char name[32], protocol[8];
        int port;
        if (sscanf(*arguments, "%31[^:]:%7[^:]:%d", name, protocol, &port) != 3) exit(2);
        open_socket(protocol, port);
        if (count) strcat(names, ":");
        strcat(names, name);
    }
    setenv("LISTEN_FDNAMES", names, 1);
    snprintf(number, sizeof number, "%d", count);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof number, "%d", getpid());
    setenv("LISTEN_PID", number, 1);
    execvp(arguments[1], arguments + 1);
    fail(arguments[1]);
}

int main(int count, char **arguments) {
    if (count < 2) return 2;
    if (!strcmp(arguments[1], "serve")) return serve(), 0;
    if (!strcmp(arguments[1], "give")) give(arguments + 2);
    int fd = connect_manager();
    if (!strcmp(arguments[1], "tell"))
        for (int i = 2; i < count; i++) tell(fd, arguments[i]);
    if (!strcmp(arguments[1], "flood")) {
        char status[32];
        for (int i = 1; i <= atoi(arguments[2]); i++) {
            snprintf(status, sizeof status, "STATUS=%d", i);
            tell(fd, status);
        }
    }
    await_reader(fd);
    return 0;
}
