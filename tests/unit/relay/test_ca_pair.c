/* The keys' changes, cut off before each step that reaches the disk. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay/ca.h"
#include "relay/ca_file.h"
#include "relay/ca_pair.h"
#include "relay/tls_server.h"
#include "unit/folder.h"

enum { CUT = 9, MOST_STEPS = 60 };

static const int64_t now_s = 1795222800; /* 2026-11-21 */
static char folder[64], root[96], state_folder[96], signer[96], certificate[160], key_file[160],
    next_file[160];

/* Steps, counted down while armed: the last one does not happen, and nothing after it. */
static int steps_left;
static bool fails; /* in place of the cut: it, and all after it */

static bool cut_here(void)
{
    if (steps_left == 0 || --steps_left > 0)
        return false;
    if (!fails)
        _exit(CUT);
    steps_left = 1;
    errno = EIO;
    return true;
}

int rename(const char *from, const char *to)
{
    return cut_here() ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int fsync(int fd)
{
    return cut_here() ? -1 : (int)syscall(SYS_fsync, fd);
}

int unlink(const char *path)
{
    return cut_here() ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

static struct kg_ca_making making(void)
{
    static const char *const addresses[] = {"192.0.2.1"};
    return (struct kg_ca_making){.root = root,
                                 .state = state_folder,
                                 .signer = signer,
                                 .name = "CA",
                                 .passphrase = "of this test only",
                                 .addresses = addresses,
                                 .address_count = 1,
                                 .now_s = now_s};
}

static int make_authority(void **state)
{
    (void)state;
    struct kg_problem problem;
    if (!folder_make(folder, "pair"))
        return -1;
    snprintf(root, sizeof root, "%s/root", folder);
    snprintf(state_folder, sizeof state_folder, "%s/state", folder);
    snprintf(signer, sizeof signer, "%s/signer", folder);
    snprintf(certificate, sizeof certificate, "%s/" KG_CA_RELAY_CERT, state_folder);
    snprintf(key_file, sizeof key_file, "%s/" KG_CA_RELAY_KEY, state_folder);
    snprintf(next_file, sizeof next_file, "%s/" KG_CA_RELAY_KEY KG_CA_NEXT, state_folder);
    const struct kg_ca_making m = making();
    return kg_ca_init(&m, &problem) ? 0 : -1;
}

static int remove_authority(void **state)
{
    (void)state;
    return folder_remove(folder) ? 0 : -1;
}

struct fresh {
    EVP_PKEY *key;
    struct kg_ca_certificate certificate;
};

static struct fresh make_fresh(void)
{
    struct fresh f = {0};
    struct kg_problem problem;
    struct kg_ca_request request;
    char *csr;
    const struct kg_ca_making m = making();
    const struct kg_ca_subject subject = {.kind = KG_CA_SERVER, .addresses = m.addresses, .address_count = 1};
    struct kg_ca *ca = kg_ca_open(signer, &problem);
    assert_non_null(ca);
    assert_true(kg_ca_relay_request(&f.key, &csr, &problem));
    assert_true(kg_ca_request_read(csr, strlen(csr), &request, &problem));
    assert_true(kg_ca_sign(ca, &subject, &request, now_s, &f.certificate, &problem));
    kg_ca_request_finish(&request);
    kg_ca_close(ca);
    free(csr);
    return f;
}

static void finish_fresh(struct fresh *f)
{
    kg_ca_certificate_finish(&f->certificate);
    EVP_PKEY_free(f->key);
}

static bool is_in_force(const struct fresh *f)
{
    uint8_t fingerprint[KG_CA_FINGERPRINT_BYTES];
    assert_true(kg_ca_file_fingerprint(certificate, fingerprint, NULL, NULL));
    return memcmp(fingerprint, f->certificate.fingerprint, sizeof fingerprint) == 0;
}

static void starts(int step)
{
    struct kg_problem problem;
    const struct kg_tls_server_params params = {.state = state_folder};
    if (!kg_tls_server_check(&params, &problem))
        fail_msg("step %d: %s", step, problem.text);
}

/* The exit code of a process in which `change` was cut at `step`. */
static int cut_at(int step, bool (*change)(void *argument), void *argument)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        steps_left = step;
        _exit(change(argument) ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool install(void *argument)
{
    const struct fresh *f = argument;
    struct kg_problem problem;
    return kg_ca_relay_install(state_folder, f->key, &f->certificate, &problem);
}

static bool issue(void *argument)
{
    const struct kg_ca_making *m = argument;
    struct kg_problem problem;
    return kg_ca_issue(m, &problem);
}

/* As a change leaves it that was cut before its last step. */
static void leave_half_done(void)
{
    struct kg_problem problem;
    struct fresh f = make_fresh();
    if (access(next_file, F_OK) != 0)
        assert_int_equal(rename(key_file, next_file), 0);
    assert_true(kg_ca_write_key(state_folder, KG_CA_RELAY_KEY, f.key, &problem));
    finish_fresh(&f);
    starts(0);
}

static void cut_the_relays(bool half_done)
{
    int code = CUT;
    unsigned old = 0, fresh = 0;
    for (int step = 1; code == CUT && step < MOST_STEPS; step++) {
        struct fresh f = make_fresh();
        struct kg_problem problem;
        /* Each change meets a whole pair, or half a change. */
        assert_true(kg_ca_relay_install(state_folder, f.key, &f.certificate, &problem));
        finish_fresh(&f);
        if (half_done)
            leave_half_done();
        f = make_fresh();
        code = cut_at(step, install, &f);
        starts(step);
        is_in_force(&f) ? fresh++ : old++;
        finish_fresh(&f);
    }
    assert_int_equal(code, EXIT_SUCCESS);
    assert_true(old >= 3 && fresh >= 3);
    assert_int_not_equal(access(next_file, F_OK), 0);
}

static void test_the_relays_pair_cut_at_each_step(void **state)
{
    (void)state;
    cut_the_relays(false);
    cut_the_relays(true);
}

static void test_the_signers_pair_cut_at_each_step(void **state)
{
    (void)state;
    int code = CUT;
    struct kg_ca_making m = making();
    for (int step = 1; code == CUT && step < MOST_STEPS; step++) {
        struct kg_problem problem;
        code = cut_at(step, issue, &m);
        struct kg_ca *ca = kg_ca_open(signer, &problem);
        if (!ca)
            fail_msg("step %d: %s", step, problem.text);
        kg_ca_close(ca);
        starts(step);
    }
    assert_int_equal(code, EXIT_SUCCESS);
}

/* A disk that takes nothing from some step on: what is said is what is. */
static void test_a_failing_disk_at_each_step(void **state)
{
    (void)state;
    bool failed = true;
    for (int step = 1; failed && step < MOST_STEPS; step++) {
        struct fresh f = make_fresh();
        fails = true;
        steps_left = step;
        bool done = install(&f);
        failed = steps_left == 1;
        steps_left = 0;
        fails = false;
        starts(step);
        assert_int_equal(is_in_force(&f), done);
        finish_fresh(&f);
    }
    assert_false(failed);
}

static void test_one_writer_at_a_time(void **state)
{
    (void)state;
    struct kg_problem problem;
    struct fresh f = make_fresh();
    int lock = open(state_folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_false(kg_ca_relay_install(state_folder, f.key, &f.certificate, &problem));
    assert_non_null(strstr(problem.text, "another kaigi-ctl"));
    close(lock);
    assert_true(kg_ca_relay_install(state_folder, f.key, &f.certificate, &problem));
    finish_fresh(&f);
}

/* Keys that fit nothing are no way in, and what is wrong is said with what helps. */
static void test_no_pair(void **state)
{
    (void)state;
    struct kg_problem problem;
    const struct kg_tls_server_params params = {.state = state_folder};
    struct fresh f = make_fresh();
    assert_int_equal(rename(key_file, next_file), 0);
    starts(0);
    assert_true(kg_ca_write_key(state_folder, KG_CA_RELAY_KEY KG_CA_NEXT, f.key, &problem));
    assert_false(kg_tls_server_check(&params, &problem));
    assert_non_null(strstr(problem.text, "cannot read"));
    assert_true(kg_ca_write_key(state_folder, KG_CA_RELAY_KEY, f.key, &problem));
    assert_false(kg_tls_server_check(&params, &problem));
    assert_non_null(strstr(problem.text, "is not the private key of"));
    assert_non_null(strstr(problem.text, "ca server"));
    /* A key under a passphrase is not asked for. */
    assert_true(kg_ca_write_secret(state_folder, KG_CA_RELAY_KEY, f.key, "of this test only", &problem));
    assert_false(kg_tls_server_check(&params, &problem));
    assert_true(kg_ca_write_file(state_folder, KG_CA_RELAY_CERT, 0644, "no certificate\n", &problem));
    assert_false(kg_tls_server_check(&params, &problem));
    assert_non_null(strstr(problem.text, "holds no certificate"));
    /* And a new pair mends all of it. */
    assert_true(install(&f));
    starts(0);
    finish_fresh(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_relays_pair_cut_at_each_step, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_the_signers_pair_cut_at_each_step, make_authority,
                                        remove_authority),
        cmocka_unit_test_setup_teardown(test_a_failing_disk_at_each_step, make_authority, remove_authority),
        cmocka_unit_test_setup_teardown(test_one_writer_at_a_time, make_authority, remove_authority),
        cmocka_unit_test_setup_teardown(test_no_pair, make_authority, remove_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
