//! Link options of the addon.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A worker thread that ends closes the addons it loaded, but threads of the pool, and their
    // thread-locals, go on living: the code must stay where it is.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
