#include "net/http_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/cmocka_all.h"

static enum kg_http_state read_text(const char *text, bool ended, struct kg_http_answer *answer)
{
    /* Of the exact size, for the sanitizer. */
    size_t size = strlen(text);
    char *copy = malloc(size + !size);
    assert_non_null(copy);
    memcpy(copy, text, size);
    enum kg_http_state state = kg_http_answer_read(copy, size, ended, answer);
    free(copy);
    return state;
}

static void expect(const char *text, bool ended, int status, const char *body)
{
    struct kg_http_answer answer;
    if (read_text(text, ended, &answer) != KG_HTTP_WHOLE)
        fail_msg("refused: %s", text);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body, body);
    kg_http_answer_finish(&answer);
}

static void test_frames(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcrest", false, 200, "abc");
    expect("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, 200, "");
    expect("HTTP/1.0 403 No\n\nabc", true, 403, "abc");
    expect("HTTP/1.1 204 Nothing\r\n\r\n", false, 204, "");
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx", false, 201, "x");
    expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n"
           "Trailer: x\r\n\r\n",
           false, 200, "abc0123456789");
}

/* Every beginning of an answer is a beginning, until it is whole; ended there, it is broken. */
static void test_beginnings(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"};
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++) {
        for (size_t size = 0; size < strlen(texts[i]); size++) {
            struct kg_http_answer answer;
            assert_int_equal(kg_http_answer_read(texts[i], size, false, &answer), KG_HTTP_MORE);
            assert_int_equal(kg_http_answer_read(texts[i], size, true, &answer), KG_HTTP_BAD);
        }
    }
}

static void test_fields(void **state)
{
    (void)state;
    struct kg_http_answer answer;
    assert_int_equal(read_text("HTTP/1.1 202 Accepted\r\nRETRY-AFTER:\t 12 \r\nContent-Type: "
                               "Application/PKCS7-Mime; smime-type=certs-only\r\nContent-Length: 0\r\n\r\n",
                               false, &answer),
                     KG_HTTP_WHOLE);
    assert_int_equal(answer.retry_after_s, 12);
    assert_string_equal(answer.type, "application/pkcs7-mime");
    kg_http_answer_finish(&answer);
    static const struct {
        const char *value;
        int64_t retry_s;
    } waits[] = {{"99999999999999999999", KG_HTTP_RETRY_MAX_S},
                 {"-1", -1},
                 {"", -1},
                 {"Fri, 31 Dec 1999 23:59:59 GMT", -1}};
    for (size_t i = 0; i < KG_ARRAY_LEN(waits); i++) {
        char text[200];
        snprintf(text, sizeof text, "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\n\r\n", waits[i].value);
        assert_int_equal(kg_http_head_read(text, strlen(text), &answer), KG_HTTP_WHOLE);
        assert_int_equal(answer.retry_after_s, waits[i].retry_s);
        assert_null(answer.body);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SSH-2.0-nothing\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/1.1 600 x\r\n\r\n",
        "HTTP/1.1 2000 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName: x\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < KG_ARRAY_LEN(texts); i++) {
        struct kg_http_answer answer;
        if (read_text(texts[i], false, &answer) != KG_HTTP_BAD)
            fail_msg("taken: %s", texts[i]);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static char text[KG_HTTP_ANSWER_MAX + 1];
    struct kg_http_answer answer;
    memset(text, 'x', sizeof text);
    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    assert_int_equal(kg_http_answer_read(text, KG_HTTP_HEAD_MAX, false, &answer), KG_HTTP_MORE);
    assert_int_equal(kg_http_answer_read(text, KG_HTTP_HEAD_MAX + 1, false, &answer), KG_HTTP_BAD);
    memcpy(text, "HTTP/1.1 200 OK\r\n\r\n", 19);
    assert_int_equal(kg_http_answer_read(text, KG_HTTP_BODY_MAX + 19, true, &answer), KG_HTTP_WHOLE);
    kg_http_answer_finish(&answer);
    assert_int_equal(kg_http_answer_read(text, KG_HTTP_BODY_MAX + 20, true, &answer), KG_HTTP_BAD);
    assert_int_equal(kg_http_answer_read(text, sizeof text, true, &answer), KG_HTTP_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),  cmocka_unit_test(test_beginnings), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
