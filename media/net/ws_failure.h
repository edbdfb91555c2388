/* How a WebSocket connection can fail (enum kg_ws_failure, ws_client.h), by name and from TLS. Pure. */
#pragma once

#include "net/tls_client.h"
#include "net/ws_client.h"

enum kg_ws_failure kg_ws_failure_of_tls(enum kg_tls_problem problem);
