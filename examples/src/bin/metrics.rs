//! Numbers for Prometheus at `/metrics`, on the port of the WebSocket; a log by `tracing`.
//!
//! `cargo run -p hybi-examples --bin metrics -- 127.0.0.1:8080`, then `curl http://127.0.0.1:8080/metrics`

use hybi::http::{HeaderValue, Response, StatusCode, header};
use hybi::{Error, Server, Stats};
use metrics_exporter_prometheus::PrometheusHandle;

/// Serves for good. `prometheus` renders what the recorder has got that is installed.
pub async fn serve(server: Server, prometheus: PrometheusHandle) -> Result<(), Error> {
    let stats = Stats::new();
    let published = stats.clone();
    server
        .stats(&stats)
        .http(move |request| {
            let mut response = Response::new(Vec::new());
            // A server on the internet would ask who wants to know.
            if request.uri().path() != "/metrics" {
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
            published.publish();
            *response.body_mut() = prometheus.render().into_bytes();
            let text = HeaderValue::from_static("text/plain; version=0.0.4");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
            response
        })
        .serve(|mut ws| async move {
            while let Some(message) = ws.recv().await? {
                tracing::debug!(bytes = message.len(), "an echo"); // within the connection's span
                ws.send(message).await?;
            }
            Ok(())
        })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
    let prometheus = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .map_err(Error::application)?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let server = Server::bind(address).await?;
    println!("listening on http://{}", server.local_addr()?);
    serve(server, prometheus).await
}
