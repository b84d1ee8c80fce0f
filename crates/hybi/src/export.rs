//! [`Stats::publish`]: the numbers as metrics of the crate `metrics`.

use crate::stats::{Stats, Traffic};
use metrics::{Label, Unit};
use std::time::Duration;

const ROUND_TRIP: &str = "hybi_round_trip_seconds";

impl Stats {
    /// Hands the numbers to the recorder of the crate `metrics` that is installed. Call it before each
    /// scrape, or every some seconds: in between nothing is handed over, so that counting costs the
    /// connections no more for being exported.
    ///
    /// | metric | kind | labels |
    /// |---|---|---|
    /// | `hybi_connections` | gauge | |
    /// | `hybi_connections_opened_total` | counter | |
    /// | `hybi_connections_closed_total` | counter | `code`: the close code |
    /// | `hybi_connection_errors_total` | counter | `code`: the name of the [`ErrorCode`](crate::ErrorCode) |
    /// | `hybi_handshakes_refused_total` | counter | `status` |
    /// | `hybi_handshakes_failed_total` | counter | |
    /// | `hybi_plain_requests_total` | counter | |
    /// | `hybi_messages_total` | counter | `direction`: `in`, `out` |
    /// | `hybi_payload_bytes_total` | counter | `direction` |
    /// | `hybi_wire_bytes_total` | counter | `direction` |
    /// | `hybi_messages_dropped_total` | counter | |
    /// | `hybi_round_trip_seconds` | histogram, recorded with each pong | |
    ///
    /// What each means is said at the field of [`Totals`](crate::Totals). Two `Stats` in one process
    /// need different labels ([`with_labels`](Self::with_labels)), otherwise they are the same metrics.
    pub fn publish(&self) {
        describe();
        let totals = self.totals();
        let labels = |name: &'static str, value: String| {
            let mut labels = self.labels().to_vec();
            labels.push(Label::new(name, value));
            labels
        };
        let plain = || self.labels().to_vec();
        metrics::gauge!("hybi_connections", plain()).set(totals.connections as f64);
        metrics::counter!("hybi_connections_opened_total", plain()).absolute(totals.opened);
        for (code, count) in &totals.closed {
            let labels = labels("code", code.to_string());
            metrics::counter!("hybi_connections_closed_total", labels).absolute(*count);
        }
        for (code, count) in &totals.errors {
            let labels = labels("code", (*code).to_owned());
            metrics::counter!("hybi_connection_errors_total", labels).absolute(*count);
        }
        for (status, count) in &totals.refused {
            let labels = labels("status", status.to_string());
            metrics::counter!("hybi_handshakes_refused_total", labels).absolute(*count);
        }
        metrics::counter!("hybi_handshakes_failed_total", plain()).absolute(totals.failed);
        metrics::counter!("hybi_plain_requests_total", plain()).absolute(totals.plain_requests);
        for (direction, traffic) in [("in", &totals.received), ("out", &totals.sent)] {
            let Traffic { messages, payload_bytes, wire_bytes } = *traffic;
            let labels = || labels("direction", direction.to_owned());
            metrics::counter!("hybi_messages_total", labels()).absolute(messages);
            metrics::counter!("hybi_payload_bytes_total", labels()).absolute(payload_bytes);
            metrics::counter!("hybi_wire_bytes_total", labels()).absolute(wire_bytes);
        }
        metrics::counter!("hybi_messages_dropped_total", plain()).absolute(totals.dropped);
    }
}

/// A heartbeat has come back.
pub(crate) fn round_trip(stats: &Stats, time: Duration) {
    metrics::histogram!(ROUND_TRIP, stats.labels().to_vec()).record(time);
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("hybi_connections", "WebSocket connections that are open");
    describe_counter!("hybi_connections_opened_total", "connections that were opened");
    describe_counter!("hybi_connections_closed_total", "connections that ended, by close code");
    describe_counter!("hybi_connection_errors_total", "connections that ended by an error");
    describe_counter!("hybi_handshakes_refused_total", "opening handshakes refused, by status");
    describe_counter!("hybi_handshakes_failed_total", "opening handshakes without an answer");
    describe_counter!("hybi_plain_requests_total", "plain HTTP requests answered");
    describe_counter!("hybi_messages_total", "messages received and sent");
    describe_counter!("hybi_payload_bytes_total", Unit::Bytes, "octets of these messages");
    describe_counter!("hybi_wire_bytes_total", Unit::Bytes, "octets of frames");
    describe_counter!("hybi_messages_dropped_total", "messages that slow clients missed");
    describe_histogram!(ROUND_TRIP, Unit::Seconds, "round trips of the heartbeat");
}
