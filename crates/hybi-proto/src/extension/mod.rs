//! Extensions.
pub mod deflate;
/// Agreed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extensions {
    /// permessage-deflate
    pub deflate: Option<deflate::DeflateParams>,
}
