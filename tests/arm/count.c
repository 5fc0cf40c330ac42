/* Counts the instructions that an emulated aarch64 program executes between two markers.
 *
 * A plugin for QEMU's user-mode emulation (plugin API 1, QEMU 6 and later). The program marks the stretch with
 * prctl(0x41524d43, 1) and prctl(0x41524d43, 2); at the second one a line of JSON goes to standard error. So
 * interpreter start-up, imports and the loading of a network are left out.
 *
 * Debian ships no qemu-plugin.h, so the few declarations needed stand here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdbool.h>

#define EXPORT __attribute__((visibility("default")))
#define SYSCALL_PRCTL 167
#define MARKER 0x41524d43

typedef uint64_t qemu_plugin_id_t;
typedef struct {
    const char *target_name;
    struct { int min, cur; } version;
    bool system_emulation;
    union { struct { int smp_vcpus, max_vcpus; } system; };
} qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*on_translation)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*on_syscall)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, on_translation);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, on_syscall);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

static uint64_t total, fused, dot;                      /* since the program began */
static uint64_t total_before, fused_before, dot_before; /* at the first marker */

/* Floating-point multiply-add: FMADD and its kin, FMLA and FMLS by vector and by element. */
static bool is_fused_multiply_add(uint32_t word)
{
    return (word & 0x5f000000) == 0x1f000000 || (word & 0xbf20fc00) == 0x0e20cc00 ||
           (word & 0xbf80b400) == 0x0f801000;
}

/* int8 dot product: SDOT and UDOT by vector and by element. */
static bool is_dot_product(uint32_t word)
{
    return (word & 0x9fe0fc00) == 0x0e809400 || (word & 0x9fc0f400) == 0x0f80e000;
}

static void count_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    size_t length = qemu_plugin_tb_n_insns(block);
    uint64_t fused_here = 0, dot_here = 0;
    (void)id;
    for (size_t i = 0; i < length; i++) {
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof word);
        fused_here += is_fused_multiply_add(word);
        dot_here += is_dot_product(word);
    }
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &total, length);
    if (fused_here)
        qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &fused, fused_here);
    if (dot_here)
        qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &dot, dot_here);
}

static void watch_markers(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t marker, uint64_t operation,
                          uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != SYSCALL_PRCTL || marker != MARKER)
        return;
    if (operation == 1)
        total_before = total, fused_before = fused, dot_before = dot;
    else
        fprintf(stderr, "{\"total\": %llu, \"fused_multiply_add\": %llu, \"dot_product\": %llu}\n",
                (unsigned long long)(total - total_before), (unsigned long long)(fused - fused_before),
                (unsigned long long)(dot - dot_before));
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)argc, (void)argv;
    if (strcmp(info->target_name, "aarch64") != 0)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    qemu_plugin_register_vcpu_syscall_cb(id, watch_markers);
    return 0;
}
