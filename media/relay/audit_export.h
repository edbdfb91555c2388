/* The audit trail as a file: JSON Lines, one object a row with every field, the last line an anchor. Written
 * by the relay, verified anywhere. The anchor's "partial" is true when a filter left rows out; its seq and
 * hash are the trail's end at that time all the same. Pure but for kg_audit_export_verify. Thread: any. */
#pragma once

#include <jansson.h>

#include "relay/audit.h"
#include "relay/problem.h"

enum { KG_AUDIT_EXPORT_LINE_BYTES = 64 * 1024 };

/* {"seq", "event_id", "time" (RFC 3339, UTC), "wall_us", "actor", "role", "source", "organization", "object",
 * "result", "detail", "prev", "hash"}. NULL: memory. */
json_t *kg_audit_row_json(const struct kg_audit_row *row);
/* {"seq", "hash", "count", "wall_us", "time"}: the inside of an export's last line, {"anchor": {...}}. */
json_t *kg_audit_anchor_json(const struct kg_audit_anchor *anchor);
/* false: a field is missing or out of range. */
KG_MUST_CHECK bool kg_audit_anchor_parse(const json_t *object, struct kg_audit_anchor *anchor);
/* The texts point into `object`. false: a field is missing, of the wrong kind or too long. */
KG_MUST_CHECK bool kg_audit_row_parse(const json_t *object, struct kg_audit_row *row);

/* Reads an export line by line. Hostile bytes are a verdict, never more. */
struct kg_audit_reader {
    struct kg_audit_check check;
    bool ended;   /* the anchor has been read */
    bool partial; /* and says that rows were left out: a filter was set */
    uint64_t line;
    struct kg_audit_anchor anchor;
};
/* anchor: an earlier one that must be met too; NULL: none. */
void kg_audit_reader_begin(struct kg_audit_reader *reader, const struct kg_audit_anchor *anchor);
/* One line without its end. false from the first fault on. */
KG_MUST_CHECK bool kg_audit_reader_line(struct kg_audit_reader *reader, const char *line, size_t size);
const struct kg_audit_verdict *kg_audit_reader_end(struct kg_audit_reader *reader);

/* A whole file. earlier: an anchor it must contain, NULL: none; its own is given in *anchor (may be NULL).
 * false: the file cannot be read (*problem); a fault in it is the verdict's. */
KG_MUST_CHECK bool kg_audit_export_verify(const char *path, const struct kg_audit_anchor *earlier,
                                          struct kg_audit_verdict *verdict, struct kg_audit_anchor *anchor,
                                          struct kg_problem *problem);
/* The anchor that a file ends with: an export, or its last line kept alone. false: *problem. Thread: one. */
KG_MUST_CHECK bool kg_audit_anchor_read(const char *path, struct kg_audit_anchor *anchor,
                                        struct kg_problem *problem);
