#include "unit/cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/relay_settings.h"

/* The shipped sample shows every key with its default. */
static void test_sample(void **state)
{
    (void)state;
    struct kg_relay_settings sample = {0}, none = {0};
    struct kg_settings_error error;
    if (!kg_relay_settings_load(KAIGI_SOURCE "/media/relay/relay.conf", &sample, &error))
        fail_msg("%s", error.message);
    assert_true(kg_relay_settings_default("/var/lib/kaigi-relay", &none, &error));
    assert_string_equal(sample.state, none.state);
    assert_int_equal(sample.listen_count, 2);
    assert_int_equal(sample.listen[0].ss_family, AF_INET);
    assert_int_equal(sample.listen[1].ss_family, AF_INET6);
    assert_int_equal(ntohs(((struct sockaddr_in6 *)&sample.listen[1])->sin6_port), 443);
    assert_memory_equal(sample.listen, none.listen, sizeof sample.listen);
    assert_int_equal(sample.port, none.port);
    assert_int_equal(sample.udp, none.udp);
    assert_null(sample.advertised);
    assert_null(sample.tls_certificate);
    assert_null(sample.tls_key);
    assert_null(sample.tls_client_ca);
    assert_null(sample.signer_socket);
    assert_int_equal(sample.workers, none.workers);
    assert_int_equal(sample.tunnel_threads, none.tunnel_threads);
    assert_int_equal(sample.dscp_audio, none.dscp_audio);
    assert_int_equal(sample.dscp_video, none.dscp_video);
    assert_int_equal(sample.open_before_minutes, none.open_before_minutes);
    assert_int_equal(sample.seat_seconds, none.seat_seconds);
    assert_int_equal(sample.connections, none.connections);
    assert_int_equal(sample.handshake_seconds, none.handshake_seconds);
    assert_int_equal(sample.idle_seconds, none.idle_seconds);
    assert_int_equal(sample.message_bytes, none.message_bytes);
    assert_int_equal(sample.messages_per_second, none.messages_per_second);
    assert_int_equal(sample.log_level, KG_LOG_INFO);
    assert_int_equal(none.log_level, KG_LOG_INFO);
    assert_int_equal(sample.log_format, KG_LOG_TEXT);
    kg_relay_settings_finish(&sample);
    kg_relay_settings_finish(&none);
}

static void refuse(const char *text, const char *says)
{
    char path[] = "/tmp/kaigi-relay-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    struct kg_relay_settings settings = {0};
    struct kg_settings_error error;
    bool loaded = kg_relay_settings_load(path, &settings, &error);
    unlink(path);
    assert_false(loaded);
    if (!strstr(error.message, says))
        fail_msg("%s", error.message);
    assert_null(settings.state);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("[tls]\ncertificate=chain.pem\n", "sets \"certificate\" without \"key\"");
    refuse("[tls]\nkey=chain.key\n", "sets \"key\" without \"certificate\"");
    refuse("[listen]\nadresses=::\n",
           ":2: unknown key \"adresses\" in [listen]; did you mean \"addresses\"?");
    refuse("[listen]\naddresses=relay.example\n", "numeric");
    refuse("[listen]\naddresses=[::1]\n", "without brackets");
    refuse("[listen]\naddresses=10.0.0.1;10.0.0.2\n", "one of each kind");
    refuse("[listen]\nadvertised=x\n", "numeric");
    refuse("[media]\nworkers=65\n", "0 to 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
