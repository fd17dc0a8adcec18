/* Preloaded into the server: at each completed fsync or fdatasync of a file in POWERLOSS_FROM a copy of it is kept in POWERLOSS_TO.
 * A power loss is then a kill, and that folder in place of the other: what was written and not synced is gone. A file that was
 * deleted is there again, unless the folder was synced since. Only files that lie in the folder itself are kept: SQLite's. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void copy(int from, const char *name) {
    static char buffer[1 << 20];
    char path[PATH_MAX];
    off_t at = 0;
    ssize_t size;
    snprintf(path, sizeof path, "%s/%s", getenv("POWERLOSS_TO"), name);
    /* Written over in place, as a disk does: should we be killed here, some of its pages are new and some are old. */
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0) abort();
    while ((size = pread(from, buffer, sizeof buffer, at)) > 0) {
        if (pwrite(to, buffer, size, at) != size) abort();
        at += size;
    }
    if (ftruncate(to, at) != 0) abort();
    close(to);
}

static void forget_deleted(const char *folder) {
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *kept = opendir(getenv("POWERLOSS_TO"));
    if (!kept) abort();
    while ((entry = readdir(kept))) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (access(path, F_OK) != 0) unlinkat(dirfd(kept), entry->d_name, 0);
    }
    closedir(kept);
}

static void keep(int fd) {
    char link[64], path[PATH_MAX];
    struct stat about;
    const char *folder = getenv("POWERLOSS_FROM");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!folder || length < 0 || fstat(fd, &about) != 0) return;
    path[length] = 0;
    size_t prefix = strlen(folder);
    pthread_mutex_lock(&one_at_a_time);
    if (S_ISDIR(about.st_mode) && strcmp(path, folder) == 0)
        forget_deleted(folder);
    else if (S_ISREG(about.st_mode) && strncmp(path, folder, prefix) == 0 && path[prefix] == '/' && !strchr(path + prefix + 1, '/'))
        /* Through the server's own descriptor: closing another one of the same file would drop its locks. */
        copy(fd, path + prefix + 1);
    pthread_mutex_unlock(&one_at_a_time);
}

static int synced(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }
