//! The numbers as the crate `metrics` gets them.
#![cfg(feature = "metrics")]

use hybi::{Client, Options, Server, Stats};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;
use std::time::Duration;

/// `name{label=value,…}` of each metric, with what it is.
fn read(recorder: &DebuggingRecorder) -> BTreeMap<String, String> {
    let metrics = recorder.snapshotter().snapshot().into_vec();
    let shown = metrics.into_iter().map(|(key, _, _, value)| {
        let key = key.key();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => format!("{value:?}"),
            DebugValue::Histogram(values) => format!("{} values", values.len()),
        };
        (format!("{}{{{}}}", key.name(), labels.join(",")), value)
    });
    shown.collect()
}

#[tokio::test]
async fn published_are_the_documented_names_with_the_labels() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let stats = Stats::with_labels([("endpoint", "chat")]);
    let heartbeat = Options::new().ping_interval(Duration::from_millis(20));
    let server = Server::bind("127.0.0.1:0").await.unwrap().stats(&stats).path("/chat");
    let server = server.options(heartbeat);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|mut ws| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    }));
    Client::new().connect(&format!("ws://{address}/other")).await.unwrap_err();
    let mut ws = Client::new().connect(&format!("ws://{address}/chat")).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    while stats.totals().round_trips.count == 0 {
        // The ping that this receives is answered.
        ws.next_event().await.unwrap().unwrap();
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stats.publish();
    let metrics = read(&recorder);
    let value = |name: &str| metrics.get(name).map(String::as_str);
    assert_eq!(value("hybi_connections{endpoint=chat}"), Some("1.0"), "{metrics:#?}");
    assert_eq!(value("hybi_connections_opened_total{endpoint=chat}"), Some("1"));
    assert_eq!(value("hybi_handshakes_refused_total{endpoint=chat,status=404}"), Some("1"));
    assert_eq!(value("hybi_messages_total{endpoint=chat,direction=in}"), Some("1"));
    assert_eq!(value("hybi_messages_total{endpoint=chat,direction=out}"), Some("1"));
    assert_eq!(value("hybi_payload_bytes_total{endpoint=chat,direction=in}"), Some("5"));
    assert_eq!(value("hybi_messages_dropped_total{endpoint=chat}"), Some("0"));
    assert!(value("hybi_round_trip_seconds{endpoint=chat}").is_some(), "{metrics:#?}");
    ws.close(hybi::CloseCode::NORMAL, "").await.unwrap();
    drop(ws);
    // Published again: what has grown since.
    while stats.totals().connections > 0 {
        tokio::task::yield_now().await;
    }
    stats.publish();
    let metrics = read(&recorder);
    let closed = "hybi_connections_closed_total{endpoint=chat,code=1000}";
    assert_eq!(metrics.get(closed).map(String::as_str), Some("1"), "{metrics:#?}");
    assert_eq!(metrics["hybi_connections_opened_total{endpoint=chat}"], "1");
}
