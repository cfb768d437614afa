/* A plugin for qemu's user emulation that counts instructions, all of them and by function.
 *
 * At the end of the program it writes a line for each function that ran, "COUNT NAME", to the file that GLIMPSED_COUNTS
 * names. The few declarations are those of qemu's plugin interface, version 1; its header is in no package.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *counter, uint64_t amount);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { ADD_U64 = 0 };

/* One for each translated block; blocks are never freed, a program has some ten thousand. */
struct block {
    uint64_t count;
    const char *function;
    struct block *next;
};

static struct block *blocks;

static void translated(plugin_id id, struct qemu_plugin_tb *tb) {
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block)
        abort();
    block->function = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
    /* Translation is serialised by qemu. */
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &block->count, qemu_plugin_tb_n_insns(tb));
}

static void ended(plugin_id id, void *unused) {
    const char *path = getenv("GLIMPSED_COUNTS");
    FILE *file = path ? fopen(path, "w") : stderr;
    (void)id, (void)unused;
    if (!file)
        abort();
    for (struct block *block = blocks; block; block = block->next)
        if (block->count)
            fprintf(file, "%llu %s\n", (unsigned long long)block->count, block->function ? block->function : "?");
    fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
