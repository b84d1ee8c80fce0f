//! `Sec-WebSocket-Protocol`: what is offered, and that the choice is one of the offers (RFC 6455
//! §11.3.4).

use super::headers::{Headers, Once, elements, is_token, once, shown};
use crate::code::ErrorCode;
use crate::error::Error;
use http::{HeaderMap, header};
use std::collections::BTreeSet;

/// Checks the name of a subprotocol that a side is about to use.
///
/// # Errors
/// [`Error::Usage`] if it is no token (RFC 6455 §4.1): no peer could offer it or choose it.
pub fn check_subprotocol(name: &str) -> Result<(), Error> {
    if is_token(name.as_bytes()) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "the subprotocol {} is not a token: use letters, digits and !#$%&'*+-.^_`|~ (RFC 6455 §4.1)",
        shown(name.as_bytes())
    )))
}

/// Checks what a client is about to offer.
pub(super) fn check_offer(names: &[String]) -> Result<(), Error> {
    for (i, name) in names.iter().enumerate() {
        check_subprotocol(name)?;
        if names[..i].contains(name) {
            return Err(Error::usage(format!(
                "the subprotocol {} is offered twice (RFC 6455 §4.1)",
                shown(name.as_bytes())
            )));
        }
    }
    Ok(())
}

/// Reads what a client offers: an error if an element is no token, or is repeated.
pub(super) fn read_offer<H: Headers + ?Sized>(headers: &H) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    // A head has room for thousands of names: comparing each with each would be quadratic.
    let mut known = BTreeSet::new();
    for element in elements(headers.all(&header::SEC_WEBSOCKET_PROTOCOL)) {
        let name = match std::str::from_utf8(element) {
            Ok(name) if is_token(element) => name,
            _ => {
                return Err(format!(
                    "the Sec-WebSocket-Protocol header has {}, which is not a token",
                    shown(element)
                ));
            }
        };
        if !known.insert(name) {
            return Err(format!("the Sec-WebSocket-Protocol header repeats {}", shown(element)));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Reads what the server chose: one of the offers, or none unless one is required.
pub(super) fn read_choice(
    headers: &HeaderMap,
    offered: &[String],
    required: bool,
) -> Result<Option<String>, Error> {
    let invalid = |text: String| Err(Error::handshake(ErrorCode::InvalidSubprotocol, text));
    let chosen = match once(headers, header::SEC_WEBSOCKET_PROTOCOL) {
        Once::Value(value) => value,
        Once::Repeated => {
            return invalid("the server sent several Sec-WebSocket-Protocol headers".to_owned());
        }
        Once::Missing if required && !offered.is_empty() => {
            return invalid(format!(
                "the server chose none of the offered subprotocols ({}); allow that with \
                 subprotocol_required(false)",
                offered.join(", ")
            ));
        }
        Once::Missing => return Ok(None),
    };
    if offered.is_empty() {
        return invalid(format!(
            "the server chose the subprotocol {}, but none was offered",
            shown(chosen)
        ));
    }
    match offered.iter().find(|offer| offer.as_bytes() == chosen) {
        Some(offer) => Ok(Some(offer.clone())),
        None => invalid(format!(
            "the server chose the subprotocol {}, which was not offered (offered: {})",
            shown(chosen),
            offered.join(", ")
        )),
    }
}
