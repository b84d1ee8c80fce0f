#![allow(missing_docs, unused_variables)]
use crate::{Error, Role};
#[derive(Debug, Clone, PartialEq)]
pub struct DeflateParams;
#[derive(Debug, Clone, PartialEq)]
pub struct DeflateOptions;
impl DeflateOptions {
    pub const fn new() -> Self {
        DeflateOptions
    }
}
#[derive(Debug)]
pub struct Compressor;
#[derive(Debug)]
pub struct Decompressor;
impl Compressor {
    pub fn new(role: Role, params: &DeflateParams, options: &DeflateOptions) -> Self {
        Compressor
    }
    pub fn wants(&self, len: usize) -> bool {
        false
    }
    pub fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
    pub fn drop_history(&mut self) {}
}
impl Decompressor {
    pub fn new(role: Role, params: &DeflateParams, options: &DeflateOptions) -> Self {
        Decompressor
    }
    pub fn decompress(
        &mut self,
        input: &[u8],
        fin: bool,
        max_len: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        Ok(())
    }
}
