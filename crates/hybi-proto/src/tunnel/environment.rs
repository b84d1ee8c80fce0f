//! Which proxy the environment asks for.

use super::{ProxyUrl, bypasses_proxy};
use crate::error::Error;
use crate::uri::Target;

impl ProxyUrl {
    /// The proxy that the environment asks for; `None` for a direct connection.
    ///
    /// `variable` looks up an environment variable. `http_proxy` is for `ws`, `https_proxy` for `wss`,
    /// `all_proxy` for both if the other is not set; `no_proxy` lists [exceptions](bypasses_proxy).
    /// Each may be written in capitals, too; an empty one counts as not set. Never a proxy for a Unix
    /// socket.
    ///
    /// ```
    /// use hybi_proto::tunnel::ProxyUrl;
    /// use hybi_proto::Target;
    /// let target = Target::parse("wss://example.com/")?;
    /// let proxy = ProxyUrl::from_environment(&target, |name| std::env::var(name).ok())?;
    /// # Ok::<(), hybi_proto::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`parse`](ProxyUrl::parse): a proxy that is asked for is not left out silently.
    pub fn from_environment(
        target: &Target,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Error> {
        if target.unix_path().is_some() {
            return Ok(None);
        }
        let first = |names: &[&str]| {
            names.iter().filter_map(|name| variable(name)).find(|value| !value.trim().is_empty())
        };
        let proxy = if target.secure() {
            first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
        } else if variable("REQUEST_METHOD").is_some() {
            // A CGI program: HTTP_PROXY may be a request's header `Proxy` (CVE-2016-5385).
            first(&["http_proxy", "all_proxy", "ALL_PROXY"])
        } else {
            first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
        };
        let Some(proxy) = proxy else { return Ok(None) };
        let exceptions = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        if bypasses_proxy(target.host(), target.port(), &exceptions) {
            return Ok(None);
        }
        ProxyUrl::parse(proxy.trim()).map(Some)
    }
}
